"""What a million episodes cost beside a thousand: opening them, memory, and windows a second.

    python -m tools.experiments.many_episodes out=FOLDER

Makes data sets of both sizes, with all their files but pictures that show nothing, and beside each a cache of decoded
frames as training makes it. Then opens each in a process of its own, twice: the second time the files are known.
Windows are those of `world_model=conv` at 64 pixels. They are drawn from both in turns, in one process, and both show
the same frames: how fast a disk or the page cache gives others is not what is asked here.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from forearm.common.files import write_json
from forearm.world_model.data import WindowSampler, dataset_fingerprint, layout, open_cache, read_dataset
from forearm.world_model.data.cache import VERSION, FrameCache, memory_of, place_of
from forearm.world_model.data.images import encode_png
from forearm.world_model.data.tables import IMAGE, index_columns, write_tasks

LENGTH, SIDE, STATE, ACTION = 16, 64, 4, 2
FILES = 1000
"""Episodes in a file."""
HISTORY, ROLLOUT, FRAMESKIP, BATCH = 3, 6, 2, 64
ROUNDS, STEPS = 15, 20


def measured(folder: Path, few: int = 1_000, many: int = 1_000_000) -> dict[str, Any]:
    """Figures of both data sets, which are made below `folder`.

    `open_s` and `first_open_s`: seconds until the first batch can be drawn; `anonymous_mib`: memory that no file
    stands behind, after a hundred batches, more than a process has that has imported the same; `windows_per_s`, and
    `rate`: that of many divided by that of few, the median of turns.
    """
    found: dict[str, Any] = {}
    roots = {name: make(folder / name, count) for name, count in (("few", few), ("many", many))}
    for name, root in roots.items():
        first, again = (_in_a_process(root) for _ in range(2))
        found[name] = {"episodes": again["episodes"], "first_open_s": first["open_s"], **again}
    samplers = {name: sampler(root) for name, root in roots.items()}
    seen = np.random.default_rng(0).integers(0, 256, (8_000, SIDE, SIDE, 3), dtype=np.uint8)
    for each in samplers.values():
        each.cache = replace(each.cache, frames=_Repeated(seen))  # type: ignore[arg-type]
    rates: dict[str, list[float]] = {name: [] for name in samplers}
    for turn in range(ROUNDS + 1):
        for name, each in samplers.items():
            began = time.thread_time()
            for step in range(turn * STEPS, (turn + 1) * STEPS):
                each.batch(step, BATCH, 0)
            rates[name].append(STEPS * BATCH / (time.thread_time() - began))
    for name, seconds in rates.items():
        found[name]["windows_per_s"] = round(median(seconds[1:]))
    found["rate"] = round(median(b / a for a, b in zip(rates["few"][1:], rates["many"][1:], strict=True)), 3)
    return found


def make(root: Path, episodes: int) -> Path:
    """A data set of as many episodes, and the cache of its decoded frames, unless they are there."""
    if (root / layout.INFO_PATH).exists():
        return root
    picture = encode_png(np.zeros((SIDE, SIDE, 3), np.uint8))
    for number, first in enumerate(range(0, episodes, FILES)):
        count = min(FILES, episodes - first)
        _write(root, number, np.arange(first, first + count), picture)
    write_tasks(root / layout.TASKS_PATH, ["push"])
    camera = {layout.CAMERA_KEY: layout.camera_feature(SIDE, SIDE, fps=10, video_format=None)}
    vectors = {layout.STATE_KEY: _names("s", STATE), layout.ACTION_KEY: _names("a", ACTION)}
    features = camera | {key: layout.vector_feature(names) for key, names in vectors.items()}
    features |= {key: {"dtype": kind, "shape": [1], "names": None} for key, kind in layout.INDEX_FEATURES.items()}
    info = {"codebase_version": "v3.0", "fps": 10, "total_episodes": episodes, "total_frames": episodes * LENGTH}
    write_json(root / layout.INFO_PATH, {**info, "data_path": layout.DATA_PATH, "features": features})
    _decoded(root, vectors)
    return root


def sampler(root: Path) -> WindowSampler:
    """All windows of a data set."""
    return WindowSampler(open_cache(root, SIDE), HISTORY, ROLLOUT, FRAMESKIP)


def _write(root: Path, number: int, episodes: Any, picture: bytes) -> None:
    rows = len(episodes) * LENGTH
    image = pa.array([{"bytes": picture, "path": None}], IMAGE).take(pa.array(np.zeros(rows, np.int32)))
    zeros = [pa.array(np.zeros(rows * size, np.float32)) for size in (STATE, ACTION)]
    vectors = [pa.FixedSizeListArray.from_arrays(*pair) for pair in zip(zeros, (STATE, ACTION), strict=True)]
    counters = index_columns(episode=0, length=LENGTH, first=0, fps=10)
    repeated = {key: pa.array(np.tile(np.asarray(counters[key]), len(episodes))) for key in counters}
    repeated["episode_index"] = pa.array(np.repeat(episodes, LENGTH))
    repeated["index"] = pa.array(episodes[0] * LENGTH + np.arange(rows))
    names = [layout.CAMERA_KEY, layout.STATE_KEY, layout.ACTION_KEY, *repeated]
    table = pa.table([image, *vectors, *repeated.values()], names)
    where = {"chunk_index": number // layout.CHUNK_FILES, "file_index": number % layout.CHUNK_FILES}
    path = root / layout.DATA_PATH.format(**where)
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)
    columns: dict[str, Any] = {"episode_index": episodes, "tasks": [["push"]] * len(episodes)}
    columns |= {"length": np.full(len(episodes), LENGTH)}
    columns |= {f"data/{key}": np.full(len(episodes), value) for key, value in where.items()}
    columns |= {"dataset_from_index": episodes * LENGTH, "dataset_to_index": (episodes + 1) * LENGTH}
    path = root / layout.EPISODES_PATH.format(**where)
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)


def _decoded(root: Path, vectors: Mapping[str, list[str]]) -> None:
    """What decoding would have left; frames as a hole in the file, which shows nothing."""
    data, memory = read_dataset(root), memory_of(root, None)
    fingerprint = dataset_fingerprint(data)
    target, frames = place_of(memory, fingerprint, data.view, SIDE, SIDE), data.frames_total
    target.mkdir(parents=True)
    with (target / "frames.u8").open("wb") as file:
        file.truncate(frames * SIDE * SIDE * 3)
    for name, size in (("state", STATE), ("action", ACTION)):
        np.save(target / f"{name}.npy", np.zeros((frames, size), np.float32))
    np.save(target / "lengths.npy", data.episodes.length)
    np.save(target / "starts.npy", np.arange(len(data)) * LENGTH)
    note = {"version": VERSION, "fingerprint": fingerprint, "camera_key": data.view, "fps": data.fps, "extra": {}}
    note |= {"shape": [frames, SIDE, SIDE, 3], "source_resolution": [SIDE, SIDE], "repeats": [0] * 8, "names": vectors}
    write_json(target / "cache.json", {**note, "bytes": {each.name: each.stat().st_size for each in target.iterdir()}})


class _Repeated:
    """A few frames in the place of any number."""

    def __init__(self, frames: Any) -> None:
        self._frames = frames

    def take(self, rows: Any, axis: int) -> Any:
        return self._frames.take(rows % len(self._frames), axis=axis)


def _names(letter: str, count: int) -> list[str]:
    return [f"{letter}{i}" for i in range(count)]


def _in_a_process(root: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "tools.experiments.many_episodes", f"open={root}"]
    return dict(json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout))


def _opened(root: Path) -> dict[str, Any]:
    before, began = _anonymous(), time.perf_counter()
    found: WindowSampler = sampler(root)
    seconds = time.perf_counter() - began
    cache: FrameCache = found.cache
    found.cache = replace(cache, frames=_Repeated(np.zeros((10, SIDE, SIDE, 3), np.uint8)))  # type: ignore[arg-type]
    for step in range(100):
        found.batch(step, BATCH, 0)
    mib = (_anonymous() - before) / 1024
    return {
        "episodes": cache.episodes,
        "windows": len(found),
        "open_s": round(seconds, 4),
        "anonymous_mib": round(mib, 1),
    }


def _anonymous() -> int:
    """Kilobytes of this process that no file stands behind."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))


def main(words: list[str]) -> None:
    """`out=FOLDER` measures both; `open=FOLDER` opens one data set."""
    given = dict(word.split("=", 1) for word in words)
    if "open" in given:
        print(json.dumps(_opened(Path(given["open"]))))
        return
    counts = {name: int(given[name]) for name in ("few", "many") if name in given}
    with tempfile.TemporaryDirectory(prefix="forearm-") as folder:
        print(json.dumps(measured(Path(given.get("out") or folder), **counts), indent=1))


if __name__ == "__main__":
    main(sys.argv[1:])
