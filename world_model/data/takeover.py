"""An episode out of one data set into another: its rows as they are stored, its video files, its statistics."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
from forearm.world_model.data.statistics import image_statistics, vector_statistics

COUNTED = ("index", "episode_index", "task_index")
"""Columns that count through the whole data set."""
OWN = ("meta/", "data/", "videos/", "stats/")
"""How the columns of an episodes table begin that are written anew."""


@dataclass(frozen=True)
class Source:
    """A data set that is taken over: opened once for each camera with colours, and its episodes table as it stands."""

    data: LeRobotData
    views: Mapping[str, LeRobotData]
    cameras: tuple[str, ...]
    rows: Mapping[int, Mapping[str, Any]]

    def video(self, camera: str, index: int) -> tuple[Path, float, float]:
        """File of a camera's video of an episode, and from when to when (s) it is in there."""
        entry = self.data.episodes[index]
        row, prefix = self.rows[entry.index], f"videos/{camera}"
        if (view := self.views.get(camera)) is not None:
            path, start = view.episodes[index].video, view.episodes[index].video_start
            assert path is not None
        else:
            places = {part: row[f"{prefix}/{part}"] for part in ("chunk_index", "file_index")}
            template = str(self.data.info["video_path"])
            path, start = self.data.root / template.format(video_key=camera, **places), row[f"{prefix}/from_timestamp"]
        said = row.get(f"{prefix}/from_timestamp"), row.get(f"{prefix}/to_timestamp")
        end = said[1] if said[0] == start and said[1] is not None else start + entry.length / self.data.fps
        return path, float(start), float(end)


@dataclass(frozen=True)
class Shape:
    """What the data set that is written has.

    Attributes:
        features: as in its `meta/info.json`.
        schema: of its data files.
        videos: number of every video file that it gets, by camera and source file.
        known_statistics: features whose statistics all sources know already.
        kept: further columns of the episodes table that all sources have, and what some say of variations.
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
            for index in range(len(part.data)):
                for camera in films:
                    path = part.video(camera, index)[0]
                    videos[camera].setdefault(path, len(videos[camera]))
        rows = [part.rows[entry.index] for part in parts for entry in part.data.episodes]
        common = set.intersection(*({key for key, value in row.items() if value is not None} for row in rows))
        fields = ("min", "max", "mean", "std", "count")
        known = {key for key in features if all(f"stats/{key}/{field}" in common for field in fields)}
        numbered = {"episode_index", "tasks", "length", "dataset_from_index", "dataset_to_index"}
        varied = {key for row in rows for key in layout.AS_USUAL if key in row}
        kept = sorted({key for key in common if not key.startswith(OWN) and key not in numbered} | varied)
        return cls(features, _schema(parts[0], features), videos, frozenset(known), tuple(kept))

    @cached_property
    def with_statistics(self) -> list[str]:
        """Features whose statistics are written, for every episode and for the whole."""
        cameras = [key for key, feature in self.features.items() if feature.get("dtype") in ("image", "video")]
        seen = [key for key in cameras if key in self.known_statistics or not layout.is_depth(self.features[key])]
        return [*numeric(self.features), *seen]


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
            found = file.read(list(wanted))
            same = all(np.array_equal(tables.scalars(found.column(key)), wanted[key]) for key in wanted)
    except (OSError, ValueError, KeyError, pa.ArrowException):
        return None  # told by who reads it
    return path if same else None


def rows_of(part: Source, index: int, shape: Shape) -> pa.Table:
    """Rows of the `index`-th episode of `part` in the types of the whole; they count as they did, see `renumbered`.

    Raises:
        DatasetError: a file cannot be read, or a column is of another type than in the first source.
    """
    entry = part.data.episodes[index]
    found = part.data.table(index)
    columns = {}
    for field in shape.schema:
        key = field.name
        if key in COUNTED and key in found.column_names and found.column(key).type == field.type:
            columns[key] = found.column(key)
        elif key in COUNTED:
            columns[key] = pa.array(np.zeros(entry.length, np.int64)).cast(field.type)
        elif key in part.cameras and part.data.info["features"][key]["dtype"] == "video":
            columns[key] = tables.image_column(np.stack(list(part.views[key].frames(index))))
        elif key not in found.column_names:
            raise DatasetError(f"{entry.data}: episode {entry.index}: has no column {key}")
        else:
            columns[key] = _alike(found.column(key), field, part.data, entry, key in part.cameras)
    return pa.table(columns, schema=shape.schema)


def take_over(
    part: Source, index: int, shape: Shape, out: Path, *, number: int, first: int, table: pa.Table | None
) -> dict[str, Any]:
    """What the episodes table says about the `index`-th episode of `part` as episode `number`, whose first frame is the
    `first`-th of all. Its video files are put in their place in `out`. `table` has its rows, where they are needed for
    statistics.

    Raises:
        DatasetError: a file cannot be read or written, or a column is of another type than in the first source.
    """
    entry = part.data.episodes[index]
    row: dict[str, Any] = {"episode_index": number, "tasks": list(entry.tasks), "length": entry.length}
    row |= {"dataset_from_index": first, "dataset_to_index": first + entry.length}
    for camera, files in shape.videos.items():
        path, start, end = part.video(camera, index)
        chunk, file = layout.place(files[path])
        copied(path, out / layout.VIDEO_PATH.format(video_key=camera, chunk_index=chunk, file_index=file))
        prefix = f"videos/{camera}"
        row |= {f"{prefix}/chunk_index": chunk, f"{prefix}/file_index": file}
        row |= {f"{prefix}/from_timestamp": start, f"{prefix}/to_timestamp": end}
    said = part.rows[entry.index]
    row |= {key: said.get(key, layout.AS_USUAL.get(key)) for key in shape.kept}
    for key in shape.with_statistics:
        row |= {f"stats/{key}/{name}": value for name, value in _statistics(part, index, key, table, shape).items()}
    return row


def renumbered(rows: Sequence[pa.Table], numbers: range, first: int) -> pa.Table:
    """Rows of the episodes `numbers`, whose first frame is the `first`-th of all, one after the other in one table."""
    whole = pa.concat_tables(rows)
    for key, values in counts([len(table) for table in rows], numbers, first).items():
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


def _statistics(part: Source, index: int, key: str, table: pa.Table | None, shape: Shape) -> dict[str, Any]:
    entry = part.data.episodes[index]
    if key in shape.known_statistics:
        said = part.rows[entry.index]
        return {name: said[f"stats/{key}/{name}"] for name in ("min", "max", "mean", "std", "count")}
    if key in part.cameras:
        return dict(image_statistics(np.stack(list(part.views[key].frames(index)))))
    size = numeric(shape.features)[key]
    table = table if table is not None else part.data.table(index)
    values = np.array(table.column(key).to_pylist(), np.float64)
    return dict(vector_statistics(values.reshape(entry.length, *(size or (1,)))))
