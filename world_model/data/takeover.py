"""Episodes out of one data set into another: their rows as they are stored, their files, their statistics."""

import shutil
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from forearm.common import stored
from forearm.world_model.data import layout, tables
from forearm.world_model.data.atomic import replacing
from forearm.world_model.data.columns import numeric
from forearm.world_model.data.fingerprint import holds_all
from forearm.world_model.data.layout import DatasetError
from forearm.world_model.data.reader import EpisodeEntry, LeRobotData
from forearm.world_model.data.statistics import FIELDS, image_statistics, vector_statistics

COUNTED = ("index", "episode_index", "task_index")
"""Columns that count through the whole data set."""
OWN = ("meta/", "data/", "videos/", "stats/")
"""How the columns of an episodes table begin that are written anew."""


@dataclass(frozen=True)
class Source:
    """A data set that is taken over: opened once for each camera with colours, and its episodes table as it stands, a
    row for each of the episodes that were chosen.
    """

    data: LeRobotData
    views: Mapping[str, LeRobotData]
    cameras: tuple[str, ...]
    table: pa.Table

    def apart(self) -> "Source":
        """The same for another thread: what reading keeps of a file is not shared."""
        return replace(self, data=copy(self.data), views={key: copy(view) for key, view in self.views.items()})

    def video(self, camera: str, index: int) -> tuple[Path, float, float]:
        """File of a camera's video of an episode, and from when to when (s) it is in there."""
        entry, prefix = self.data.episodes[index], f"videos/{camera}"
        if (view := self.views.get(camera)) is not None:
            path, start = view.episodes[index].video, view.episodes[index].video_start
            assert path is not None
        else:
            places = {part: self._said(f"{prefix}/{part}", index) for part in ("chunk_index", "file_index")}
            template = str(self.data.info["video_path"])
            path = self.data.root / template.format(video_key=camera, **places)
            start = self._said(f"{prefix}/from_timestamp", index)
        said = [self._said(f"{prefix}/{side}_timestamp", index) for side in ("from", "to")]
        end = said[1] if said[0] == start and said[1] is not None else start + entry.length / self.data.fps
        return path, float(start), float(end)

    def _said(self, column: str, index: int) -> Any:
        return self.table.column(column)[index].as_py() if column in self.table.column_names else None


@dataclass(frozen=True)
class Shape:
    """What the data set that is written has.

    Attributes:
        features: as in its `meta/info.json`.
        schema: of its data files.
        videos: number of every video file that it gets, by camera and source file.
        known_statistics: features whose statistics all sources know already.
        kept: further columns of the episodes table that all sources have.
    """

    features: dict[str, dict[str, Any]]
    schema: pa.Schema
    videos: dict[str, dict[Path, int]]
    known_statistics: frozenset[str]
    kept: tuple[str, ...]

    @classmethod
    def of(cls, features: dict[str, dict[str, Any]], parts: Sequence[Source]) -> "Shape":
        """The shape of several sources with these `features` together."""
        films = [key for key, feature in features.items() if feature.get("dtype") == "video"]
        videos: dict[str, dict[Path, int]] = {key: {} for key in films}
        for part in parts:
            for index in range(len(part.data) if films else 0):
                for camera in films:
                    path = part.video(camera, index)[0]
                    videos[camera].setdefault(path, len(videos[camera]))
        tables_of = [part.table for part in parts]
        common = set.intersection(*({n for n in t.column_names if not t.column(n).null_count} for t in tables_of))
        known = {key for key in features if all(f"stats/{key}/{field}" in common for field in FIELDS)}
        numbered = {"episode_index", "tasks", "length", "dataset_from_index", "dataset_to_index"}
        kept = sorted(key for key in common if not key.startswith(OWN) and key not in numbered)
        return cls(features, _schema(parts[0], features), videos, frozenset(known), tuple(kept))

    @cached_property
    def with_statistics(self) -> list[str]:
        """Features whose statistics are written, for every episode and for the whole."""
        cameras = [key for key, feature in self.features.items() if feature.get("dtype") in ("image", "video")]
        seen = [key for key in cameras if key in self.known_statistics or not layout.is_depth(self.features[key])]
        return [*numeric(self.features), *seen]

    @cached_property
    def unknown(self) -> list[str]:
        """Those of them that must be computed."""
        return [key for key in self.with_statistics if key not in self.known_statistics]


