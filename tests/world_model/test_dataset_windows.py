"""Windows are what one would cut by hand, and come in an order that a step number fixes."""

import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from forearm.world_model.data import DatasetError, FrameCache, WindowSampler, split_episodes


def fake(lengths: list[int], actions: int = 2) -> FrameCache:
    """A cache in memory whose numbers say which frame they belong to."""
    total = sum(lengths)
    row = np.arange(total)
    frames = np.empty((total, 2, 2, 3), np.uint8)
    frames[:] = (row % 251)[:, None, None, None]
    sizes = np.array(lengths, np.int64)
    return FrameCache(
        path=Path("cache"),
        fingerprint="0" * 64,
        frames=frames,
        state=np.stack([row, -row], 1).astype(np.float32),
        action=(1 + row[:, None] + np.arange(actions) / 8).astype(np.float32),
        extra={"privileged.x": row[:, None].astype(np.float32)},
        starts=np.cumsum(sizes) - sizes,
        lengths=sizes,
        fps=10.0,
        camera_key="front",
        names={},
        source_resolution=(2, 2),
    )


def by_hand(cache: FrameCache, episode: int, present: int, history: int, rollout: int, skip: int) -> dict:
    """One window, frame by frame and action by action."""
    start = int(cache.starts[episode])
    times = [present + k * skip for k in range(1 - history, rollout + 1)]
    assert times[-1] < cache.lengths[episode]
    rows = [start + max(t, 0) for t in times]
    actions = []
    for t in times[:-1]:
        for s in range(t, t + skip):
            actions.append(cache.action[start + s] if s >= 0 else np.zeros(cache.action.shape[1]))
    return {
        "pixels": cache.frames[rows],
        "state": cache.state[rows],
        "privileged.x": cache.extra["privileged.x"][rows],
        "actions": np.array(actions).reshape(len(times) - 1, -1),
        "episode": episode,
        "time": present,
    }


sizes = st.integers(1, 4)


@settings(max_examples=60, deadline=None)
@given(lengths=st.lists(st.integers(1, 25), min_size=1, max_size=6), history=sizes, rollout=sizes, skip=sizes,
       pad=st.booleans())  # fmt: skip
def test_windows_are_those_cut_by_hand(lengths: list[int], history: int, rollout: int, skip: int, pad: bool) -> None:
    cache = fake(lengths)
    first = 0 if pad else (history - 1) * skip
    wanted = [(e, t) for e, n in enumerate(lengths) for t in range(first, n - rollout * skip)]
    if not wanted:
        with pytest.raises(DatasetError, match="needs"):
            WindowSampler(cache, history, rollout, skip, pad_start=pad)
        return
    sampler = WindowSampler(cache, history, rollout, skip, pad_start=pad)
    assert len(sampler) == len(wanted)
    assert set(sampler.skipped) == set(range(len(lengths))) - {e for e, _ in wanted}
    batch = sampler.gather(np.arange(len(sampler)))
    assert batch["pixels"].dtype == torch.uint8 and batch["actions"].dtype == torch.float32
    for n, (episode, present) in enumerate(wanted):
        for key, value in by_hand(cache, episode, present, history, rollout, skip).items():
            np.testing.assert_array_equal(batch[key][n].numpy(), value, err_msg=key)


def test_at_the_start_the_arm_is_at_rest() -> None:
    sampler = WindowSampler(fake([12]), history=3, rollout=1, frameskip=2)
    batch = sampler.gather(np.array([0, 1]))
    assert batch["pixels"][:, :, 0, 0, 0].tolist() == [[0, 0, 0, 2], [0, 0, 1, 3]]
    assert batch["actions"][0].tolist() == [[0] * 4, [0] * 4, [1, 1.125, 2, 2.125]]
    assert batch["actions"][1].tolist() == [[0] * 4, [0, 0, 1, 1.125], [2, 2.125, 3, 3.125]]


