"""The episodes table, ``meta/episodes``: where each episode lies.

A field that is missing or of the wrong kind is an error at once. Fields that contradict each other are collected, so
that an inspection can list them all; ``read_dataset`` refuses the first.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from forearm.common import stored
from forearm.world_model.data import index, layout
from forearm.world_model.data.contradictions import contradictions, is_odd, numbering
from forearm.world_model.data.entries import Entries, EpisodeEntry, Numbers
from forearm.world_model.data.episode_rows import entries_of
from forearm.world_model.data.layout import DatasetError
from forearm.world_model.data.selection import Episodes, ranges, select
from forearm.world_model.data.tables import scalars


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
    entries = Entries.joined(stored.each(lambda path: entries_of(path, root, info, camera), paths, root))
    if len(np.unique(entries.episode)) < len(entries):
        doubled = [number for number, n in Counter(entries.episode.tolist()).items() if n > 1]
        raise DatasetError(f"{folder}: episode {doubled[0]} stands there twice")
    if len(entries) != info["total_episodes"]:
        raise DatasetError(
            f"{folder}: holds {len(entries)} of the {info['total_episodes']} episodes that {layout.INFO_PATH} promises"
        )
    untidy = numbering(folder, entries)
    entries = entries.take(np.argsort(entries.episode, kind="stable"))
    chosen = _chosen(entries, episodes, exclude, root)
    found = contradictions(folder, chosen, info["fps"]) if is_odd(chosen, info["fps"]) else []
    frames = int(entries.length.sum())
    if info.get("total_frames", frames) != frames:
        untidy.append(
            f"{root / layout.INFO_PATH}: total_frames is {info['total_frames']}, the episodes have {frames} frames"
        )
    everything = located(root, entries)
    if everything is entries and not untidy and not is_odd(entries, info["fps"]):
        index.remember(memory, root, camera, paths, entries)
    return EpisodesTable(_chosen(everything, episodes, exclude, root), everything, found, untidy)


def _chosen(entries: Entries, episodes: Episodes, exclude: Episodes, root: Path) -> Entries:
    if episodes is None and exclude is None:
        return entries
    return entries.take(np.isin(entries.episode, select(entries.episode.tolist(), episodes, exclude, root)))


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
        with pq.ParquetFile(stored.opened(path)) as file:
            column = file.read(["episode_index"], use_threads=False).column("episode_index")
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
