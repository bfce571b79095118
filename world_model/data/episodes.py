"""The episodes table, ``meta/episodes``: where each episode lies, and what in it contradicts itself.

A field that is missing or of the wrong kind is an error at once. Fields that contradict each other are collected, so
that an inspection can list them all; ``read_dataset`` refuses the first.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from forearm.world_model.data import layout
from forearm.world_model.data.info import video_template
from forearm.world_model.data.layout import DatasetError
from forearm.world_model.data.selection import Episodes, ranges, select
from forearm.world_model.data.tables import read_episodes, scalars

TOLERANCE = 0.5
"""Share of a frame's period by which a time in the table may be off: rounding is far below, another frame at it."""
MOST = 1 << 40
"""Largest index or count that is believed."""


@dataclass(frozen=True)
class EpisodeEntry:
    """Where one episode lies."""

    index: int
    length: int
    """Frames."""
    data: Path
    video: Path | None
    video_start: float
    """Seconds into the video file."""
    tasks: tuple[str, ...]
    video_end: float = 0.0
    """Seconds into the video file at which the next episode may begin."""
    first_row: int | None = None
    """``dataset_from_index``, where the table says it."""
    end_row: int | None = None
    """``dataset_to_index``, where the table says it."""
    named: Path | None = None
    """The data file that the table names, where the rows stand in another one."""

    def first_frame(self, fps: float) -> int:
        """Number of the first frame in the video file; 0 where the table says none."""
        number = self.video_start * fps
        return round(number) if math.isfinite(number) else 0


@dataclass(frozen=True)
class EpisodesTable:
    """The episodes in the order of their index, and what contradicts itself: a sentence each, empty if nothing does.

    ``entries`` are those that were chosen, ``everything`` all that there are. ``untidy`` are sentences about what is
    odd but leads to no wrong frame or number here.
    """

    entries: list[EpisodeEntry]
    everything: list[EpisodeEntry]
    contradictions: list[str]
    untidy: list[str]


def read_table(
    root: Path, info: Mapping[str, Any], camera: str, episodes: Episodes = None, exclude: Episodes = None
) -> EpisodesTable:
    """The episodes of the dataset in ``root`` as ``camera`` filmed them; ``info`` as ``read_info`` gives it.

    ``episodes`` and ``exclude`` choose among them, see ``selection.select``; what contradicts itself in others does not
    count.

    Raises:
        DatasetError: no table, a column or cell that is missing or of the wrong kind, an episode that stands twice,
            another number of episodes than ``info`` promises, or a choice that cannot be.
    """
    folder = root / "meta/episodes"
    paths = sorted(folder.glob("*/*.parquet"))
    if not paths:
        raise DatasetError(f"{folder}: missing; nothing says which episodes there are")
    entries: list[EpisodeEntry] = []
    for path in paths:
        entries += _entries(path, root, info, camera)
    doubled = [index for index, n in Counter(entry.index for entry in entries).items() if n > 1]
    if doubled:
        raise DatasetError(f"{folder}: episode {doubled[0]} stands there twice")
    if len(entries) != info["total_episodes"]:
        raise DatasetError(
            f"{folder}: holds {len(entries)} of the {info['total_episodes']} episodes that {layout.INFO_PATH} promises"
        )
    untidy = _numbering(folder, entries)
    entries.sort(key=lambda entry: entry.index)
    wanted = set(select([entry.index for entry in entries], episodes, exclude, root))
    chosen = [entry for entry in entries if entry.index in wanted]
    found = _lengths(folder, chosen, info["fps"]) + _rows(folder, chosen) + _intervals(folder, chosen, info["fps"])
    frames = sum(entry.length for entry in entries)
    if info.get("total_frames", frames) != frames:
        untidy.append(
            f"{root / layout.INFO_PATH}: total_frames is {info['total_frames']}, the episodes have {frames} frames"
        )
    everything = located(root, entries)
    return EpisodesTable([entry for entry in everything if entry.index in wanted], everything, found, untidy)