@settings(max_examples=30, deadline=None)
@given(lengths=st.lists(st.integers(5, 20), min_size=1, max_size=5), batch=st.integers(1, 40), seed=sizes)
def test_every_epoch_is_a_permutation(lengths: list[int], batch: int, seed: int) -> None:
    sampler = WindowSampler(fake(lengths), 2, 2, 2)
    count = len(sampler)
    steps = -(-3 * count // batch)
    row = np.concatenate([sampler.order(step, batch, seed) for step in range(steps)])
    for epoch in range(3):
        assert sorted(row[epoch * count : (epoch + 1) * count]) == list(range(count))


def test_epochs_and_seeds_differ() -> None:
    sampler = WindowSampler(fake([100]), 1, 1, 1)
    epochs = [sampler.order(n, 99, seed).tolist() for n, seed in ((0, 0), (1, 0), (0, 1))]
    assert epochs[0] != epochs[1] and epochs[0] != epochs[2]


def test_a_batch_needs_nothing_but_its_number() -> None:
    lengths = [30, 17, 22]
    one, other = (WindowSampler(fake(lengths), 2, 3, 2) for _ in range(2))
    for step in range(7):
        one.batch(step, 8, seed=3)
    a, b = one.batch(5, 8, 3), other.batch(5, 8, 3)
    assert a.keys() == b.keys()
    assert all(torch.equal(a[key], b[key]) for key in a)


def test_only_the_chosen_episodes() -> None:
    sampler = WindowSampler(fake([10, 10, 10, 3]), 1, 2, 2, episodes=[2, 0, 3])
    batches = list(sampler.in_order(5))
    assert [len(b["time"]) for b in batches] == [5, 5, 2]
    assert torch.cat([b["episode"] for b in batches]).tolist() == [0] * 6 + [2] * 6
    assert sampler.skipped.tolist() == [3]
    assert torch.cat([b["time"] for b in sampler.in_order(5, limit=4)]).tolist() == [0, 3, 0, 3]
    with pytest.raises(ValueError, match="cache has 0 to 3"):
        WindowSampler(fake([10, 10, 10, 3]), 1, 2, 2, episodes=[4])
    with pytest.raises(IndexError):
        sampler.gather(np.array([12]))


def test_too_few_frames_for_a_window() -> None:
    with pytest.raises(DatasetError, match=r"rollout 5 and frameskip 2 needs 11 frames; .* has 10"):
        WindowSampler(fake([10, 4]), 3, 5, 2)
    with pytest.raises(DatasetError, match="needs 15 frames"):
        WindowSampler(fake([14]), 3, 5, 2, pad_start=False)
    with pytest.raises(DatasetError, match="longest of 0 episodes"):
        WindowSampler(fake([14]), 1, 1, 1, episodes=[])
    with pytest.raises(ValueError, match="frameskip is 0"):
        WindowSampler(fake([14]), 1, 1, 0)


def test_prefetching_changes_nothing() -> None:
    sampler = WindowSampler(fake([40, 25]), 2, 2, 3)
    steps = []
    for step, batch in sampler.prefetch(4, 15, 16, seed=1, depth=2):
        steps.append(step)
        wanted = sampler.batch(step, 16, 1)
        assert all(torch.equal(batch[key], wanted[key]) for key in wanted)
    assert steps == list(range(4, 15))


def test_the_parts_of_a_batch_are_the_whole() -> None:
    sampler = WindowSampler(fake([40, 25]), 2, 2, 3)
    whole = sampler.batch(3, 12, seed=1)
    parts = [sampler.batch(3, 12, 1, (index, 3)) for index in range(3)]
    assert all(torch.equal(torch.cat([part[key] for part in parts]), whole[key]) for key in whole)
    for part in ((0, 5), (3, 3), (-1, 3)):
        with pytest.raises(ValueError, match="no such equal part"):
            sampler.batch(3, 12, 1, part)


def test_many_threads_keep_the_order() -> None:
    sampler = WindowSampler(fake([40, 25]), 2, 2, 3)
    found = list(sampler.prefetch(2, 30, 16, 1, part=(1, 2), depth=8, threads=4))
    assert [step for step, _ in found] == list(range(2, 30))
    for step, batch in found:
        assert torch.equal(batch["time"], sampler.batch(step, 16, 1, (1, 2))["time"])


def workers() -> int:
    return sum(thread.name.startswith("window-prefetch") for thread in threading.enumerate())


def test_prefetching_stops_and_fails_in_the_open(monkeypatch: pytest.MonkeyPatch) -> None:
    sampler = WindowSampler(fake([40]), 2, 2, 3)
    batches = sampler.prefetch(0, 10**9, 4, seed=0)
    next(batches)
    assert workers() == 1
    batches.close()  # type: ignore[attr-defined]
    assert workers() == 0

    def broken(*_: object) -> None:
        raise OSError("disk is gone")

    monkeypatch.setattr(sampler, "gather", broken)
    with pytest.raises(OSError, match="disk is gone"):
        list(sampler.prefetch(0, 3, 4, seed=0))
    assert workers() == 0


@given(count=st.integers(2, 200), fraction=st.floats(0, 0.9), seed=st.integers(0, 5))
def test_the_split_is_one(count: int, fraction: float, seed: int) -> None:
    training, validation = split_episodes(count, fraction, seed)
    assert sorted([*training, *validation]) == list(range(count))
    assert len(training) >= 1 and (len(validation) >= 1) == (fraction > 0)
    again = split_episodes(count, fraction, seed)
    assert training.tolist() == again[0].tolist() and validation.tolist() == again[1].tolist()


def test_a_split_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="validation_fraction"):
        split_episodes(10, 1.0, 0)
    with pytest.raises(ValueError, match="too few"):
        split_episodes(1, 0.1, 0)
