"""The episodes table, ``meta/episodes``: where each episode lies, and what in it contradicts itself.

A field that is missing or of the wrong kind is an error at once. Fields that contradict each other are collected, so
that an inspection can list them all; ``read_dataset`` refuses the first.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from forearm.common import stored
from forearm.world_model.data import index, layout
from forearm.world_model.data.entries import NONE, Entries, EpisodeEntry, Numbers
from forearm.world_model.data.info import video_template
from forearm.world_model.data.layout import DatasetError
from forearm.world_model.data.selection import Episodes, ranges, select
from forearm.world_model.data.tables import scalars

TOLERANCE = 0.5
"""Share of a frame's period by which a time in the table may be off: rounding is far below, another frame at it."""
MOST = 1 << 40
"""Largest index or count that is believed."""


@dataclass(frozen=True)
class EpisodesTable:
    """The episodes in the order of their index, and what contradicts itself: a sentence each, empty if nothing does.

    ``entries`` are those that were chosen, ``everything`` all that there are. ``untidy`` are sentences about what is
    odd but leads to no wrong frame or number here.
    """

    entries: Entries
    everything: Entries
    contradictions: list[str]
    untidy: list[str]


def read_table(
    root: Path,
    info: Mapping[str, Any],
    camera: str,
    episodes: Episodes = None,
    exclude: Episodes = None,
    memory: Path | None = None,
) -> EpisodesTable:
    """The episodes of the dataset in ``root`` as ``camera`` filmed them; ``info`` as ``read_info`` gives it.

    ``episodes`` and ``exclude`` choose among them, see ``selection.select``; what contradicts itself in others does not
    count. ``memory`` is a folder in which a table without a flaw is remembered, see ``index``.

    Raises:
        DatasetError: no table, a column or cell that is missing or of the wrong kind, an episode that stands twice,
            another number of episodes than ``info`` promises, or a choice that cannot be.
    """
    folder = root / "meta/episodes"
    paths = stored.glob(root, "meta/episodes/*/*.parquet")
    if not paths:
        raise DatasetError(f"{folder}: missing; nothing says which episodes there are")
    known = index.recall(memory, root, camera, paths)
    if known is not None:
        chosen = _chosen(known, episodes, exclude, root)
        return EpisodesTable(chosen, known, [], [])
    entries = Entries.joined(stored.each(lambda path: _entries(path, root, info, camera), paths, root))
    if len(np.unique(entries.episode)) < len(entries):
        doubled = [number for number, n in Counter(entries.episode.tolist()).items() if n > 1]
        raise DatasetError(f"{folder}: episode {doubled[0]} stands there twice")
    if len(entries) != info["total_episodes"]:
        raise DatasetError(
            f"{folder}: holds {len(entries)} of the {info['total_episodes']} episodes that {layout.INFO_PATH} promises"
        )
    untidy = _numbering(folder, entries)
    entries = entries.take(np.argsort(entries.episode, kind="stable"))
    chosen = _chosen(entries, episodes, exclude, root)
    found = _contradictions(folder, chosen, info["fps"]) if _is_odd(chosen, info["fps"]) else []
    frames = int(entries.length.sum())
    if info.get("total_frames", frames) != frames:
        untidy.append(
            f"{root / layout.INFO_PATH}: total_frames is {info['total_frames']}, the episodes have {frames} frames"
        )
    everything = located(root, entries)
    if everything is entries and not untidy and not _is_odd(entries, info["fps"]):
        index.remember(memory, root, camera, paths, entries)
    return EpisodesTable(_chosen(everything, episodes, exclude, root), everything, found, untidy)


def _chosen(entries: Entries, episodes: Episodes, exclude: Episodes, root: Path) -> Entries:
    if episodes is None and exclude is None:
        return entries
    return entries.take(np.isin(entries.episode, select(entries.episode.tolist(), episodes, exclude, root)))


def _is_odd(entries: Entries, fps: float) -> bool:
    """Whether something may contradict itself, told at once for all; which it is, takes longer to say."""
    first, end, start, stop = entries.first_row, entries.end_row, entries.video_start, entries.video_end
    said, films = (first != NONE) & (end != NONE), entries.video != NONE
    times = (start > -TOLERANCE / fps) & (start <= MOST) & (stop > -TOLERANCE / fps) & (stop <= MOST)  # not of NaN
    if (said & (end - first != entries.length)).any() or (films & ~times).any():
        return True
    if (abs((stop - start) * fps - entries.length)[films] >= TOLERANCE - 1e-6).any():
        return True
    order = np.lexsort((entries.episode[said], first[said]))
    if (first[said][order][1:] < end[said][order][:-1]).any():
        return True
    order = np.flatnonzero(films)[np.lexsort((entries.episode[films], start[films], entries.video[films]))]
    same = np.diff(entries.video[order]) == 0
    overlaps = (stop[order][:-1] - start[order][1:]) * fps >= TOLERANCE - 1e-6
    both = (first[order][:-1] != NONE) & (first[order][1:] != NONE)
    return bool((same & (overlaps | (both & (np.diff(first[order]) < 0)))).any())


def _contradictions(folder: Path, entries: Sequence[EpisodeEntry], fps: float) -> list[str]:
    return _lengths(folder, entries, fps) + _rows(folder, entries) + _intervals(folder, entries, fps)


