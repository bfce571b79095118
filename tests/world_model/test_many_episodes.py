"""What an index and a sampler cost does not grow by a Python object an episode."""

import sys
import tracemalloc
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from forearm.world_model.data import WindowSampler, open_cache, read_dataset
from forearm.world_model.data import episodes as episodes_module
from forearm.world_model.data import index as index_module
from forearm.world_model.data.entries import COLUMNS, Entries
from tools.experiments import many_episodes
from tools.experiments.many_episodes import HISTORY, LENGTH, ROLLOUT, make, sampler

COUNT = 3_000


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("many") / "data", COUNT)


def test_an_episode_takes_some_bytes_and_no_object(root: Path) -> None:
    entries = read_dataset(root).episodes
    assert isinstance(entries, Entries) and len(entries) == COUNT
    assert sum(getattr(entries, name).nbytes for name in COLUMNS) <= 100 * COUNT
    others = [getattr(entries, each.name) for each in fields(entries) if each.name not in COLUMNS]
    assert sum(map(len, others)) == COUNT // many_episodes.FILES + 1  # files and tasks
    tracemalloc.start()
    windows = sampler(root)
    windows.batch(0, 64, 0)
    held = tracemalloc.take_snapshot()
    tracemalloc.stop()
    # 1 GiB for a million is 1074 bytes each; Python's own modules and the batch are in there too.
    assert sum(each.size for each in held.statistics("filename")) <= 1000 * COUNT
    assert sum(each.count for each in held.statistics("filename")) < 5 * COUNT


def test_a_table_that_is_remembered_is_that_which_was_read(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_module, "SETTLED", -1.0)
    memory = root / ".cache/forearm"
    read = read_dataset(root, memory=memory).episodes
    with monkeypatch.context() as patch:
        patch.setattr(episodes_module, "entries_of", lambda *_: pytest.fail("the table was read again"))
        again = read_dataset(root, memory=memory).episodes
        some = read_dataset(root, episodes="5:9", memory=memory)
    assert [again[i] for i in (0, 1500, -1)] == [read[i] for i in (0, 1500, -1)] and again.files == read.files
    assert all(np.array_equal(getattr(again, name), getattr(read, name)) for name in COLUMNS)
    assert [entry.index for entry in some.episodes] == [5, 6, 7, 8] and some.some
    table = root / "meta/episodes/chunk-000/file-001.parquet"
    table.write_bytes(table.read_bytes())  # written anew: as far as anybody can tell, another one
    read_anew: list[Path] = []
    usual = episodes_module.entries_of
    monkeypatch.setattr(episodes_module, "entries_of", lambda path, *more: read_anew.append(path) or usual(path, *more))
    assert len(read_dataset(root, memory=memory)) == COUNT and table in read_anew


def test_windows_lie_within_their_episodes(root: Path) -> None:
    cache = open_cache(root, many_episodes.SIDE)
    assert cache.frames.shape[0] == COUNT * LENGTH and not cache.state.flags.owndata
    windows = WindowSampler(cache, HISTORY, ROLLOUT, 1)
    batch = windows.batch(0, 256, 0)
    assert batch["pixels"].shape[:2] == (256, HISTORY + ROLLOUT)
    assert int(batch["time"].max()) == LENGTH - ROLLOUT - 1 and len(set(batch["episode"].tolist())) > 200
    assert sys.getsizeof(windows._orders[0, 0]) < 4 * len(windows) + 1000