def whole_file(part: Source, indices: Sequence[int], shape: Shape, numbers: range, first: int) -> Path | None:
    """The data file of the episodes `indices` of `part`, if that as it stands is what their rows shall be as the
    episodes `numbers`, whose first frame is the `first`-th of all; else None.
    """
    entries = [part.data.episodes[index] for index in indices]
    path, features = entries[0].data, part.data.info["features"]
    if any(entry.data != path or entry.index != number for entry, number in zip(entries, numbers, strict=True)):
        return None
    if any(features[camera]["dtype"] != shape.features[camera]["dtype"] for camera in part.cameras):
        return None
    images = [camera for camera in part.cameras if features[camera]["dtype"] == "image"]
    lengths = [entry.length for entry in entries]
    try:
        with pq.ParquetFile(stored.fetched(path), page_checksum_verification=True) as file:
            known = file.schema_arrow.equals(shape.schema, check_metadata=True)
            if not known or file.metadata.num_rows != sum(lengths) or not all(holds_all(file, key) for key in images):
                return None
            wanted = counts(lengths, numbers, first)
            found = file.read(list(wanted), use_threads=False)
            same = all(np.array_equal(tables.scalars(found.column(key)), wanted[key]) for key in wanted)
    except (OSError, ValueError, KeyError, pa.ArrowException):
        return None  # told by who reads it
    return path if same else None


def rows_of(part: Source, indices: Sequence[int], shape: Shape) -> pa.Table:
    """Rows of the episodes `indices` of `part`, which stand in one file, in the types of the whole; they count as they
    did, see `renumbered`.

    Raises:
        DatasetError: a file cannot be read, or a column is of another type than in the first source.
    """
    entries = [part.data.episodes[index] for index in indices]
    features, names = part.data.info["features"], shape.schema.names
    to_draw = [camera for camera in part.cameras if features[camera]["dtype"] == "video" and camera in names]
    if not to_draw:
        found = part.data.file_table(indices[0])
        there = np.repeat([entry.index for entry in entries], [entry.length for entry in entries])
        try:
            if np.array_equal(tables.scalars(found.column("episode_index")), there):
                return _typed(found, part, entries[0], shape, {})
        except (KeyError, ValueError):
            pass  # told below
    rows = []
    for index, entry in zip(indices, entries, strict=True):
        found = part.data.table(index)
        drawn = {camera: np.stack(list(part.views[camera].frames(index))) for camera in to_draw}
        rows.append(_typed(found, part, entry, shape, drawn))
    return pa.concat_tables(rows)


def _typed(
    found: pa.Table, part: Source, entry: EpisodeEntry, shape: Shape, drawn: Mapping[str, npt.NDArray[np.uint8]]
) -> pa.Table:
    """Rows in the types of the whole, of which `entry` is the first episode; cameras that were `drawn` as images."""
    columns = {}
    for field in shape.schema:
        key = field.name
        if key in COUNTED and key in found.column_names and found.column(key).type == field.type:
            columns[key] = found.column(key)
        elif key in COUNTED:
            columns[key] = pa.array(np.zeros(len(found), np.int64)).cast(field.type)
        elif key in drawn:
            columns[key] = tables.image_column(drawn[key])
        elif key not in found.column_names:
            raise DatasetError(f"{entry.data}: episode {entry.index}: has no column {key}")
        else:
            columns[key] = _alike(found.column(key), field, part.data, entry, key in part.cameras)
    return pa.table(columns, schema=shape.schema)


def renumbered(rows: Sequence[pa.Table], lengths: Sequence[int], numbers: range, first: int) -> pa.Table:
    """Rows of the episodes `numbers` of these lengths, whose first frame is the `first`-th of all, in one table."""
    whole = pa.concat_tables(rows)
    for key, values in counts(lengths, numbers, first).items():
        if (place := whole.schema.get_field_index(key)) >= 0:
            field = whole.schema.field(place)
            whole = whole.set_column(place, field, pa.array(values).cast(field.type))
    return whole