def located(root: Path, entries: Entries) -> Entries:
    """``entries`` with the data file in which each episode's rows stand, as LeRobot finds them: by row.

    Where the file that the table names lacks rows of an episode, and one other file holds them all, it is taken.
    Otherwise the entry stays as it is, and reading it says what is wrong.
    """
    within = list(entries.by_file())
    counts = dict(
        zip((path for path, _ in within), stored.each(_count, [path for path, _ in within], root), strict=True)
    )
    lost = [row for path, rows in within for row in rows[_lacking(counts[path], entries.take(rows))].tolist()]
    if not lost:
        return entries
    for path in stored.glob(root, "data/*/*.parquet"):
        if path not in counts:
            counts[path] = _count(path)
    held = {path: dict(zip(*(column.tolist() for column in count), strict=True)) for path, count in counts.items()}

    def home(entry: EpisodeEntry) -> Path | None:
        homes = [path for path, rows in held.items() if rows.get(entry.index)]
        return homes[0] if len(homes) == 1 and held[homes[0]][entry.index] == entry.length else None

    return entries.moved(home, lost)


def check_there(root: Path, entries: Sequence[EpisodeEntry]) -> None:
    """Raise ``DatasetError`` that says which episodes can be read, unless the files of all ``entries`` are there."""
    if isinstance(entries, Entries) and all(stored.exists(path) for path in entries.uses()):
        return
    seen: dict[Path, bool] = {}
    lacking, missing = [], None
    for entry in entries:
        for path in (entry.data, entry.video):
            if path is not None and not seen.setdefault(path, stored.exists(path)):
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


Count = tuple[Numbers, Numbers]


def _count(path: Path) -> Count:
    """Indices of the episodes in a data file, in order, and how many rows each has; none of a file that cannot be read,
    which reading will tell.
    """
    try:
        column = pq.read_table(stored.opened(path), columns=["episode_index"], partitioning=None).column(
            "episode_index"
        )
        return np.unique(scalars(column).astype(np.int64), return_counts=True)
    except (OSError, pa.ArrowException, KeyError, ValueError):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)


def _lacking(count: Count, entries: Entries) -> npt.NDArray[np.bool_]:
    """Which of the entries do not have as many rows there as their length."""
    indices, rows = count
    if not len(indices):
        return np.ones(len(entries), bool)
    at = np.searchsorted(indices, entries.episode).clip(0, len(indices) - 1)
    return (indices[at] != entries.episode) | (rows[at] != entries.length)


def _entries(path: Path, root: Path, info: Mapping[str, Any], camera: str) -> Entries:
    """The rows of one file of the table."""
    films = video_template(root, info) if info["features"][camera]["dtype"] == "video" else None
    try:
        with pq.ParquetFile(stored.fetched(path)) as file:
            table = file.read([name for name in file.schema_arrow.names if not name.startswith("stats/")])
    except (OSError, pa.ArrowException) as error:
        raise DatasetError(f"{path}: episodes cannot be read ({error})") from error
    found = _at_once(table, root, str(info["data_path"]), films, camera)
    return found if found is not None else Entries.of(_one_by_one(table, path, root, info, films, camera))


def _at_once(table: pa.Table, root: Path, data: str, films: str | None, camera: str) -> Entries | None:
    """All rows together, where their columns are of the usual types and hold nothing odd; else None."""

    def whole(key: str, least: int = 0) -> Numbers:
        column = table.column(key)
        if not pa.types.is_integer(column.type) or column.null_count:
            raise TypeError
        values = scalars(column).astype(np.int64)
        if ((values < least) | (values > MOST)).any():
            raise TypeError
        return values

    def seconds(key: str) -> npt.NDArray[np.float64]:
        if not pa.types.is_floating(table.column(key).type):
            raise TypeError
        return scalars(table.column(key)).astype(np.float64)

    def paths(prefix: str, template: str, known: list[Path], **more: str) -> Numbers:
        places = np.stack([whole(f"{prefix}/chunk_index"), whole(f"{prefix}/file_index")])
        each, which = np.unique(places, axis=1, return_inverse=True)
        begin = len(known)
        known += [root / template.format(chunk_index=c, file_index=f, **more) for c, f in each.T.tolist()]
        return begin + which.reshape(-1).astype(np.int64)

    files: list[Path] = []
    none = np.full(len(table), NONE)
    video, start, end = none, np.zeros(len(table)), np.zeros(len(table))
    try:
        tasks = table.column("tasks").combine_chunks()
        if not (pa.types.is_list(tasks.type) and pa.types.is_string(tasks.type.value_type)):
            return None
        texts = tasks.flatten()
        if tasks.null_count or texts.null_count or len(texts) != len(table) or (np.diff(tasks.offsets) != 1).any():
            return None
        words = texts.dictionary_encode()
        if films is not None:
            video = paths(f"videos/{camera}", films, files, video_key=camera)
            start, end = (seconds(f"videos/{camera}/{side}_timestamp") for side in ("from", "to"))
        rows = [whole(key) if key in table.column_names else none for key in ("dataset_from_index", "dataset_to_index")]
        return Entries(
            whole("episode_index"), whole("length", least=1), paths("data", data, files), video, start,
            np.asarray(words.indices).astype(np.int64), end, rows[0], rows[1], none, tuple(files),
            tuple((word,) for word in words.dictionary.to_pylist()),
        )  # fmt: skip
    except (TypeError, KeyError, ValueError, pa.ArrowException):
        return None


def _one_by_one(
    table: pa.Table, path: Path, root: Path, info: Mapping[str, Any], films: str | None, camera: str
) -> Iterable[EpisodeEntry]:
    """The same, telling what is odd."""
    for number, row in enumerate(table.to_pylist()):
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


def _numbering(folder: Path, entries: Entries) -> list[str]:
    """Indices that LeRobot, which counts rows of the table, would take for those of other episodes."""
    for row in np.flatnonzero(entries.episode != np.arange(len(entries)))[:1]:
        return [
            f"{folder}: row {row} is episode {entries.episode[row]}, expected episode {row}; LeRobot counts the rows "
            "and reads another episode there"
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
