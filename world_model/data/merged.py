"""A data set that is written out of several: which files it gets, and what they hold."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from forearm.common import stored
from forearm.common.addresses import address
from forearm.common.files import remove_leftovers
from forearm.common.progress import Count
from forearm.world_model.data import layout, tables
from forearm.world_model.data.atomic import plain, write_json
from forearm.world_model.data.fingerprint import contents
from forearm.world_model.data.statistics import FIELDS, combine_columns
from forearm.world_model.data.takeover import Shape, Source, copied, renumbered, rows_of, statistics, whole_file

SHARD = 25
"""Episodes in one data file at most, unless one of a source holds more."""
SLICE = 40
"""Data files whose episodes stand in one file of the episodes table."""
GROUP = 1 << 26
"""Bytes of a data file from which on every episode has a row group of its own."""
THREADS = 4
"""Files that are copied at a time."""

Known = dict[str, dict[str, Any]]
"""Statistics of an episode, by feature."""


@dataclass(frozen=True)
class Merged:
    """Episodes of `parts` one after the other in the folder `out`.

    A data file, a shard, holds what one of a source holds, or what several small ones do: most are copied, and only
    columns that count are written anew. It is whole when it is there. What its source does not know of its episodes is
    in a slice of the episodes table that comes after it; else that table is written when all shards are there.
    """

    out: Path
    parts: Sequence[Source]
    shape: Shape
    _found: dict[int, list[Known]] = field(default_factory=dict)

    @cached_property
    def episodes(self) -> list[tuple[int, int]]:
        """Every episode: its source, and which of that it is."""
        return [(number, index) for number, part in enumerate(self.parts) for index in range(len(part.data))]

    @cached_property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Frames of every episode."""
        return np.concatenate([part.data.episodes.length for part in self.parts])

    @cached_property
    def firsts(self) -> npt.NDArray[np.int64]:
        """Number of the first frame of every episode, and how many there are."""
        return np.concatenate([[0], np.cumsum(self.lengths)])

    @cached_property
    def shards(self) -> list[range]:
        """Episodes of every shard."""
        found: list[range] = []
        for run in self._runs(range(len(self.episodes))):
            if found and found[-1].start + SHARD >= run.stop:
                found[-1] = range(found[-1].start, run.stop)
            else:
                found.append(run)
        return found

    def _runs(self, numbers: range) -> Iterator[range]:
        """Those that stand in one file of a source one after the other."""
        files = [part.data.episodes.data for part in self.parts]

        def file_of(number: int) -> tuple[int, int]:
            part, index = self.episodes[number]
            return part, int(files[part][index])

        for _, run in groupby(numbers, file_of):
            within = list(run)
            yield range(within[0], within[-1] + 1)

    def settings(self) -> dict[str, Any]:
        """What must agree for a merging to go on; not where the sources lie: a folder that was moved is the same.

        Reading every picture for it would take longer than merging: what is known of them, and how large their files
        are, tells data sets apart.
        """
        prints = [[contents(view) for view in part.views.values()] for part in self.parts]
        kind = {"total_episodes": len(self.episodes), "shard_episodes": SHARD, "slice_shards": self._per_slice}
        return {**kind, "fingerprint": {"merged": prints}}

    @property
    def _per_slice(self) -> int:
        return 1 if self.shape.unknown else SLICE

    def write(self, progress: Count) -> dict[str, Any]:
        """Write what is missing; returns `meta/info.json`."""
        last = layout.EPISODES_PATH if self.shape.unknown else layout.DATA_PATH
        shards = range(len(self.shards))
        missing = [shard for shard in shards if not stored.exists(self._path(last, shard))]
        total = len(self.episodes)
        done = total - sum(len(self.shards[shard]) for shard in missing)
        progress(done, total)
        apart = any(address(path) is not None for path in (self.out, *(part.data.root for part in self.parts)))
        # Several at a time wait for the disk together. What is fetched is kept for the few that were used last.
        with ThreadPoolExecutor(1 if apart else min(THREADS, os.cpu_count() or 1)) as pool:
            waiting = {pool.submit(self._write, shard): shard for shard in missing}
            try:
                for future in as_completed(waiting):
                    future.result()
                    done += len(self.shards[waiting[future]])
                    progress(done, total)
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        return self._finalise()

    def _write(self, shard: int) -> None:
        """Take over the episodes of one shard."""
        numbers = self.shards[shard]
        part = {number: self.parts[number].apart() for number in {self.episodes[n][0] for n in numbers}}
        for camera, path in self._films[shard]:
            chunk, file = layout.place(self.shape.videos[camera][path])
            copied(path, self.out / layout.VIDEO_PATH.format(video_key=camera, chunk_index=chunk, file_index=file))
        runs = list(self._runs(numbers))
        pieces = [(part[self.episodes[run[0]][0]], [self.episodes[number][1] for number in run]) for run in runs]
        first, target, whole = int(self.firsts[numbers.start]), self._path(layout.DATA_PATH, shard), None
        as_it_is = whole_file(*pieces[0], self.shape, numbers, first) if len(pieces) == 1 else None
        if as_it_is is not None:
            copied(as_it_is, target)
        else:
            lengths = self.lengths[numbers.start : numbers.stop].tolist()
            whole = renumbered([rows_of(*piece, self.shape) for piece in pieces], lengths, numbers, first)
            self._write_rows(target, whole, numbers)
        if self.shape.unknown:
            found = []
            for number in numbers:
                source, index = self.episodes[number]
                found.append(statistics(part[source], index, self.shape, whole, int(self.firsts[number]) - first))
            self._found[shard] = found
            tables.write_episodes(self._path(layout.EPISODES_PATH, shard), self._table(range(shard, shard + 1)))

    def _write_rows(self, target: Path, whole: pa.Table, numbers: range) -> None:
        images = [key for key, feature in self.shape.features.items() if feature.get("dtype") == "image"]
        parts = [whole]
        if whole.nbytes > GROUP:  # else who wants one frame reads all of them
            begins = [int(self.firsts[number] - self.firsts[numbers.start]) for number in numbers]
            parts = [whole.slice(at, int(self.lengths[n])) for at, n in zip(begins, numbers, strict=True)]
        tables.write_data(target, parts, plain=images)

    @cached_property
    def _films(self) -> list[list[tuple[str, Path]]]:
        """For every shard the video files that none before it uses."""
        seen: set[tuple[str, Path]] = set()
        found: list[list[tuple[str, Path]]] = [[] for _ in self.shards]
        for shard, numbers in enumerate(self.shards if self.shape.videos else []):
            for camera in self.shape.videos:
                for number in numbers:
                    part, index = self.episodes[number]
                    film = camera, self.parts[part].video(camera, index)[0]
                    if film not in seen:
                        seen.add(film)
                        found[shard].append(film)
        return found

    @cached_property
    def _said(self) -> pa.Table:
        """What the sources' episodes tables say of all episodes that stays so."""
        names = [*self.shape.kept]
        names += [f"stats/{key}/{name}" for key in self.shape.with_statistics for name in FIELDS]
        known = [part.table for part in self.parts]
        return tables.joined([table.select([n for n in names if n in table.column_names]) for table in known])

    def _table(self, shards: range) -> pa.Table:
        """The episodes table of some shards, which is written as one file."""
        numbers = range(self.shards[shards.start].start, self.shards[shards.stop - 1].stop)
        begin, count = numbers.start, len(numbers)
        columns: dict[str, Any] = {
            "episode_index": np.arange(begin, numbers.stop),
            "tasks": [list(self.parts[0].data.episodes[0].tasks)] * count,
            "length": self.lengths[begin : numbers.stop],
            "dataset_from_index": self.firsts[begin : numbers.stop],
            "dataset_to_index": self.firsts[begin + 1 : numbers.stop + 1],
        }
        for camera, files in self.shape.videos.items():
            found = [self.parts[part].video(camera, index) for part, index in self.episodes[begin : numbers.stop]]
            columns |= _places(f"videos/{camera}", [files[path] for path, _, _ in found])
            columns |= {f"videos/{camera}/from_timestamp": [start for _, start, _ in found]}
            columns |= {f"videos/{camera}/to_timestamp": [end for _, _, end in found]}
        said = self._said.slice(begin, count)
        columns |= {key: said.column(key) for key in self.shape.kept}
        for key in self.shape.with_statistics:
            for name in FIELDS:
                column = f"stats/{key}/{name}"
                if key in self.shape.known_statistics:
                    columns[column] = said.column(column)
                else:
                    columns[column] = [each[key][name] for shard in shards for each in self._found[shard]]
        columns |= _places("data", [shard for shard in shards for _ in self.shards[shard]])
        columns |= _places("meta/episodes", [shards.start // self._per_slice] * count)
        return pa.table(columns)

    def _finalise(self) -> dict[str, Any]:
        """Write the files about the whole; returns `meta/info.json`."""
        remove_leftovers(self.out)
        slices = []
        for number, begin in enumerate(range(0, len(self.shards), self._per_slice)):
            path = self._path(layout.EPISODES_PATH, number)
            if self.shape.unknown and begin not in self._found:
                slices.append(tables.read_episodes(path))
                continue
            slices.append(self._table(range(begin, min(begin + self._per_slice, len(self.shards)))))
            if not self.shape.unknown:
                tables.write_episodes(path, slices[-1])
        table = tables.joined(slices)
        statistics = {}
        for key in self.shape.with_statistics:
            found = combine_columns({name: tables.stacked(table.column(f"stats/{key}/{name}")) for name in FIELDS})
            if plain(found) == found:  # else a number was nowhere finite, and JSON could not say so
                statistics[key] = found
        write_json(self.out / layout.STATS_PATH, statistics)
        tables.write_tasks(self.out / layout.TASKS_PATH, self.parts[0].data.episodes[0].tasks)
        info = {
            **self.parts[0].data.info,
            "total_episodes": len(self.episodes),
            "total_frames": int(self.firsts[-1]),
            "total_tasks": 1,
            "chunks_size": layout.CHUNK_FILES,
            "splits": {"train": f"0:{len(self.episodes)}"},
            "data_path": layout.DATA_PATH,
            "video_path": layout.VIDEO_PATH if self.shape.videos else None,
            "features": self.shape.features,
        }
        write_json(self.out / layout.INFO_PATH, info)
        return info

    def _path(self, template: str, number: int) -> Path:
        chunk, file = layout.place(number)
        return self.out / template.format(chunk_index=chunk, file_index=file)


def _places(prefix: str, numbers: Sequence[int]) -> dict[str, list[int]]:
    """Columns that say in which files of a kind, by number, something is."""
    places = [layout.place(number) for number in numbers]
    return {f"{prefix}/chunk_index": [c for c, _ in places], f"{prefix}/file_index": [f for _, f in places]}