def counts(lengths: Sequence[int], numbers: range, first: int) -> dict[str, npt.NDArray[np.int64]]:
    """The columns that count through the data set, for episodes of these lengths and numbers."""
    frames = sum(lengths)
    columns = (np.arange(first, first + frames), np.repeat(numbers, lengths), np.zeros(frames, np.int64))
    return dict(zip(COUNTED, columns, strict=True))


def _schema(first: Source, features: Mapping[str, Mapping[str, Any]]) -> pa.Schema:
    """Columns and types of the first source's rows; images for a camera that is video there and images elsewhere."""
    stored = first.data.table(0).schema
    wanted = [key for key, feature in features.items() if feature.get("dtype") != "video"]
    here = [field for field in stored if field.name in wanted or field.name in layout.INDEX_FEATURES]
    fields = [field.with_type(tables.IMAGE) if field.name in first.cameras else field for field in here]
    names = {field.name for field in fields}
    made = [pa.field(key, tables.IMAGE) for key in first.cameras if key in wanted and key not in names]
    for key in wanted:
        if key not in names and key not in first.cameras:
            entry = first.data.episodes[0]
            raise DatasetError(f"{entry.data}: episode {entry.index}: has no column {key}")
    note = {key: value for key, value in (stored.metadata or {}).items() if key != b"pandas"}
    schema = pa.schema([*fields, *made], metadata=note or None)
    images = [key for key in first.cameras if key in wanted]
    return tables.with_image_types(schema, images) if images and (made or not note) else schema


def _alike(column: pa.ChunkedArray, field: pa.Field, data: LeRobotData, entry: EpisodeEntry, image: bool) -> Any:
    """A column in the type of the first source, where that is another way to store the same values."""
    if image and column.type == tables.IMAGE and not any(chunk.field("bytes").null_count for chunk in column.chunks):
        return column
    if image:
        return pa.array([_embedded(cell, data.root) for cell in column.to_pylist()], tables.IMAGE)
    if column.type == field.type:
        return column
    if _leaf(column.type) == _leaf(field.type):
        try:
            return column.cast(field.type)
        except pa.ArrowException:
            pass
    raise DatasetError(
        f"{entry.data}: episode {entry.index}: column {field.name} holds {column.type}, but {field.type} in the first "
        "data set: merge what is alike"
    )


def _embedded(cell: Any, root: Path) -> dict[str, Any]:
    """A stored image with its file's bytes in the table: nothing else of a data set moves along with it."""
    found = dict(cell) if isinstance(cell, dict) else {"bytes": cell}
    path = found.get("path")
    data = found.get("bytes")
    if data is None and path:
        try:
            data = stored.fetched(root / path).read_bytes()
        except OSError as error:
            raise DatasetError(f"{root / path}: cannot be read ({error.strerror})") from error
    return {"bytes": data, "path": path}


def _leaf(kind: pa.DataType) -> pa.DataType:
    """What lists of lists hold; texts of both sizes count as one."""
    while pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        kind = kind.value_type
    return pa.string() if pa.types.is_large_string(kind) else kind


def copied(source: Path, target: Path) -> None:
    """Copy a file, unless that was done before."""
    try:
        if stored.exists(target) and stored.state(target)[0] == stored.state(source)[0]:
            return
    except OSError as error:
        raise DatasetError(f"{source}: cannot be read ({error.strerror})") from error
    with replacing(target) as temporary:
        shutil.copyfile(stored.fetched(source), temporary)


def statistics(part: Source, index: int, shape: Shape, rows: pa.Table | None, first: int) -> dict[str, dict[str, Any]]:
    """Statistics of an episode that its source does not know, by feature; raises as `rows_of`.

    Of its `rows`, where they are read already, it has those from the `first` on.
    """
    entry = part.data.episodes[index]
    found: dict[str, dict[str, Any]] = {}
    for key in shape.unknown:
        if key in part.cameras:
            found[key] = dict(image_statistics(np.stack(list(part.views[key].frames(index)))))
            continue
        size = numeric(shape.features)[key]
        table = part.data.table(index) if rows is None else rows.slice(first, entry.length)
        values = np.array(table.column(key).to_pylist(), np.float64)
        found[key] = dict(vector_statistics(values.reshape(entry.length, *(size or (1,)))))
    return found
