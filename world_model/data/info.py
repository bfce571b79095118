"""``meta/info.json``, checked field by field in one place, so that whoever reads it later can rely on its types.

What nothing here reads (splits, chunk sizes, robot type) is not looked at: LeRobot leaves much of it null.
"""

import string
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from forearm.common import stored
from forearm.world_model.data import layout
from forearm.world_model.data.atomic import read_json
from forearm.world_model.data.layout import DatasetError

MOST_FPS = 100_000
MOST_NUMBERS = 1 << 16
"""Longest side of a shape; beyond it something else than a robot's readings was meant."""
MOST_FRAMES = 1 << 53
"""What a 64-bit float counts to."""


def read_info(root: Path) -> dict[str, Any]:
    """``meta/info.json`` of the dataset in ``root`` with every field that is read of the right type and size.

    Whole numbers are ``int``, ``fps`` is a ``float``, and ``features`` maps names to objects with a ``dtype``, a
    ``shape`` that is a list of whole numbers, and an ``info`` that is an object or absent.

    Raises:
        DatasetError: no dataset is there, or a field is missing or wrong; the message names file, field, what was
            expected and what was found.
    """
    path = root / layout.INFO_PATH
    if not stored.exists(path):
        begun = stored.look(root / "meta")
        reason = "its collection is not finished" if begun else "no LeRobot dataset is there"
        raise DatasetError(f"{path}: missing; {reason}")
    info = read_json(path)
    for key in ("codebase_version", "features", "fps", "data_path", "total_episodes"):
        if key not in info:
            raise DatasetError(f"{path}: has no {key}")
    version = info["codebase_version"]
    if not isinstance(version, str) or not version.startswith("v3."):
        shown = version if isinstance(version, str) else _shown(version)
        raise DatasetError(f"{path}: codebase_version is {shown}, not v3.0; convert it with LeRobot's script")
    info["fps"] = _rate(path, info["fps"])
    for key in ("total_episodes", "total_frames"):
        if key in info:
            info[key] = _whole(path, key, info[key], 0, MOST_FRAMES)
    features = info["features"]
    if not isinstance(features, dict):
        raise _wrong(path, "features", "an object that names every column", features)
    info["features"] = {key: _feature(path, key, feature) for key, feature in features.items()}
    _template(path, "data_path", info["data_path"], layout.DATA_PATH, ("chunk_index", "file_index"))
    if info.get("video_path") is not None:
        video_template(root, info)
    return info


def video_template(root: Path, info: Mapping[str, Any]) -> str:
    """``video_path``, with gaps for the camera, the chunk and the file; raises `DatasetError` where it is none."""
    names = ("video_key", "chunk_index", "file_index")
    _template(root / layout.INFO_PATH, "video_path", info.get("video_path"), layout.VIDEO_PATH, names)
    return str(info["video_path"])


def _feature(path: Path, key: str, feature: Any) -> dict[str, Any]:
    where = f"features.{key}"
    if not isinstance(feature, dict):
        raise _wrong(path, where, "an object with dtype and shape", feature)
    dtype = feature.get("dtype")
    if not isinstance(dtype, str) or not dtype:
        raise _wrong(path, f"{where}.dtype", "a type such as float32 or video", dtype)
    shape = feature.get("shape")
    if not isinstance(shape, list):
        raise _wrong(path, f"{where}.shape", "a list of whole numbers such as [6]", shape)
    sizes = [_whole(path, f"{where}.shape", size, 1, MOST_NUMBERS) for size in shape]
    if dtype in ("image", "video"):
        try:
            layout.image_size({**feature, "shape": sizes})
        except ValueError as error:
            raise DatasetError(f"{path}: {where}: {error}; expected [height, width, channels]") from None
    more = {name: feature[name] for name in ("info", "video_info") if isinstance(feature.get(name), dict)}
    kept = {name: value for name, value in feature.items() if name not in ("info", "video_info")}
    return {**kept, "shape": sizes, **more}


def _rate(path: Path, value: Any) -> float:
    # Compared before it becomes a float: a whole number of JSON has any size.
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= MOST_FPS:
        raise _wrong(path, "fps", f"frames a second, a number above 0 and at most {MOST_FPS}", value)
    return float(value)


def _whole(path: Path, key: str, value: Any, least: int, most: int) -> int:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not least <= value <= most or value != int(value):
        raise _wrong(path, key, f"a whole number from {least} to {most}", value)
    return int(value)


def _template(path: Path, key: str, value: Any, usual: str, names: tuple[str, ...]) -> None:
    """Raise `DatasetError` unless ``value`` is a path inside the dataset with no other gaps than ``names``."""
    wanted = f"a path inside the dataset such as {usual}"
    if not isinstance(value, str) or not value:
        raise _wrong(path, key, wanted, value)
    try:
        gaps = [gap for gap in string.Formatter().parse(value) if gap[1] is not None]
    except ValueError:
        raise _wrong(path, key, wanted, value) from None
    for _, name, form, conversion in gaps:
        # A format such as :0999999999d would fill the memory.
        digits = str(form or "").rstrip("d")
        short = digits == "" or (digits.isascii() and digits.isdigit() and len(digits) <= 2)
        if name not in names or conversion or not short or (name == "video_key" and form):
            raise _wrong(path, key, wanted, value)
    parts = Path(value).parts
    if Path(value).is_absolute() or ".." in parts or "\0" in value:
        raise _wrong(path, key, wanted, value)


def _wrong(path: Path, key: str, expected: str, found: Any) -> DatasetError:
    return DatasetError(
        f"{path}: {key} is {_shown(found)}, expected {expected}; mend the file or record the dataset again"
    )


def _shown(value: Any) -> str:
    try:
        text = {None: "null or missing", True: "true", False: "false"}.get(value) if not _is_number(value) else None
    except TypeError:  # a list or an object
        text = None
    if text is None:
        try:
            text = repr(value)
        except ValueError:  # a whole number of more than 4300 digits
            text = "a number of thousands of digits"
    return text if len(text) <= 60 else f"{text[:57]}..."


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
