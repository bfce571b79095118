"""Episodes as parquet tables, with the column types that LeRobot itself writes."""

import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from forearm.common import stored
from forearm.errors import InputError
from forearm.world_model.data.atomic import replacing
from forearm.world_model.data.images import Pixels, encode_png

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def vector_column(values: npt.NDArray[np.float32]) -> pa.Array:
    """Rows (T, D) as lists of D numbers; plain numbers where D is 1, as LeRobot has it."""
    flat = pa.array(np.ascontiguousarray(values, dtype=np.float32).reshape(-1))
    return flat if values.shape[1] == 1 else pa.FixedSizeListArray.from_arrays(flat, values.shape[1])


def image_column(pixels: Pixels) -> pa.Array:
    """Frames (T, H, W, 3) uint8 as PNG files inside the table."""
    return pa.array(
        [{"bytes": encode_png(frame), "path": f"frame-{t:06d}.png"} for t, frame in enumerate(pixels)], IMAGE
    )


def index_columns(*, episode: int, length: int, first: int, fps: int) -> dict[str, pa.Array]:
    """Time stamps and counters of one episode whose first frame is the dataset's ``first``-th."""
    frame = np.arange(length, dtype=np.int64)
    return {
        "timestamp": pa.array((frame / fps).astype(np.float32)),
        "frame_index": pa.array(frame),
        "episode_index": pa.array(np.full(length, episode, np.int64)),
        "index": pa.array(frame + first),
        "task_index": pa.array(np.zeros(length, np.int64)),
    }


def with_image_type(table: pa.Table, camera_key: str) -> pa.Table:
    """Say in the schema that the camera column is an image, for readers built on `datasets`."""
    features = {camera_key: {"_type": "Image"}}
    note = {"huggingface": json.dumps({"info": {"features": features}})}
    return table.replace_schema_metadata(note)


def with_image_types(schema: pa.Schema, cameras: Sequence[str]) -> pa.Schema:
    """The same for several cameras, and what else the schema says of itself kept."""
    note = {"huggingface": json.dumps({"info": {"features": {camera: {"_type": "Image"} for camera in cameras}}})}
    return schema.with_metadata(note)


def write_data(path: Path, episodes: Sequence[pa.Table], plain: Sequence[str] = ()) -> None:
    """Write one row group per episode, so that one episode can be read, or be broken, alone.

    ``plain`` are columns of pictures, which are compressed already.
    """
    schema = episodes[0].schema
    compression: str | dict[str, str] = "snappy"
    if plain:
        packed = {f"{name}.bytes" for name in plain}
        compression = {leaf: "none" if leaf in packed else "snappy" for leaf in _leaves(schema)}
    with replacing(path) as temporary:
        writer = pq.ParquetWriter(
            temporary,
            episodes[0].schema,
            compression=compression,
            use_dictionary=False,
            write_page_checksum=True,
        )
        with writer:
            for table in episodes:
                writer.write_table(table)


@lru_cache(maxsize=1)
def _leaves(schema: pa.Schema) -> tuple[str, ...]:
    """What parquet calls the columns of numbers and texts that make up those of the table."""
    written = pa.BufferOutputStream()
    pq.write_table(schema.empty_table(), written)
    found = pq.ParquetFile(pa.BufferReader(written.getvalue())).schema
    return tuple(found.column(i).path for i in range(len(found)))


def renumber(path: Path, first: int) -> None:
    """Rewrite the data file at ``path`` so that its ``index`` column counts from ``first``."""
    file = pq.ParquetFile(stored.fetched(path))
    with file:
        groups = []
        for number in range(file.num_row_groups):
            table = file.read_row_group(number)
            index = np.arange(first, first + len(table), dtype=np.int64)
            column = table.schema.get_field_index("index")
            groups.append(table.set_column(column, table.schema.field(column), pa.array(index)))
            first += len(table)
    write_data(path, groups)


def write_episodes(path: Path, rows: list[dict[str, Any]] | pa.Table) -> None:
    """Write rows of the episodes table."""
    with replacing(path) as temporary:
        pq.write_table(rows if isinstance(rows, pa.Table) else pa.Table.from_pylist(rows), temporary)


def read_episodes(path: Path) -> pa.Table:
    """One file of the episodes table.

    Raises:
        OSError, pyarrow.ArrowException: missing or broken.
    """
    with pq.ParquetFile(stored.fetched(path)) as file:
        return file.read(use_threads=False)


def episode_rows(path: Path, *, statistics: bool = True) -> list[dict[str, Any]]:
    """The rows of one, with or without the episodes' statistics; raises alike."""
    with pq.ParquetFile(stored.fetched(path)) as file:
        names = [name for name in file.schema_arrow.names if statistics or not name.startswith("stats/")]
        return list(file.read(names).to_pylist())


def joined(parts: Sequence[pa.Table]) -> pa.Table:
    """Tables one after the other, with empty cells where one has no such column.

    A column that is of several types is of one that holds all their values.
    """
    try:
        return pa.concat_tables(parts, promote_options="permissive")
    except pa.ArrowException:
        names = dict.fromkeys(name for part in parts for name in part.column_names)
        rows = [row for part in parts for row in part.to_pylist()]
        return pa.table({name: [row.get(name) for row in rows] for name in names})


def scalars(column: pa.ChunkedArray) -> npt.NDArray[Any]:
    """A column of plain numbers (T,), also where each stands in a list of its own, as some writers have it.

    Raises:
        ValueError: it has empty cells, or holds no plain numbers.
    """
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):  # older pyarrow, of no rows
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    if array.null_count:
        raise InputError("has empty cells")
    if any(check(array.type) for check in (pa.types.is_fixed_size_list, pa.types.is_list, pa.types.is_large_list)):
        array = array.flatten()
        if len(array) != len(column) or array.null_count:
            raise InputError("does not hold one number a row")
    values = array.to_numpy(zero_copy_only=False)
    if values.dtype.kind not in "iufb":
        raise InputError(f"holds {array.type}, not numbers")
    return np.asarray(values)


def stacked(column: pa.ChunkedArray) -> npt.NDArray[Any]:
    """Cells of one shape, lists of lists of numbers, as an array (N, …)."""
    shape = np.shape(column[0].as_py())
    values = pa.concat_arrays(column.chunks)
    for _ in shape:
        values = values.flatten()
    return np.asarray(values.to_numpy(zero_copy_only=False)).reshape(len(column), *shape)


def write_tasks(path: Path, tasks: Sequence[str]) -> None:
    """Write the tasks table; LeRobot reads it with pandas, the task text as its index."""
    columns = [
        {"name": "task_index", "field_name": "task_index", "pandas_type": "int64", "numpy_type": "int64"},
        {"name": "task", "field_name": "task", "pandas_type": "unicode", "numpy_type": "object"},
    ]
    pandas = {
        "index_columns": ["task"],
        "column_indexes": [],
        "columns": [{**column, "metadata": None} for column in columns],
        "pandas_version": "2.0.0",
    }
    numbers = pa.array(range(len(tasks)), pa.int64())
    table = pa.table({"task_index": numbers, "task": pa.array(list(tasks), pa.string())})
    with replacing(path) as temporary:
        pq.write_table(table.replace_schema_metadata({"pandas": json.dumps(pandas)}), temporary)
