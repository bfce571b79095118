"""Small data sets whose frames show their own number, and changes to their files."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from forearm.world_model.data import CAMERA_KEY, DatasetWriter, Episode

LENGTHS = (6, 9, 7)
FPS = 10
VIDEO = f"videos/{CAMERA_KEY}"
DATA_FILE = "data/chunk-000/file-000.parquet"
EPISODES_FILE = "meta/episodes/chunk-000/file-000.parquet"
BITS, BAR = 6, 8


def picture(number: int) -> np.ndarray:
    """(16, 48, 3): six bars, dark or light, as the bits of a number; any codec keeps them."""
    frame = np.full((16, BITS * BAR, 3), 30, np.uint8)
    frame[:2] = 220  # so that none is one colour all over
    for bit in range(BITS):
        if number >> bit & 1:
            frame[2:, bit * BAR : (bit + 1) * BAR] = 220
    return frame


def shown(frame: np.ndarray) -> int:
    """The number that a decoded frame shows."""
    bars = frame[4:12].mean((0, 2)).reshape(BITS, BAR)[:, 2:-2].mean(1)
    return int(sum((bar > 125) << bit for bit, bar in enumerate(bars)))


def make(root: Path, storage: str = "mp4", lengths: Sequence[int] = LENGTHS) -> Path:
    """A data set of one file, whose frames are numbered through."""
    writer = DatasetWriter(
        root,
        fps=FPS,
        resolution=(16, BITS * BAR),
        state_names=["a"],
        action_names=["u"],
        task="t",
        total_episodes=len(lengths),
        storage=storage,  # type: ignore[arg-type]
        fingerprint={},
    )
    episodes, at = [], 0
    for length in lengths:
        pixels = np.stack([picture(at + n) for n in range(length)])
        ramp = np.arange(at, at + length, dtype=np.float32)[:, None]
        episodes.append(Episode(pixels, ramp, ramp[:-1] / 100))
        at += length
    writer.write_shard(0, episodes)
    writer.finalise()
    return root


def change_info(root: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    path = root / "meta/info.json"
    info = json.loads(path.read_text())
    change(info)
    path.write_text(json.dumps(info))


def change_rows(path: Path, change: Callable[[list[dict[str, Any]]], Any]) -> None:
    """Change a parquet file as rows of plain values."""
    rows = pq.read_table(path, partitioning=None).to_pylist()
    change(rows)
    pq.write_table(pa.Table.from_pylist(rows), path)


def change_episodes(root: Path, change: Callable[[list[dict[str, Any]]], Any]) -> None:
    change_rows(root / EPISODES_FILE, change)


def with_column(path: Path, key: str, values: pa.Array) -> None:
    """Put a column of a parquet file in place of another, or beside them."""
    table = pq.read_table(path, partitioning=None)
    at = table.schema.get_field_index(key)
    pq.write_table(table.append_column(key, values) if at < 0 else table.set_column(at, key, values), path)
