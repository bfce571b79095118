"""Where the episodes of a data set lie, as columns: a million of them take some tens of megabytes."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, overload

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int64]
NONE = -1
"""In a column: there is none."""


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


@dataclass(frozen=True, eq=False)
class Entries(Sequence[EpisodeEntry]):
    """Episodes in some order; an ``EpisodeEntry`` is made of a row of the columns (E,) when it is asked for.

    Columns hold numbers: of files and of groups of tasks, those in ``files`` and ``groups``.
    """

    episode: Numbers
    length: Numbers
    data: Numbers
    video: Numbers
    video_start: npt.NDArray[np.float64]
    tasks: Numbers
    video_end: npt.NDArray[np.float64]
    first_row: Numbers
    end_row: Numbers
    named: Numbers
    files: tuple[Path, ...]
    groups: tuple[tuple[str, ...], ...]

    @classmethod
    def of(cls, entries: Iterable[EpisodeEntry]) -> "Entries":
        """The columns of ``entries``."""
        files: dict[Path, int] = {}
        groups: dict[tuple[str, ...], int] = {}

        def number(path: Path | None) -> int:
            return NONE if path is None else files.setdefault(path, len(files))

        rows = [
            (
                e.index, e.length, number(e.data), number(e.video), e.video_start,
                groups.setdefault(e.tasks, len(groups)), e.video_end, NONE if e.first_row is None else e.first_row,
                NONE if e.end_row is None else e.end_row, number(e.named),
            )
            for e in entries
        ]  # fmt: skip
        kinds = [np.float64 if name in ("video_start", "video_end") else np.int64 for name in COLUMNS]
        columns = zip(*rows, strict=True) if rows else [()] * len(kinds)
        found: dict[str, Any] = {
            name: np.array(column, kind) for name, column, kind in zip(COLUMNS, columns, kinds, strict=True)
        }
        return cls(**found | {"files": tuple(files), "groups": tuple(groups)})

    @classmethod
    def joined(cls, parts: Sequence["Entries"]) -> "Entries":
        """Those of all parts, one after the other."""
        files: dict[Path, int] = {}
        groups: dict[tuple[str, ...], int] = {}
        columns: dict[str, list[Any]] = {name: [] for name in COLUMNS}
        for part in parts:
            of_files = np.array([files.setdefault(path, len(files)) for path in part.files] + [NONE], np.int64)
            of_groups = np.array([groups.setdefault(group, len(groups)) for group in part.groups] + [NONE], np.int64)
            for name in COLUMNS:
                column = getattr(part, name)
                known = of_files if name in ("data", "video", "named") else of_groups if name == "tasks" else None
                columns[name].append(column if known is None else known[column])
        found: dict[str, Any] = {name: np.concatenate(arrays) for name, arrays in columns.items()}
        return cls(**found | {"files": tuple(files), "groups": tuple(groups)})

    def take(self, rows: npt.NDArray[Any]) -> "Entries":
        """The entries at ``rows``, numbers or a mask."""
        return replace(self, **{name: getattr(self, name)[rows] for name in COLUMNS})

    def __len__(self) -> int:
        return len(self.episode)

    def __iter__(self) -> Iterator[EpisodeEntry]:
        return (self[row] for row in range(len(self)))

    @overload
    def __getitem__(self, row: int) -> EpisodeEntry: ...

    @overload
    def __getitem__(self, row: slice) -> list[EpisodeEntry]: ...

    def __getitem__(self, row: int | slice) -> EpisodeEntry | list[EpisodeEntry]:
        if isinstance(row, slice):
            return [self[each] for each in range(*row.indices(len(self)))]
        first, end = int(self.first_row[row]), int(self.end_row[row])
        path = self.files[self.data[row]]
        return EpisodeEntry(
            int(self.episode[row]), int(self.length[row]), path, self._file(self.video[row]),
            float(self.video_start[row]), self.groups[self.tasks[row]], float(self.video_end[row]),
            None if first == NONE else first, None if end == NONE else end, self._file(self.named[row]),
        )  # fmt: skip

    def uses(self) -> dict[Path, int]:
        """Every file, in the order of its first use, with the index of the episode that uses it first."""
        both = np.stack([self.data, self.video], axis=1).reshape(-1)
        found, at = np.unique(both, return_index=True)
        return {
            self.files[number]: int(self.episode[place // 2])
            for place, number in sorted(zip(at.tolist(), found.tolist(), strict=True))
            if number != NONE
        }

    def at(self, video: Path | None) -> "Entries":
        """Those in one video file."""
        number = self.files.index(video) if video in self.files else len(self.files)
        return self.take(self.video == number)

    def by_file(self) -> Iterator[tuple[Path, npt.NDArray[np.intp]]]:
        """Every data file, and the rows of its episodes."""
        order = np.argsort(self.data, kind="stable")
        numbers, begins = np.unique(self.data[order], return_index=True)
        for number, rows in zip(numbers, np.split(order, begins[1:]), strict=True):
            yield self.files[number], rows

    def moved(self, homes: Callable[[EpisodeEntry], Path | None], rows: Iterable[int]) -> "Entries":
        """With the rows of some episodes in another file, where ``homes`` knows one."""
        found = list(self)
        for row in rows:
            if (home := homes(found[row])) is not None:
                found[row] = replace(found[row], data=home, named=found[row].data)
        return Entries.of(found)

    def _file(self, number: int) -> Path | None:
        return None if number == NONE else self.files[number]


COLUMNS = tuple(each.name for each in fields(Entries) if each.name not in ("files", "groups"))
