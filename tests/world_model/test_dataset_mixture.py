"""A batch of several data sets is windows of each, in the shares that were asked for, whatever came before."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from forearm.world_model.data import DatasetError, FrameCache, WindowMixture, WindowSampler
from tests.world_model.test_dataset_windows import fake

NAMES = ("one", "two", "three")


def numbered(task: int, lengths: list[int]) -> FrameCache:
    """A cache whose second state says which task it is of."""
    cache = fake(lengths)
    return replace(cache, state=np.stack([cache.state[:, 0], np.full(len(cache.state), task, np.float32)], 1))


def mixture(weights: list[float] | None = None) -> WindowMixture:
    caches = [numbered(task, lengths) for task, lengths in enumerate(([40], [25, 12], [60]))]
    return WindowMixture(dict(zip(NAMES, (WindowSampler(c, 2, 2, 3) for c in caches), strict=True)), weights)


def tasks(batch: dict[str, torch.Tensor]) -> list[int]:
    return batch["state"][:, 0, 1].int().tolist()


@settings(max_examples=40, deadline=None)
@given(weights=st.lists(st.floats(0.2, 5.0), min_size=3, max_size=3), size=st.sampled_from([32, 64]),
       step=st.integers(0, 10**7))  # fmt: skip
def test_shares_are_kept_in_every_batch_and_in_the_long_run(weights: list[float], size: int, step: int) -> None:
    shares = np.array(weights) / sum(weights)
    assume(shares.min() * size >= 1.0)  # others are refused
    mixed = mixture(weights)
    np.testing.assert_allclose(mixed.shares, shares)
    found = np.bincount(tasks(mixed.batch(step, size, seed=1)), minlength=3)
    assert found.sum() == size and (abs(found - shares * size) <= 2).all()
    assert (abs(np.array(mixed._taken(step * size)) - shares * step * size) <= 1 + 1e-6 * step).all()


def test_each_task_goes_through_its_own_epochs() -> None:
    mixed, size = mixture(), 8
    batches = [mixed.batch(step, size, seed=3) for step in range(30)]
    for task, sampler in enumerate(mixed.parts):
        seen = [(int(e), int(t)) for b in batches for k, e, t in zip(tasks(b), b["episode"], b["time"], strict=True)
                if k == task]  # fmt: skip
        windows = zip(*sampler.locate(sampler.stretch(0, len(seen), seed=3)), strict=True)
        assert seen == [(int(e), int(t)) for e, t in windows]
        assert len(set(seen[: len(sampler)])) == len(sampler)


def test_the_parts_of_a_batch_are_the_batch() -> None:
    mixed = mixture([1, 2, 4])
    for step in range(5):
        whole = mixed.batch(step, 12, seed=0)
        parts = [mixed.batch(step, 12, seed=0, part=(i, 4)) for i in range(4)]
        assert all(torch.equal(torch.cat([part[key] for part in parts]), whole[key]) for key in whole)
    ahead = dict(mixed.prefetch(2, 5, 12, seed=0, threads=3))
    assert torch.equal(ahead[4]["actions"], mixed.batch(4, 12, seed=0)["actions"])


def test_windows_in_order_are_of_all_tasks() -> None:
    mixed = mixture([1, 1, 2])
    found = [task for batch in mixed.in_order(8, limit=16) for task in tasks(batch)]
    assert np.bincount(found).tolist() == [4, 4, 8]
    assert sum(len(batch["time"]) for batch in mixed.in_order(8)) == sum(len(part) for part in mixed.parts)


def test_columns_that_not_all_have_are_left_out() -> None:
    bare = replace(numbered(1, [40]), extra={})
    mixed = WindowMixture({"with": WindowSampler(numbered(0, [40]), 1, 1, 1), "without": WindowSampler(bare, 1, 1, 1)})
    assert "privileged.x" not in mixed.batch(0, 8, seed=0)
    assert all("privileged.x" not in batch for batch in mixed.in_order(8, limit=8))
    assert mixed.fingerprint != mixed.parts[0].fingerprint


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"fps": 20.0}, r"'one' and 'two' have different frame rates \(Hz\): 10.0 and 20.0"),
        ({"camera_key": "side"}, "different cameras: front and side"),
        ({"names": {"action": ["x", "y"]}}, r"different action names: None and \['x', 'y'\]"),
        ({"action": np.zeros((30, 7), np.float32)}, "different numbers in a command: 2 and 7"),
    ],
)
def test_data_that_are_not_alike_are_refused(change: dict, complaint: str) -> None:
    caches = fake([30]), replace(fake([30]), **change)
    samplers = {name: WindowSampler(cache, 1, 1, 1) for name, cache in zip(NAMES, caches, strict=False)}
    with pytest.raises(DatasetError, match=complaint):
        WindowMixture(samplers)


def test_weights_that_make_no_mixture_are_refused() -> None:
    for wrong in ([1, 2], [1, 0, 1], [1, -1, 1], [1, float("nan"), 1], [1, float("inf"), 1]):
        with pytest.raises(ValueError, match="expected 3 numbers above 0"):
            mixture(wrong)
    with pytest.raises(ValueError, match="less than one window of 'one'"):
        mixture([1, 10, 10]).batch(0, 16, seed=0)
