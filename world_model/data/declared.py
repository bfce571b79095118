"""What a data set says about its own numbers beyond LeRobot's format: units, and the bounds of its commands.

Both stand in ``meta/info.json`` beside a feature's type and shape, where other readers pass them by:

    "ee_position": {"dtype": "float32", "shape": [3], "names": ["x", "y", "z"], "unit": "m"}
    "action":      {"dtype": "float32", …, "bounds": {"low": [-1, -1], "high": [1, 1]}}
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from forearm.world_model.data.atomic import read_json
from forearm.world_model.data.episode import Floats
from forearm.world_model.data.layout import DatasetError

METRE = "m"
Bounds = tuple[tuple[float, ...], tuple[float, ...]]
"""Lowest and highest command, each one number per dimension."""


def positions(info: Mapping[str, Any]) -> tuple[str, ...]:
    """Columns that are known to be positions x, y, z in metres.

    Those that say so, and those that this project's writer filled before it said so: ``…_position`` of x, y and z. Of
    others' columns a name says nothing: a gripper's position is a share, a joint's an angle.
    """
    ours = info.get("robot_type") == "forearm"
    found = []
    for key, feature in info["features"].items():
        if feature.get("shape") != [3] or feature.get("dtype") not in ("float32", "float64"):
            continue
        unsaid = (
            ours and "unit" not in feature and key.endswith("_position") and feature.get("names") == ["x", "y", "z"]
        )
        if unsaid or feature.get("unit") == METRE:
            found.append(key)
    return tuple(found)


def bounds(root: Path, info: Mapping[str, Any], parts: Sequence[str]) -> Bounds | None:
    """Between which commands the columns ``parts`` lie by the word of who recorded them; None where nothing is said.

    What was collected in a simulator before this was written down was collected between -1 and 1.
    """
    features = info["features"]
    low: list[float] = []
    high: list[float] = []
    for part in parts:
        said = features[part].get("bounds")
        try:
            least, most = ([float(value) for value in said[side]] for side in ("low", "high"))
        except (TypeError, KeyError, ValueError):
            return _before(root, features[part]) if len(parts) == 1 and said is None else None
        right = np.isfinite([*least, *most]).all() and len(least) == len(most) == int(np.prod(features[part]["shape"]))
        if not right or any(a > b for a, b in zip(least, most, strict=True)):
            return None
        low += least
        high += most
    return (tuple(low), tuple(high)) if parts else None


def units(info: Mapping[str, Any], parts: Sequence[str]) -> tuple[str, ...] | None:
    """What 1.0 of each number of the columns ``parts`` is, by their ``unit``: a text for all numbers of a column, or a
    list with one for each; None unless that is said of all.
    """
    found: list[str] = []
    for part in parts:
        size = int(np.prod(info["features"][part]["shape"]))
        said = info["features"][part].get("unit")
        each = [said] * size if isinstance(said, str) else said
        if not isinstance(each, list) or len(each) != size or not all(isinstance(unit, str) and unit for unit in each):
            return None
        found += [unit if unit[0].isdigit() else f"1 {unit}" for unit in each]
    return tuple(found) or None


def spread(commands: Floats) -> Bounds:
    """The least and the greatest of commands (N, A) in every dimension."""
    return tuple(commands.min(0).tolist()), tuple(commands.max(0).tolist())


def union(each: Sequence[Bounds]) -> Bounds:
    """The narrowest bounds that hold all of them."""
    low, high = (np.array([side[i] for side in each]) for i in (0, 1))
    return tuple(low.min(0).tolist()), tuple(high.max(0).tolist())


def _before(root: Path, feature: Mapping[str, Any]) -> Bounds | None:
    try:
        collected = read_json(root / "meta/collection.json")["fingerprint"]["policy"] == "explorer"
    except (DatasetError, KeyError, TypeError):
        return None
    size = int(np.prod(feature["shape"]))
    return ((-1.0,) * size, (1.0,) * size) if collected else None
