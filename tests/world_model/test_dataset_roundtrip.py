"""Written, killed, taken up again, read back: the folder holds what was recorded, once."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from forearm.world_model.data import DatasetError, DatasetWriter, Episode, read_dataset

STATE = [f"joint{i}" for i in range(15)]
ACTION = ["dx", "dy", "dz", "gripper"]
EXTRA = {"privileged.ee_position": ["x", "y", "z"], "privileged.distance": ["metres"]}


def scene(rng: np.random.Generator, length: int, size: int = 32) -> np.ndarray:
    """A coloured box that moves over a gradient."""
    ramp = np.linspace(40, 200, size).astype(np.uint8)
    frames = np.broadcast_to(ramp[None, :, None, None], (length, size, size, 3)).copy()
    colour = rng.integers(0, 256, 3)
    for t in range(length):
        x = (int(rng.integers(0, 4)) + t) % (size - 8)
        frames[t, 4:12, x : x + 8] = colour
    return frames


def record(seed: int, length: int, size: int = 32) -> Episode:
    rng = np.random.default_rng(seed)
    extra = {key: rng.normal(size=(length, len(names))).astype(np.float32) for key, names in EXTRA.items()}
    state = rng.normal(size=(length, 15)).astype(np.float32)
    action = rng.uniform(-1, 1, (length - 1, 4)).astype(np.float32)
    return Episode(scene(rng, length, size), state, action, extra)


def writer(root: Path, **changes: object) -> DatasetWriter:
    settings: dict = {
        "fps": 10,
        "resolution": 32,
        "state_names": STATE,
        "action_names": ACTION,
        "task": "push the cube",
        "total_episodes": 7,
        "shard_episodes": 3,
        "extra": EXTRA,
        "fingerprint": {"seed": 0, "policy": {"noise": [2.0, 0.1]}},
    }
    return DatasetWriter(root, **(settings | changes))


LENGTHS = [5, 9, 2, 7, 7, 1, 4]


def fill(root: Path, shards: tuple[int, ...] = (0, 1, 2), **changes: object) -> list[Episode]:
    episodes = [record(seed, length) for seed, length in enumerate(LENGTHS)]
    w = writer(root, **changes)
    for index in shards:
        w.write_shard(index, [episodes[i] for i in w.shard_range(index)])
    return episodes


@pytest.mark.parametrize("storage", ["png", "mp4"])
def test_what_is_written_is_read_back(tmp_path: Path, storage: str) -> None:
    episodes = fill(tmp_path, (2, 0, 1), storage=storage)
    info = writer(tmp_path, storage=storage).finalise()
    assert info["total_frames"] == sum(LENGTHS)
    data = read_dataset(tmp_path)
    assert len(data) == 7 and data.frames_total == sum(LENGTHS) and data.resolution == (32, 32)
    assert data.names("action") == ACTION
    for number in (3, 0, 6, 1, 2, 4, 5):  # any order
        found, wanted = data.episode(number), episodes[number]
        assert data.episodes[number].tasks == ("push the cube",)
        if storage == "png":
            np.testing.assert_array_equal(found.pixels, wanted.pixels)
        else:
            error = np.abs(found.pixels.astype(int) - wanted.pixels)
            assert error.mean() < 2 and error.max() < 40
        np.testing.assert_array_equal(found.state, wanted.state)
        np.testing.assert_array_equal(found.action[:-1], wanted.action)
        np.testing.assert_array_equal(found.action[-1], 0)
        for key, value in wanted.extra.items():
            np.testing.assert_array_equal(found.extra[key], value)


@pytest.mark.parametrize("storage", ["png", "mp4"])
def test_layout_is_version_3(tmp_path: Path, storage: str) -> None:
    fill(tmp_path, storage=storage)
    writer(tmp_path, storage=storage).finalise()
    info = json.loads((tmp_path / "meta/info.json").read_text())
    assert info["codebase_version"] == "v3.0" and info["splits"] == {"train": "0:7"}
    assert info["data_path"] == "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
    front = info["features"]["observation.images.front"]
    assert front["dtype"] == {"png": "image", "mp4": "video"}[storage] and front["shape"] == [32, 32, 3]
    files = sorted(tmp_path.glob("data/*/*"))
    assert [f.relative_to(tmp_path).as_posix() for f in files] == [
        f"data/chunk-000/file-{i:03d}.parquet" for i in range(3)
    ]
    table = pq.read_table(files)
    assert table["index"].to_pylist() == list(range(sum(LENGTHS)))
    assert table["episode_index"].to_pylist() == [e for e, n in enumerate(LENGTHS) for _ in range(n)]
    assert table["frame_index"].to_pylist() == [t for n in LENGTHS for t in range(n)]
    np.testing.assert_allclose(table["timestamp"].to_numpy(), table["frame_index"].to_numpy() / 10, rtol=1e-6)
    expected = set(info["features"]) - ({"observation.images.front"} if storage == "mp4" else set())
    assert set(table.column_names) == expected
    if storage == "png":
        assert set(table["observation.images.front"][0].as_py()) == {"bytes", "path"}
    tasks = pq.read_table(tmp_path / "meta/tasks.parquet")
    assert tasks.to_pylist() == [{"task_index": 0, "task": "push the cube"}]
    rows = pq.read_table(sorted(tmp_path.glob("meta/episodes/*/*.parquet"))).to_pylist()
    ends = np.cumsum(LENGTHS)
    assert [r["dataset_to_index"] for r in rows] == ends.tolist()
    assert [r["dataset_from_index"] for r in rows] == (ends - LENGTHS).tolist()
    if storage == "mp4":
        starts = [r["videos/observation.images.front/from_timestamp"] for r in rows]
        np.testing.assert_allclose(starts, [0, 0.5, 1.4, 0, 0.7, 1.4, 0])


def test_statistics_are_those_of_all_frames(tmp_path: Path) -> None:
    episodes = fill(tmp_path)
    writer(tmp_path).finalise()
    stats = json.loads((tmp_path / "meta/stats.json").read_text())
    state = np.concatenate([e.state for e in episodes]).astype(np.float64)
    pixels = np.concatenate([e.pixels for e in episodes]) / 255.0
    for values, key in ((state, "observation.state"), (pixels, "observation.images.front")):
        axes = tuple(range(values.ndim - 1))
        for name in ("min", "max", "mean", "std"):
            found = np.array(stats[key][name])
            np.testing.assert_allclose(found.reshape(-1), getattr(values, name)(axes), atol=1e-9)
        assert stats[key]["count"] == [sum(LENGTHS)]
    assert np.array(stats["observation.images.front"]["mean"]).shape == (3, 1, 1)


def test_a_killed_collection_goes_on_where_it_was(tmp_path: Path) -> None:
    fill(tmp_path, (1,))
    # What a kill leaves: half a temporary file, and data without its slice of the episodes table.
    leftover = tmp_path / "data/chunk-000/.file-000.parquet.0123456789ab.tmp"
    leftover.write_bytes(b"PAR1 half")
    fill(tmp_path, (2,))
    (tmp_path / "meta/episodes/chunk-000/file-002.parquet").unlink()
    w = writer(tmp_path)
    assert w.missing_shards() == [0, 2]
    with pytest.raises(DatasetError, match=r"2 of 3 shards are missing \(0, 2\)"):
        w.finalise()
    with pytest.raises(DatasetError, match="collection is not finished"):
        read_dataset(tmp_path)
    fill(tmp_path, (0, 2))
    assert w.missing_shards() == []
    w.finalise()
    assert not leftover.exists()
    interrupted = {p.relative_to(tmp_path): p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    other = tmp_path / "other"
    fill(other)
    writer(other).finalise()
    at_once = {p.relative_to(other): p.read_bytes() for p in other.rglob("*") if p.is_file()}
    assert interrupted == at_once


COLLECT = """
import sys
sys.path[:0] = {path!r}
import test_dataset_roundtrip as here
from pathlib import Path
for shard in {shards}:
    here.fill(Path({root!r}), (shard,), storage="mp4")
    sys.stdout.write("written\\n"); sys.stdout.flush()
    if {wait}: sys.stdin.read()
