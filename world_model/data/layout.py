"""Where things stand in a LeRobotDataset v3.0 folder, and what a column of it looks like.

    meta/info.json                                   version, fps, features, path templates
    meta/stats.json                                  min, max, mean, std and count per feature
    meta/tasks.parquet                               task text -> task_index
    meta/episodes/chunk-000/file-000.parquet         one row per episode: length, files, offsets, statistics
    data/chunk-000/file-000.parquet                  one row per frame
    videos/<camera>/chunk-000/file-000.mp4           only when the camera is stored as video

Source: the LeRobotDataset v3.0 format (huggingface/lerobot, ``lerobot.datasets``).
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from forearm.common import checks
from forearm.errors import InputError

CODEBASE_VERSION = "v3.0"
DATA_PATH = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO_PATH = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
EPISODES_PATH = "meta/episodes/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
INFO_PATH = "meta/info.json"
STATS_PATH = "meta/stats.json"
TASKS_PATH = "meta/tasks.parquet"
CHUNK_FILES = 1000
"""Files in one ``chunk-…`` folder."""

CAMERA_KEY = "observation.images.front"
DESCRIPTIONS = (".yaml", ".yml")
"""How the names of files end that describe a table of sensors."""
NO_CAMERA = ""
"""For whoever looks at numbers alone."""
STATE_KEY = "observation.state"
ACTION_KEY = "action"

INDEX_FEATURES: dict[str, str] = {
    "timestamp": "float32",
    "frame_index": "int64",
    "episode_index": "int64",
    "index": "int64",
    "task_index": "int64",
}
"""Columns that every dataset has beside its own features, each a scalar."""
VARIED_BY, VARIED_STRENGTH = "vary/factor", "vary/strength"
"""Columns of the episodes table: what was otherwise than usual when an episode was filmed, and how much."""
AS_USUAL: dict[str, str | float] = {VARIED_BY: "none", VARIED_STRENGTH: math.nan}
"""Of an episode in which nothing was otherwise."""
AT_LEAST = checks.worded(checks.integer, "{name} is {value}; it must be at least {least}")


def is_source(path: Path) -> bool:
    """Whether there is the folder of a data set, or the description of a table of sensors."""
    return path.is_dir() or (path.suffix in DESCRIPTIONS and path.is_file())


def view(cameras: Sequence[str]) -> str:
    """One name for cameras that are seen together, side by side in this order."""
    return "+".join(cameras)


def cameras_of(name: str) -> list[str]:
    """The cameras of a view, or the one camera."""
    return name.split("+")


class DatasetError(InputError):
    """A dataset folder cannot be written or read; the message names the file and the episode."""


def place(number: int) -> tuple[int, int]:
    """Chunk index and file index of the ``number``-th file of a kind."""
    return number // CHUNK_FILES, number % CHUNK_FILES


def vector_feature(names: list[str], **said: Any) -> dict[str, Any]:
    """The ``features`` entry of a float32 vector whose components are called ``names``; what else is ``said`` of it."""
    return {"dtype": "float32", "shape": [len(names)], "names": list(names), **said}


def camera_feature(height: int, width: int, *, fps: int, video_format: str | None) -> dict[str, Any]:
    """The ``features`` entry of a camera: PNG images, or H.264 video in pixel format ``video_format``."""
    entry: dict[str, Any] = {
        "dtype": "image" if video_format is None else "video",
        "shape": [height, width, 3],
        "names": ["height", "width", "channels"],
    }
    if video_format is not None:
        entry["info"] = {
            "video.height": height,
            "video.width": width,
            "video.codec": "h264",
            "video.pix_fmt": video_format,
            "video.is_depth_map": False,
            "video.fps": fps,
            "video.channels": 3,
            "has_audio": False,
        }
    return entry


def is_depth(feature: dict[str, Any]) -> bool:
    """Whether a camera feature is marked as depth, as LeRobot does it since 0.6 and as it did before."""
    notes = [feature[name] for name in ("info", "video_info") if isinstance(feature.get(name), dict)]
    return any(bool(value) for note in notes for key, value in note.items() if key.endswith("is_depth_map"))


def image_size(feature: dict[str, Any]) -> tuple[int, int]:
    """Height and width of a camera feature, whichever way round its shape is written.

    Raises:
        ValueError: the shape is not that of an image.
    """
    shape = [int(n) for n in feature.get("shape", [])]
    if len(shape) != 3:
        raise InputError(f"shape {shape} is not that of an image")
    names = feature.get("names")
    channels_first = shape[0] in (1, 3) and shape[2] not in (1, 3)
    if isinstance(names, list) and len(names) == 3:
        channels_first = str(names[0]).startswith("c")
    return (shape[1], shape[2]) if channels_first else (shape[0], shape[1])
