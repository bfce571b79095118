"""What is in a dataset: cameras, rates, ranges and gaps, before anybody trains on it for an hour."""

import contextlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from forearm.common import stored
from forearm.world_model.absolute import AbsolutePositions, columns_of, looks_absolute
from forearm.world_model.data import layout, tables
from forearm.world_model.data.consistency import clear_kept, read_tasks, row_problems, table_notes, table_problems
from forearm.world_model.data.info import read_info
from forearm.world_model.data.layout import DatasetError
from forearm.world_model.data.reader import LeRobotData, open_unchecked
from forearm.world_model.data.repeats import REMEDY, RepeatCounter, Repeats

STUCK = 1e-9
"""Standard deviation below which a number never changes."""
FROZEN = (
    "the video's encoder left them as copies, so that windows which begin there see the past: train with every=2 and "
    f"an even world_model.frameskip where it is the odd ones, or {REMEDY}"
)


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
    """One camera: (height, width) in pixels, how it is stored, and whether it is marked as depth, which is left out."""

    key: str
    size: tuple[int, int]
    storage: str
    depth: bool = False


@dataclass(frozen=True)
class Inspection:
    """What was found. `problems` are sentences; empty for a dataset that can be trained on as it is. `notes` are
    sentences about what is odd and leads to no wrong number or frame.
    """

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
    notes: list[str] = field(default_factory=list)
    varied: dict[str, int] = field(default_factory=dict)
    """Episodes by what was otherwise when they were filmed, such as `light 0.7`; empty where nothing was."""
    absolute: AbsolutePositions | None = None
    """What commands keep to that look like absolute joint positions; None for others."""


def inspect(root: str | Path, *, frames: bool = False, **chosen: Any) -> Inspection:
    """Go through a LeRobotDataset v3 folder; with `frames`, decode every frame of every camera as well.

    `chosen` columns and episodes are said as for `read_dataset`.

    Raises:
        DatasetError: no dataset is there, or its meta files cannot be read; what else is wrong is in `problems`.
    """
    root = Path(root)
    clear_kept()
    cameras = _cameras(root)
    seen = [camera for camera in cameras if not camera.depth]
    data = open_unchecked(root, seen[0].key if seen else None, **chosen)
    problems = table_problems(data)
    tasks, _ = read_tasks(root)
    rows: list[dict[str, np.ndarray]] = []
    for episode, entry in enumerate(data.episodes):
        try:
            rows.append(data.numbers(episode))
        except DatasetError as error:
            problems.append(str(error))
        problems += row_problems(data, entry, tasks)
        if entry.length < 2:
            problems.append(f"episode {entry.index}: has {entry.length} frame")
    columns = _columns(data, rows)
    problems += _suspicious(columns)
    notes = table_notes(data)
    for camera in seen:
        own = data if camera.key == data.camera_key else open_unchecked(root, camera.key, **chosen)
        if own is not data:
            problems += [problem for problem in own.contradictions if problem not in problems]
        if frames:
            found, repeats = _frames(own)
            problems += found
            notes += [] if repeats.frozen is None else [f"{camera.key}: {repeats}; {FROZEN}"]
        else:
            problems += _times(own)
        notes += _unused(own)
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
        problems=list(dict.fromkeys(problems)),
        notes=notes,
        varied=_varied(data),
        absolute=_absolute(data, rows),
    )


def _varied(data: LeRobotData) -> dict[str, int]:
    """Episodes by factor and strength, in alphabetical order."""
    chosen, found = {entry.index for entry in data.episodes}, Counter[str]()
    for path in stored.glob(data.root, "meta/episodes/*/*.parquet"):
        for row in tables.episode_rows(path, statistics=False):
            if row["episode_index"] in chosen and isinstance(factor := row.get(layout.VARIED_BY), str):
                usual = factor == layout.AS_USUAL[layout.VARIED_BY]
                found["as usual" if usual else f"{factor} {row[layout.VARIED_STRENGTH]:g}"] += 1
    return dict(sorted(found.items()))


def _absolute(data: LeRobotData, rows: list[dict[str, np.ndarray]]) -> AbsolutePositions | None:
    keys = layout.ACTION_KEY, layout.STATE_KEY
    if not rows or not all(data.columns.get(key) for key in keys):
        return None
    columns = columns_of(*(data.names(key) for key in keys))
    if columns is None:
        return None
    action, state = (np.concatenate([row[key] for row in rows]) for key in keys)
    starts = np.cumsum([0, *(len(row[keys[0]]) for row in rows[:-1])])
    if not looks_absolute(action, state, columns, starts):
        return None
    return AbsolutePositions.of(action, state, columns, starts)


def _cameras(root: Path) -> list[Camera]:
    return [
        Camera(key, layout.image_size(feature), _storage(feature), layout.is_depth(feature))
        for key, feature in read_info(root)["features"].items()
        if feature["dtype"] in ("image", "video")
    ]


def _storage(feature: dict[str, Any]) -> str:
    if feature["dtype"] == "image":
        return "images"
    said = feature.get("info") or {}
    codec = said.get("video.codec")
    return f"video ({codec})" if codec else "video"


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


def _frames(data: LeRobotData) -> tuple[list[str], Repeats]:
    """Every frame decoded once: what is damaged, missing, or one colour all over; and how many are repeated."""
    found, repeats = [], Repeats()
    for episode, entry in enumerate(data.episodes):
        blank, seen, counter = 0, 0, RepeatCounter(entry.first_frame(data.fps))
        try:
            for frame in data.frames(episode):
                seen += 1
                blank += bool(frame.min() == frame.max())
                counter.see(frame)
        except DatasetError as error:
            found.append(f"{data.camera_key}: {error}")
        else:
            if seen != entry.length:
                found.append(f"{data.camera_key}: episode {entry.index}: {seen} of {entry.length} frames")
        repeats += counter.found
        if blank:
            found.append(f"{data.camera_key}: episode {entry.index}: {blank} frames are one colour all over")
    return found, repeats


def _times(data: LeRobotData) -> list[str]:
    """Episodes whose frames the video does not show when the table says; nothing is decoded."""
    found = []
    for episode, entry in enumerate(data.episodes):
        if entry.video is not None:
            try:
                data.check_times(episode)
            except DatasetError as error:
                found.append(f"{data.camera_key}: {error}")
    return found


def _unused(data: LeRobotData) -> list[str]:
    """Videos with more frames than their episodes, as a deletion leaves them, or a table that lies by whole frames."""
    films: dict[Path, int] = {}
    for entry in data.everything:
        if entry.video is not None:
            films[entry.video] = films.get(entry.video, 0) + entry.length
    found = []
    for video, used in films.items():
        with contextlib.suppress(ValueError):  # told where its frames are asked for
            there = len(data.times(video))
            if there > used:
                name = video.relative_to(data.root).as_posix()
                found.append(f"{name}: {there - used} of {there} frames belong to no episode")
    return found