"""


def test_processes_side_by_side_one_of_them_killed(tmp_path: Path) -> None:
    here = Path(__file__)
    path = [str(here.parent), str(here.parents[2])]
    running = []
    for shards, wait in (((0, 1), True), ((2,), False)):
        code = COLLECT.format(path=path, root=str(tmp_path / "a"), shards=shards, wait=wait)
        command = [sys.executable, "-c", code]
        running.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
    running = [process for process in running if process.stdout and process.stdout.readline()]
    running[0].send_signal(signal.SIGKILL)  # it had begun with two shards and written one
    for process in running:
        process.communicate(timeout=60)
    w = writer(tmp_path / "a", storage="mp4")
    assert w.missing_shards() == [1]
    fill(tmp_path / "a", (1,), storage="mp4")
    w.finalise()
    fill(tmp_path / "b", storage="mp4")
    writer(tmp_path / "b", storage="mp4").finalise()
    found = [
        {p.relative_to(tmp_path / name): p.read_bytes() for p in (tmp_path / name).rglob("*") if p.is_file()}
        for name in "ab"
    ]
    assert found[0] == found[1]


def test_finalise_again_and_after_a_kill_in_its_middle(tmp_path: Path) -> None:
    fill(tmp_path)
    w = writer(tmp_path)
    before = (tmp_path / "meta/episodes/chunk-000/file-001.parquet").read_bytes()
    w.finalise()
    after = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    (tmp_path / "meta/episodes/chunk-000/file-001.parquet").write_bytes(before)  # data renumbered, slice not
    w.finalise()
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == after
    assert w.missing_shards() == []


def test_a_truncated_shard_is_missing(tmp_path: Path) -> None:
    fill(tmp_path, storage="mp4")
    data = tmp_path / "data/chunk-000/file-001.parquet"
    data.write_bytes(data.read_bytes()[:-20])
    (tmp_path / "videos/observation.images.front/chunk-000/file-002.mp4").unlink()
    assert writer(tmp_path, storage="mp4").missing_shards() == [1, 2]


def test_equal_lengths_need_no_renumbering(tmp_path: Path) -> None:
    w = writer(tmp_path)
    for index in range(3):
        w.write_shard(index, [record(i, 4) for i in w.shard_range(index)])
    before = {p: p.stat().st_mtime_ns for p in tmp_path.glob("data/*/*")}
    w.finalise()
    assert {p: p.stat().st_mtime_ns for p in tmp_path.glob("data/*/*")} == before
    assert pq.read_table(sorted(before))["index"].to_pylist() == list(range(28))


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"fps": 20}, "fps=10, not fps=20"),
        ({"task": "reach"}, "task=push the cube, not task=reach"),
        ({"fingerprint": {"seed": 1, "policy": {"noise": [2.0, 0.1]}}}, "fingerprint.seed=0, not "),
        ({"fingerprint": {"seed": 0}}, r"fingerprint.policy.noise=\[2.0, 0.1\]"),
        ({"total_episodes": 8}, "total_episodes=7"),
        ({"extra": {}}, "columns.privileged.distance"),
    ],
)
def test_other_settings_do_not_continue(tmp_path: Path, changes: dict, named: str) -> None:
    writer(tmp_path)
    writer(tmp_path)  # the same ones do
    with pytest.raises(DatasetError, match=named):
        writer(tmp_path, **changes)


def test_a_foreign_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "meta").mkdir()
    (tmp_path / "meta/info.json").write_text("{}")
    with pytest.raises(DatasetError, match="already holds another dataset"):
        writer(tmp_path)
    assert [p.name for p in tmp_path.rglob("*")] == ["meta", "info.json"]


def test_wrong_episodes_are_refused_by_number(tmp_path: Path) -> None:
    w = writer(tmp_path)
    good = record(0, 4)
    with pytest.raises(ValueError, match="shard 0 has 3 episodes, not 1"):
        w.write_shard(0, [good])
    for bad, reason in (
        (Episode(good.pixels[:, :16], good.state, good.action, good.extra), "pixels"),
        (Episode(good.pixels, good.state[:-1], good.action, good.extra), "state has shape"),
        (Episode(good.pixels, good.state * np.nan, good.action, good.extra), "not finite"),
        (Episode(good.pixels, good.state, good.action[:, :3], good.extra), "action has shape"),
        (Episode(good.pixels, good.state, good.action), "extra columns"),
    ):
        with pytest.raises(ValueError, match=f"episode 4: .*{reason}"):
            w.write_shard(1, [good, bad, good])
    assert w.missing_shards() == [0, 1, 2]
    with pytest.raises(ValueError, match="storage"):
        writer(tmp_path, storage="gif")


def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    w = writer(tmp_path)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("forearm.common.files.os.fsync", full)
    with pytest.raises(DatasetError, match=r"file-000\.parquet: cannot be written \(No space left"):
        w.write_shard(0, [record(i, 4) for i in range(3)])
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == ["collection.json"]
