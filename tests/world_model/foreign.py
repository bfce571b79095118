"""Small LeRobotDataset folders as others write them: any columns, types and cameras."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from forearm.world_model.data.images import encode_png
from forearm.world_model.data.tables import IMAGE
from forearm.world_model.data.video import encode_video

SIDE = 16
INDICES = dict.fromkeys(("frame_index", "episode_index", "index", "task_index"), "int64") | {"timestamp": "float32"}
WHOLE = ("uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64")
KINDS = {kind: getattr(pa, kind)() for kind in (*WHOLE, "float16", "float32", "float64")} | {"bool": pa.bool_()}


def write(
    root: Path,
    columns: Mapping[str, np.ndarray],
    lengths: Sequence[int] = (5, 4, 6),
    *,
    cameras: Mapping[str, str] | None = None,
    kinds: Mapping[str, pa.DataType] | None = None,
    names: Mapping[str, Any] | None = None,
    robot: str = "six_joints",
    seed: int = 0,
    files: int = 1,
    shown: Mapping[str, np.ndarray] | None = None,
) -> Path:
    """Episodes of these lengths with `columns` (N, …); `cameras` are image or video; a data file for each of `files`
    runs of episodes. `shown` are frames (N, H, W, 3) of cameras, noise without them.
    """
    rng, total = np.random.default_rng(seed), sum(lengths)
    ends = np.cumsum(lengths)
    starts = ends - lengths
    episode = np.repeat(np.arange(len(lengths)), lengths)
    frame = np.concatenate([np.arange(n) for n in lengths])
    features: dict[str, Any] = {}
    table: dict[str, Any] = {}
    for key, values in columns.items():
        text = values.dtype.kind in "UO"
        shape = list(values.shape[1:]) or [1]
        features[key] = {
            "dtype": "string" if text else str(values.dtype),
            "shape": shape,
            "names": (names or {}).get(key),
        }
        kind = pa.string() if text else KINDS[str(values.dtype)]
        for size in reversed(values.shape[1:]):
            kind = pa.list_(kind, size) if values.ndim == 2 else pa.list_(kind)
        kind = (kinds or {}).get(key, kind)
        cells = list(values.astype(np.float32)) if values.dtype == np.float16 and values.ndim == 1 else values.tolist()
        table[key] = pa.array(
            [np.float16(c) for c in cells] if values.dtype == np.float16 and values.ndim == 1 else cells, kind
        )
    of_file = [e * files // len(lengths) for e in range(len(lengths))]
    rows: dict[str, Any] = {
        "episode_index": list(range(len(lengths))), "tasks": [["do it"]] * len(lengths), "length": list(lengths),
        "data/chunk_index": [0] * len(lengths), "data/file_index": of_file,
        "dataset_from_index": starts.tolist(), "dataset_to_index": ends.tolist(),
    }  # fmt: skip
    for camera, storage in (cameras or {"observation.images.front": "image"}).items():
        noise = rng.integers(0, 256, (total, SIDE, SIDE, 3)).astype(np.uint8)
        frames = (shown or {}).get(camera, noise)
        names_of_it = ["height", "width", "channels"]
        features[camera] = {"dtype": storage, "shape": list(frames.shape[1:]), "names": names_of_it}
        if storage == "image":
            table[camera] = pa.array([{"bytes": encode_png(one), "path": None} for one in frames], IMAGE)
            continue
        path = root / f"videos/{camera}/chunk-000/file-000.mp4"
        path.parent.mkdir(parents=True)
        encode_video(path, [frames], fps=10, height=frames.shape[1], width=frames.shape[2])
        of = f"videos/{camera}"
        rows |= {f"{of}/chunk_index": [0] * len(lengths), f"{of}/file_index": [0] * len(lengths)}
        rows |= {f"{of}/from_timestamp": (starts / 10).tolist(), f"{of}/to_timestamp": (ends / 10).tolist()}
    counters = {"timestamp": frame / 10, "frame_index": frame, "episode_index": episode}
    counters |= {"index": np.arange(total), "task_index": np.zeros(total)}
    for key, dtype in INDICES.items():
        table[key] = pa.array(counters[key].astype(dtype))
        features[key] = {"dtype": dtype, "shape": [1], "names": None}
    whole = pa.table(table)
    (root / "data/chunk-000").mkdir(parents=True)
    for file in range(files):
        own = [e for e in range(len(lengths)) if of_file[e] == file]
        part = whole.slice(starts[own[0]], sum(lengths[e] for e in own))
        pq.write_table(part, root / f"data/chunk-000/file-{file:03d}.parquet")
    (root / "meta/episodes/chunk-000").mkdir(parents=True)
    pq.write_table(pa.table(rows), root / "meta/episodes/chunk-000/file-000.parquet")
    info = {
        "codebase_version": "v3.0", "robot_type": robot, "total_episodes": len(lengths), "total_frames": total,
        "total_tasks": 1, "chunks_size": 1000, "fps": 10, "splits": {"train": f"0:{len(lengths)}"},
        "data_path": "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
        "video_path": "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4", "features": features,
    }  # fmt: skip
    (root / "meta/info.json").write_text(json.dumps(info))
    pq.write_table(pa.table({"task_index": [0], "task": ["do it"]}), root / "meta/tasks.parquet")
    return root


def stored(root: Path) -> pa.Table:
    """All rows of a data set, in order."""
    return pa.concat_tables([pq.read_table(path) for path in sorted((root / "data").rglob("*.parquet"))])


def vectors(rng: np.random.Generator, frames: int = 15, action: int = 3, state: int = 2) -> dict[str, np.ndarray]:
    """Commands and joint readings under their usual names."""
    return {
        "action": rng.normal(size=(frames, action)).astype(np.float32),
        "observation.state": rng.normal(size=(frames, state)).astype(np.float32),
    }
