"""Rows of one file of the episodes table; a cell that is missing or of the wrong kind is an error that names it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from forearm.common import stored
from forearm.world_model.data import layout
from forearm.world_model.data.entries import NONE, Entries, EpisodeEntry, Numbers
from forearm.world_model.data.info import video_template
from forearm.world_model.data.layout import DatasetError
from forearm.world_model.data.tables import scalars

MOST = 1 << 40
"""Largest index or count that is believed."""


def entries_of(path: Path, root: Path, info: Mapping[str, Any], camera: str) -> Entries:
    """The rows of one file of the table."""
    filmed = camera != layout.NO_CAMERA and info["features"][camera]["dtype"] == "video"
    films = video_template(root, info) if filmed else None
    try:
        with pq.ParquetFile(stored.fetched(path)) as file:
            names = [name for name in file.schema_arrow.names if not name.startswith("stats/")]
            table = file.read(names, use_threads=False)
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
