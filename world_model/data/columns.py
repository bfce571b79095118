"""Which columns of a data set are commands and joint readings, and what shape they come in.

LeRobot calls them ``action`` and ``observation.state``. Others call them ``actions`` and ``state``, or keep arm and
gripper in columns of their own. One or several columns, flattened in C order and put side by side in the order in
which they are named, make the command; the same holds for the joint readings.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from forearm.errors import InputError
from forearm.world_model.data import layout
from forearm.world_model.data.episode import Floats
from forearm.world_model.data.layout import DatasetError

NUMERIC = (
    "float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool",
)  # fmt: skip
Keys = str | Sequence[str] | None
"""One column, several that are put side by side, or None for what is usual."""

USUAL = {
    layout.ACTION_KEY: ("action", "actions"),
    layout.STATE_KEY: ("observation.state", "state", "states", "observation.states", "observation/state"),
}
"""Names of whole commands and of whole joint readings, the surest first."""
SETTING = {layout.ACTION_KEY: "action_key", layout.STATE_KEY: "state_key"}


def numeric(features: Mapping[str, Mapping[str, Any]]) -> dict[str, tuple[int, ...]]:
    """Shape of every numeric feature but time stamps and counters; () for a plain number."""
    found = {}
    for key, feature in features.items():
        shape = feature.get("shape")
        if feature.get("dtype") not in NUMERIC or key in layout.INDEX_FEATURES or not isinstance(shape, (list, tuple)):
            continue
        if all(isinstance(size, int) and size > 0 for size in shape):
            found[key] = tuple(int(size) for size in shape)
    return found


def sources(features: Mapping[str, Mapping[str, Any]], key: str, wanted: Keys, where: object) -> tuple[str, ...]:
    """The columns that make up ``key`` (``action`` or ``observation.state``); none where nothing clearly does.

    Without ``wanted`` it is the column with a usual name, or else the only one whose name begins with such a name and a
    dot or slash. Several such parts are taken together only when they are named: DROID's are the same command in other
    coordinates.

    Raises:
        DatasetError: a wanted column is not there, is no numbers, or is named twice.
    """
    shapes = numeric(features)
    if wanted is not None:
        names = (wanted,) if isinstance(wanted, str) else tuple(wanted)
        for name in names:
            if name not in shapes:
                raise DatasetError(
                    f"{where}: {SETTING[key]}={shown(names)}: has no numbers called {name}; {listed(features)}"
                )
        if not names or len(set(names)) < len(names):
            raise DatasetError(f"{where}: {SETTING[key]}={shown(names)}: expected one column or more, each once")
        return names
    for name in USUAL[key]:
        if name in shapes:
            return (name,)
    starts = tuple(f"{name}{mark}" for name in USUAL[key] for mark in "./")
    parts = [name for name in shapes if name.startswith(starts)]
    return (parts[0],) if len(parts) == 1 else ()


def advice(features: Mapping[str, Mapping[str, Any]], key: str) -> str:
    """Which numeric columns there are, and the setting that chooses among them."""
    setting = SETTING[key]
    return f"{listed(features)}: say which, {setting}=NAME or {setting}=[NAME,NAME]"


def listed(features: Mapping[str, Mapping[str, Any]]) -> str:
    """The numeric columns and their shapes, in words."""
    found = [f"{key} ({'x'.join(map(str, shape)) or '1'})" for key, shape in numeric(features).items()]
    return f"its numeric columns are {', '.join(found)}" if found else "it has no numeric columns"


def shown(names: Sequence[str]) -> str:
    """Column names as a setting is written."""
    return names[0] if len(names) == 1 else f"[{','.join(names)}]"


def width(shape: Sequence[int]) -> int:
    """Numbers in a value of this shape."""
    return math.prod(shape)


def names_of(feature: Mapping[str, Any], key: str) -> list[str]:
    """What the numbers of a feature are called, in C order; made up where the data set does not say."""
    shape = tuple(feature["shape"])
    names: Any = feature.get("names")
    if isinstance(names, dict):
        values = list(names.values())
        if len(values) == 1 and isinstance(values[0], list):  # {"motors": [...]} is common in recorded data
            names = values[0]
        elif all(isinstance(place, int) for place in values):  # {"x": 0, "y": 1}
            names = [name for _, name in sorted(zip(values, names, strict=True))]
    if isinstance(names, list) and len(names) == width(shape) and not any(isinstance(name, list) for name in names):
        return [str(name) for name in names]
    if len(shape) < 2:
        return [f"{key}.{i}" for i in range(width(shape))]
    return [".".join(map(str, (key, *place))) for place in np.ndindex(shape)]


def side_by_side(features: Mapping[str, Mapping[str, Any]], parts: Sequence[str]) -> list[str]:
    """Names of the numbers of several columns; with the column's in front where two would have the same."""
    each = [names_of(features[part], part) for part in parts]
    together = [name for names in each for name in names]
    if len(set(together)) == len(together):
        return together
    return [
        name if name.startswith(part) else f"{part}.{name}"
        for part, names in zip(parts, each, strict=True)
        for name in names
    ]


def matrix(column: pa.ChunkedArray, size: int, missing: bool = False) -> Floats:
    """Numbers, or lists of them nested to any depth, as (T, size) float32; with `missing`, NaN for an empty cell.

    Raises:
        ValueError: cells are empty, are no numbers, or hold another count of them.
    """
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):  # of no chunks
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], column.type)
    rows, per_row, whole = len(array), 1, array
    while True:
        if isinstance(array, pa.ExtensionArray):
            array = array.storage
        if not _is_list(array.type):
            break
        if array.null_count:
            raise InputError("has empty cells")
        lengths = set(pc.unique(pc.list_value_length(array)).to_pylist())
        if len(lengths) > 1:
            raise InputError(f"rows have between {min(lengths)} and {max(lengths)} numbers, not {size}")
        per_row *= lengths.pop() if lengths else 1
        array = array.flatten()
    if array.null_count:
        if array is whole and not missing:
            raise InputError("has empty cells")
        array = array.cast(pa.float64())  # a missing number in a list is NaN
    if rows and per_row != size:
        raise InputError(f"rows have {per_row:g} numbers, not {size}")
    kind = array.type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)):
        raise InputError(f"holds {kind}, not numbers")
    with np.errstate(over="ignore"):  # what is too large for float32 is infinite there, and told as such
        values = np.asarray(array.to_numpy(zero_copy_only=False)).astype(np.float32)
    return values.reshape(rows, size)


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_fixed_size_list(kind) or pa.types.is_list(kind) or pa.types.is_large_list(kind))
