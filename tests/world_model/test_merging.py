"""Several data sets of one kind become one, frame by frame."""

from dataclasses import replace

import numpy as np
import pytest

from world_model.dataset import DatasetError
from world_model.dataset.episode import Episode
from world_model.dataset.lerobot import DatasetWriter
from world_model.dataset.merging import merge
from world_model.dataset.reader import read_dataset


def recorded(root, lengths, seed, **more):
    settings = {"fps": 10, "resolution": 16, "state_names": ["a", "b"], "action_names": ["x"], "task": "push"}
    settings |= {"shard_episodes": 2, "extra": {"ee_position": ["x", "y", "z"]}} | more
    writer = DatasetWriter(root, total_episodes=len(lengths), fingerprint={"seed": seed}, **settings)
    rng, size = np.random.default_rng(seed), settings["resolution"]
    episodes = [
        Episode(
            rng.integers(0, 256, (n, size, size, 3)).astype(np.uint8), rng.random((n, 2), np.float32),
            rng.random((n - 1, 1), np.float32), {"ee_position": rng.random((n, 3), np.float32)},
        )
        for n in lengths
    ]  # fmt: skip
    for shard in range(writer.shards):
        writer.write_shard(shard, [episodes[i] for i in writer.shard_range(shard)])
    writer.finalise()
    return root


def test_all_episodes_are_there_to_the_bit_and_in_order(tmp_path):
    sources = [recorded(tmp_path / "a", [4, 6, 3], 0), recorded(tmp_path / "b", [5, 2], 1)]
    told = []
    info = merge(sources, tmp_path / "c", lambda done, of: told.append((done, of)))
    assert info["total_episodes"] == 5 and info["total_frames"] == 20 and told[0] == (0, 5) and told[-1] == (5, 5)
    found = read_dataset(tmp_path / "c")
    wanted = [part.episode(i) for part in map(read_dataset, sources) for i in range(len(part))]
    for index, episode in enumerate(wanted):
        copy = found.episode(index)
        assert np.array_equal(copy.pixels, episode.pixels) and np.array_equal(copy.action, episode.action)
        assert np.array_equal(copy.state, episode.state)
        assert np.array_equal(copy.extra["ee_position"], episode.extra["ee_position"])
    assert found.names("observation.state") == ["a", "b"] and found.episodes[4].tasks == ("push",)


def test_a_killed_merging_goes_on_and_another_one_does_not(tmp_path):
    sources = [recorded(tmp_path / "a", [4, 6, 3], 0), recorded(tmp_path / "b", [5, 2], 1)]

    def killed(done, of):
        if done:
            raise KeyboardInterrupt

    many = [*sources, *sources, *sources, *sources, *sources, *sources]
    with pytest.raises(KeyboardInterrupt):
        merge(many, tmp_path / "c", killed)
    told = []
    merge(many, tmp_path / "c", lambda done, of: told.append(done))
    assert told[0] == 25 and len(read_dataset(tmp_path / "c")) == 30
    with pytest.raises(DatasetError, match="was begun with"):
        merge(sources, tmp_path / "c")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"resolution": 8}, "resolution"),
        ({"fps": 20}, "frames a second 20.0"),
        ({"action_names": ["y"]}, "columns"),
        ({"task": "reach"}, "task"),
        ({"camera_key": "observation.images.wrist"}, "has no camera called observation.images.front"),
    ],
)
def test_what_is_not_alike_is_refused(tmp_path, more, message):
    sources = [recorded(tmp_path / "a", [4], 0), recorded(tmp_path / "b", [5], 1, **more)]
    with pytest.raises(DatasetError, match=message):
        merge(sources, tmp_path / "c")
    assert not (tmp_path / "c").exists()


def test_other_data_of_the_same_size_are_other_data(tmp_path):
    a, b, c = (recorded(tmp_path / name, [4, 4], seed) for seed, name in enumerate("abc"))
    merge([a, b], tmp_path / "out")
    for others in ([a, c], [b, a]):
        with pytest.raises(DatasetError, match="was begun with"):
            merge(others, tmp_path / "out")
    moved = b.rename(tmp_path / "moved")
    assert merge([a, moved], tmp_path / "out")["total_episodes"] == 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda part: part.episodes.__setitem__(1, replace(part.episodes[1], tasks=("reach",))), "push, reach"),
        (lambda part: part.episodes.__setitem__(0, replace(part.episodes[0], tasks=())), "push"),
    ],
)
def test_what_the_merged_could_not_say_is_refused(tmp_path, monkeypatch, change, message):
    def changed(source, camera=None):
        part = read_dataset(source, camera)
        change(part)
        return part

    sources = [recorded(tmp_path / "a", [4, 3], 0), recorded(tmp_path / "b", [5, 3], 1)]
    monkeypatch.setattr("world_model.dataset.merging.read_dataset", changed)
    with pytest.raises(DatasetError, match=message):
        merge(sources, tmp_path / "c")
    assert not (tmp_path / "c").exists()


def test_one_alone_is_no_merging(tmp_path):
    with pytest.raises(ValueError, match="two data sets or more"):
        merge([recorded(tmp_path / "a", [4], 0)], tmp_path / "c")
