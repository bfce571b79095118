"""Decoded once, the same for everybody, whole or made again."""

import json
import threading
from pathlib import Path

import numpy as np
import pytest

from forearm.world_model.data import DatasetError, DatasetWriter, Episode, open_cache, read_dataset, resize_frame
from forearm.world_model.data import cache as cache_module

LENGTHS = [6, 11, 8]


def make(root: Path, value: float = 0.0) -> None:
    rng = np.random.default_rng(2)
    w = DatasetWriter(
        root,
        fps=10,
        resolution=(16, 24),
        state_names=["a", "b"],
        action_names=["u"],
        task="t",
        total_episodes=3,
        shard_episodes=2,
        extra={"privileged.x": ["x"]},
        fingerprint={},
    )
    episodes = []
    for n in LENGTHS:
        pixels = rng.integers(0, 256, (n, 16, 24, 3), dtype=np.uint8)
        state, action = rng.normal(size=(n, 2)) + value, rng.normal(size=(n - 1, 1))
        episodes.append(Episode(pixels, state, action, {"privileged.x": rng.normal(size=(n, 1))}))
    for index in w.missing_shards():
        w.write_shard(index, [episodes[i] for i in w.shard_range(index)])
    w.finalise()


def test_the_cache_holds_the_dataset(tmp_path: Path) -> None:
    make(tmp_path)
    seen: list[tuple[int, int]] = []
    cache = open_cache(tmp_path, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(6, 25), (17, 25), (25, 25)]
    assert cache.episodes == 3 and cache.resolution == (16, 24) and cache.fps == 10
    assert cache.lengths.tolist() == LENGTHS and cache.starts.tolist() == [0, 6, 17]
    assert cache.names["privileged.x"] == ["x"] and len(cache.fingerprint) == 64
    assert not cache.frames.flags.writeable
    data = read_dataset(tmp_path)
    for number, (start, length) in enumerate(zip(cache.starts, cache.lengths, strict=True)):
        episode, rows = data.episode(number), slice(start, start + length)
        np.testing.assert_array_equal(cache.frames[rows], episode.pixels)
        np.testing.assert_array_equal(cache.state[rows], episode.state)
        np.testing.assert_array_equal(cache.action[rows], episode.action)
        np.testing.assert_array_equal(cache.extra["privileged.x"][rows], episode.extra["privileged.x"])


def test_it_is_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path)
    first = open_cache(tmp_path, 8)
    monkeypatch.setattr(cache_module, "_build", None)
    again = open_cache(tmp_path, 8)
    assert again.path == first.path and again.fingerprint == first.fingerprint


def test_resizing_averages_areas(tmp_path: Path) -> None:
    make(tmp_path)
    cache = open_cache(tmp_path, (8, 12), tmp_path / "elsewhere")
    assert cache.path.parent == tmp_path / "elsewhere" and cache.source_resolution == (16, 24)
    full = open_cache(tmp_path)
    assert full.path != cache.path and full.fingerprint == cache.fingerprint
    means = full.frames.reshape(25, 8, 2, 12, 2, 3).mean((2, 4))
    np.testing.assert_allclose(cache.frames, means, atol=1)
    np.testing.assert_array_equal(cache.frames[3], resize_frame(full.frames[3], 8, 12))
    with pytest.raises(ValueError, match="resolution is 0x0"):
        open_cache(tmp_path, 0)


@pytest.mark.parametrize("name", ["frames.u8", "state.npy", "cache.json", "starts.npy"])
def test_a_truncated_cache_is_made_again(tmp_path: Path, name: str) -> None:
    make(tmp_path)
    cache = open_cache(tmp_path)
    wanted = np.array(cache.frames)
    path = cache.path / name
    del cache
    path.write_bytes(path.read_bytes()[:-7])
    leftover = path.parent.with_name(f"{path.parent.name}.12345678.tmp")
    leftover.mkdir()
    again = open_cache(tmp_path)
    np.testing.assert_array_equal(again.frames, wanted)
    assert not leftover.exists()


def test_another_dataset_is_another_cache(tmp_path: Path) -> None:
    make(tmp_path / "a")
    make(tmp_path / "b")
    make(tmp_path / "c", value=1.0)
    prints = [open_cache(tmp_path / name).fingerprint for name in "abc"]
    assert prints[0] == prints[1] != prints[2]


def test_a_build_that_dies_leaves_no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path)

    def stop(done: int, total: int) -> None:
        if done > 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        open_cache(tmp_path, progress=stop)
    folder = tmp_path / ".cache/forearm"
    assert [p.suffix for p in folder.iterdir()] == [".lock"]

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache_module.np, "save", full)
    with pytest.raises(DatasetError, match=r"cache cannot be written \(No space left"):
        open_cache(tmp_path)
    assert [p.suffix for p in folder.iterdir()] == [".lock"]


def test_opened_twice_at_once_it_is_built_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path)
    builds, found = [], []
    build = cache_module._build
    monkeypatch.setattr(cache_module, "_build", lambda *a: (builds.append(1), build(*a)))
    threads = [threading.Thread(target=lambda: found.append(open_cache(tmp_path))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(builds) == 1 and len(found) == 4


def test_nothing_pickled_is_loaded(tmp_path: Path) -> None:
    make(tmp_path)
    cache = open_cache(tmp_path)
    size = (cache.path / "state.npy").stat().st_size
    np.save(cache.path / "state.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    note = json.loads((cache.path / "cache.json").read_text())
    note["bytes"]["state.npy"] = (cache.path / "state.npy").stat().st_size
    (cache.path / "cache.json").write_text(json.dumps(note))
    assert open_cache(tmp_path).state.dtype == np.float32
    assert (cache.path / "state.npy").stat().st_size == size
