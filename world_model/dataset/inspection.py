"""What is in a dataset: cameras, rates, ranges and gaps, before anybody trains on it for an hour."""

from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from . import layout
from .layout import DatasetError
from .reader import LeRobotData, read_dataset

LATE = 0.25
"""Share of a frame's period by which a time stamp may be off before it counts as a gap."""
STUCK = 1e-9
"""Standard deviation below which a number never changes."""


@dataclass(frozen=True)
class Column:
    """One number of a numeric feature over all frames."""

    feature: str
    name: str
    low: float
    high: float
    mean: float
    std: float
    not_finite: int
    largest_step: float
    """Largest change from one frame to the next, within an episode."""


@dataclass(frozen=True)
class Camera:
    """One camera: (height, width) in pixels, how it is stored, and whether it is the one that was asked for."""

    key: str
    size: tuple[int, int]
    storage: str


@dataclass(frozen=True)
class Inspection:
    """What was found. `problems` are sentences; empty for a dataset that can be trained on as it is."""

    root: Path
    version: str
    robot: str
    fps: float
    episodes: int
    frames: int
    shortest: int
    longest: int
    tasks: dict[str, int]
    cameras: list[Camera]
    columns: list[Column]
    problems: list[str] = field(default_factory=list)


def inspect(root: str | Path, *, frames: bool = False, **chosen: Any) -> Inspection:
    """Go through a LeRobotDataset v3 folder; with `frames`, decode every frame of every camera as well.

    `chosen` columns and episodes are said as for `read_dataset`.

    Raises:
        DatasetError: no dataset is there, or its meta files cannot be read; what else is wrong is in `problems`.
    """
    root = Path(root)
    _stamps.cache_clear()  # a file may have changed since
    cameras = _cameras(root)
    data = read_dataset(root, cameras[0].key if cameras else None, **chosen)
    problems: list[str] = []
    rows: list[dict[str, np.ndarray]] = []
    for episode, entry in enumerate(data.episodes):
        try:
            rows.append(data.numbers(episode))
        except DatasetError as error:
            problems.append(str(error))
        problems += _gaps(data, episode)
        if entry.length < 2:
            problems.append(f"episode {entry.index}: has {entry.length} frame")
    columns = _columns(data, rows)
    problems += _suspicious(columns)
    if frames:
        problems += _frames(root, cameras, chosen)
    lengths = [entry.length for entry in data.episodes] or [0]
    return Inspection(
        root=root,
        version=str(data.info["codebase_version"]),
        robot=str(data.info.get("robot_type") or "not said"),
        fps=data.fps,
        episodes=len(data),
        frames=data.frames_total,
        shortest=min(lengths),
        longest=max(lengths),
        tasks=dict(Counter(task for entry in data.episodes for task in entry.tasks)),
        cameras=cameras,
        columns=columns,
        problems=problems,
    )


def _cameras(root: Path) -> list[Camera]:
    from .atomic import read_json

    path = root / layout.INFO_PATH
    if not path.exists():
        raise DatasetError(f"{path}: missing; no LeRobot dataset is there")
    info = read_json(path)
    found = []
    for key, feature in (info.get("features") or {}).items():
        if feature.get("dtype") in ("image", "video"):
            try:
                found.append(Camera(key, layout.image_size(feature), _storage(feature)))
            except ValueError as error:
                raise DatasetError(f"{path}: {key}: {error}") from None
    return found


def _storage(feature: dict[str, Any]) -> str:
    if feature["dtype"] == "image":
        return "images"
    said = feature.get("info") or {}
    codec = said.get("video.codec")
    return f"video ({codec})" if codec else "video"


def _gaps(data: LeRobotData, episode: int) -> list[str]:
    """Time stamps and counters of an episode that do not go on as the frame rate says."""
    entry = data.episodes[episode]
    where = f"episode {entry.index}"
    try:
        table = _stamps(entry.data)
    except (OSError, pa.ArrowException) as error:
        return [f"{where}: time stamps cannot be read ({' '.join(str(error).split())[:120]})"]
    own = table.column("episode_index").to_numpy() == entry.index
    times = table.column("timestamp").to_numpy()[own].astype(np.float64)
    counters = table.column("frame_index").to_numpy()[own]
    found = []
    if not np.array_equal(counters, np.arange(len(counters))):
        found.append(f"{where}: frame_index does not count 0, 1, 2, …")
    if not np.isfinite(times).all():
        return [*found, f"{where}: {int((~np.isfinite(times)).sum())} time stamps are no numbers"]
    steps = np.diff(times)
    for kind, off in (("longer", steps - 1 / data.fps), ("shorter", 1 / data.fps - steps)):
        bad = np.flatnonzero(off > LATE / data.fps)
        if len(bad):
            found.append(
                f"{where}: {len(bad)} steps are {kind} than {1e3 / data.fps:.4g} ms, the worst "
                f"{1e3 * steps[bad[off[bad].argmax()]]:.4g} ms after frame {int(bad[off[bad].argmax()])}"
            )
    return found


@lru_cache(maxsize=1)
def _stamps(path: Path) -> pa.Table:
    """The last file that was read is kept: it may hold the stamps of a thousand episodes."""
    return pq.read_table(path, columns=["episode_index", "timestamp", "frame_index"])


def _columns(data: LeRobotData, rows: list[dict[str, np.ndarray]]) -> list[Column]:
    found = []
    for feature, width in data.columns.items():
        if not rows:
            continue
        values = np.concatenate([row[feature] for row in rows]).astype(np.float64)
        steps = np.concatenate([abs(np.diff(row[feature].astype(np.float64), axis=0)) for row in rows])
        for i, name in zip(range(width), data.names(feature), strict=True):
            fine = values[np.isfinite(values[:, i]), i]
            low, high, mean, std = (fine.min(), fine.max(), fine.mean(), fine.std()) if len(fine) else (np.nan,) * 4
            largest = float(np.nanmax(steps[:, i], initial=0.0))
            missing = len(values) - len(fine)
            found.append(Column(feature, name, float(low), float(high), float(mean), float(std), missing, largest))
    return found


def _suspicious(columns: list[Column]) -> list[str]:
    found = []
    for column in columns:
        if column.not_finite:
            found.append(f"{column.feature} {column.name}: {column.not_finite} values are NaN or infinite")
        if column.feature == layout.ACTION_KEY and column.std < STUCK:
            found.append(f"{column.feature} {column.name}: never changes, so nothing can be learned about it")
    return found


def _frames(root: Path, cameras: list[Camera], chosen: dict[str, Any]) -> list[str]:
    """Every frame decoded once: what is damaged, missing, or one colour all over."""
    found = []
    for camera in cameras:
        data = read_dataset(root, camera.key, **chosen)
        for episode, entry in enumerate(data.episodes):
            blank, seen = 0, 0
            try:
                for frame in data.frames(episode):
                    seen += 1
                    blank += bool(frame.min() == frame.max())
            except DatasetError as error:
                found.append(f"{camera.key}: {error}")
            else:
                if seen != entry.length:
                    found.append(f"{camera.key}: episode {entry.index}: {seen} of {entry.length} frames")
            if blank:
                found.append(f"{camera.key}: episode {entry.index}: {blank} frames are one colour all over")
    return found