def located(root: Path, entries: Sequence[EpisodeEntry]) -> list[EpisodeEntry]:
    """``entries`` with the data file in which each episode's rows stand, as LeRobot finds them: by row.

    Where the file that the table names lacks rows of an episode, and one other file holds them all, it is taken.
    Otherwise the entry stays as it is, and reading it says what is wrong.
    """
    counts = {path: _count(path) for path in {entry.data for entry in entries}}
    lost = [entry for entry in entries if counts[entry.data].get(entry.index) != entry.length]
    if not lost:
        return list(entries)
    for path in root.glob("data/*/*.parquet"):
        if path not in counts:
            counts[path] = _count(path)
    found = {}
    for entry in lost:
        homes = [path for path, rows in counts.items() if rows.get(entry.index)]
        if len(homes) == 1 and counts[homes[0]][entry.index] == entry.length:
            found[entry.index] = replace(entry, data=homes[0], named=entry.data)
    return [found.get(entry.index, entry) for entry in entries]


def check_there(root: Path, entries: Sequence[EpisodeEntry]) -> None:
    """Raise ``DatasetError`` that says which episodes can be read, unless the files of all ``entries`` are there."""
    seen: dict[Path, bool] = {}
    lacking, missing = [], None
    for entry in entries:
        for path in (entry.data, entry.video):
            if path is not None and not seen.setdefault(path, path.exists()):
                lacking.append(entry.index)
                missing = missing or path
                break
    if missing is None:
        return
    gone = set(lacking)
    left = [entry.index for entry in entries if entry.index not in gone]
    remedy = f", or choose the others, episodes={ranges(left)}" if left else ""
    raise DatasetError(
        f"{missing}: episode {lacking[0]}: the file is missing; {len(lacking)} of {len(entries)} episodes of {root} "
        f"cannot be read: fetch their files{remedy}"
    )


def _count(path: Path) -> dict[int, int]:
    """Rows of every episode in a data file; nothing of one that cannot be read, which reading will tell."""
    try:
        column = pq.read_table(path, columns=["episode_index"], partitioning=None).column("episode_index")
        indices, counts = np.unique(scalars(column).astype(np.int64), return_counts=True)
    except (OSError, pa.ArrowException, KeyError, ValueError):
        return {}
    return dict(zip(indices.tolist(), counts.tolist(), strict=True))


def _entries(path: Path, root: Path, info: Mapping[str, Any], camera: str) -> Iterable[EpisodeEntry]:
    """The rows of one file of the table."""
    try:
        rows = read_episodes(path, statistics=False)
    except (OSError, pa.ArrowException) as error:
        raise DatasetError(f"{path}: episodes cannot be read ({error})") from error
    filmed = camera != layout.NO_CAMERA and info["features"][camera]["dtype"] == "video"
    films = video_template(root, info) if filmed else None
    for number, row in enumerate(rows):
        cells = _Cells(path, f"row {number}", row)
        index = cells.whole("episode_index")
        cells = _Cells(path, f"episode {index}", row)
        length = cells.whole("length", least=1)
        place = {key: cells.whole(f"data/{key}") for key in ("chunk_index", "file_index")}
        video, start, end = None, 0.0, 0.0
        if films is not None:
            key = f"videos/{camera}"
            where = {name: cells.whole(f"{key}/{name}") for name in ("chunk_index", "file_index")}
            video = root / films.format(video_key=camera, **where)
            start, end = cells.seconds(f"{key}/from_timestamp"), cells.seconds(f"{key}/to_timestamp")
        rows_at = [cells.whole(key) if key in row else None for key in ("dataset_from_index", "dataset_to_index")]
        data = root / str(info["data_path"]).format(**place)
        yield EpisodeEntry(index, length, data, video, start, cells.tasks(), end, rows_at[0], rows_at[1])


@dataclass(frozen=True)
class _Cells:
    """One row of the table, whose cells are asked for by kind; an error names file, episode and column."""

    path: Path
    where: str
    row: Mapping[str, Any]

    def whole(self, key: str, least: int = 0) -> int:
        value = self._number(key, "a whole number")
        if not least <= value <= MOST or value != int(value):
            raise self._wrong(key, f"a whole number of at least {least}", value)
        return int(value)

    def seconds(self, key: str) -> float:
        return float(self._number(key, "seconds"))

    def tasks(self) -> tuple[str, ...]:
        value = self.row.get("tasks")
        found = [value] if isinstance(value, str) else ([] if value is None else value)
        if not isinstance(found, list) or not all(isinstance(task, str) for task in found):
            raise self._wrong("tasks", "a list of texts", value)
        return tuple(found)

    def _number(self, key: str, kind: str) -> float:
        if key not in self.row:
            raise DatasetError(f"{self.path}: {self.where}: has no column {key}")
        value = self.row[key]
        if isinstance(value, list) and len(value) == 1:  # as LeRobot keeps a row before it is written
            value = value[0]
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self._wrong(key, kind, value)
        return value

    def _wrong(self, key: str, expected: str, found: Any) -> DatasetError:
        shown = "empty" if found is None else repr(found)[:60]
        return DatasetError(f"{self.path}: {self.where}: {key} is {shown}, expected {expected}")


def _numbering(folder: Path, entries: Sequence[EpisodeEntry]) -> list[str]:
    """Indices that LeRobot, which counts rows of the table, would take for those of other episodes."""
    for row, entry in enumerate(entries):
        if entry.index != row:
            return [
                f"{folder}: row {row} is episode {entry.index}, expected episode {row}; LeRobot counts the rows and "
                "reads another episode there"
            ]
    return []


def _lengths(folder: Path, entries: Sequence[EpisodeEntry], fps: float) -> list[str]:
    found = []
    for entry in entries:
        where = f"{folder}: episode {entry.index}"
        if entry.first_row is not None and entry.end_row is not None:
            rows = entry.end_row - entry.first_row
            if rows != entry.length:
                found.append(
                    f"{where}: dataset_to_index - dataset_from_index is {rows}, expected its length, {entry.length}"
                )
        if entry.video is None:
            continue
        wrong = {"from": entry.video_start, "to": entry.video_end}
        wrong = {key: value for key, value in wrong.items() if not -TOLERANCE / fps < value <= MOST}  # NaN too
        found += [
            f"{where}: {key}_timestamp in {_short(entry.video)} is {value:.6g}, expected seconds of at least 0"
            for key, value in wrong.items()
        ]
        frames = (entry.video_end - entry.video_start) * fps
        if not wrong and abs(frames - entry.length) >= TOLERANCE - 1e-6:
            found.append(
                f"{where}: to_timestamp - from_timestamp in {_short(entry.video)} is {frames:.4g} frames, expected its "
                f"length, {entry.length}"
            )
    return found


def _rows(folder: Path, entries: Sequence[EpisodeEntry]) -> list[str]:
    """Episodes that claim the same rows."""
    known = [entry for entry in entries if entry.first_row is not None and entry.end_row is not None]
    known.sort(key=lambda entry: (entry.first_row, entry.index))
    return [
        f"{folder}: episode {after.index}: dataset_from_index is {after.first_row}, expected at least "
        f"{before.end_row}, where episode {before.index} ends"
        for before, after in pairwise(known)
        if after.first_row is not None and before.end_row is not None and after.first_row < before.end_row
    ]


def _intervals(folder: Path, entries: Sequence[EpisodeEntry], fps: float) -> list[str]:
    """Episodes that lie on top of each other in a video, or in another order than their rows.

    Frames between two episodes that belong to neither are no contradiction: deleting an episode leaves them.
    """
    films: dict[Path, list[EpisodeEntry]] = {}
    for entry in entries:
        if entry.video is not None:
            films.setdefault(entry.video, []).append(entry)
    found = []
    for video, within in films.items():
        within.sort(key=lambda entry: (entry.video_start, entry.index))
        for before, after in pairwise(within):
            where = f"{folder}: episode {after.index}: from_timestamp in {_short(video)}"
            overlap = (before.video_end - after.video_start) * fps
            if overlap >= TOLERANCE - 1e-6:
                found.append(
                    f"{where} is {after.video_start:.6g} s, expected at least {before.video_end:.6g} s, where episode "
                    f"{before.index} ends: they overlap by {overlap:.3g} frames"
                )
            elif None not in (before.first_row, after.first_row) and (before.first_row or 0) > (after.first_row or 0):
                found.append(
                    f"{where} is {after.video_start:.6g} s, expected before episode {before.index} "
                    f"({before.video_start:.6g} s), after which its rows stand"
                )
    return found


def _short(video: Path) -> str:
    """Camera, folder and name of a video file."""
    return "/".join(video.parts[-3:])
