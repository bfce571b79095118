"""A cost that compares each predicted step with a goal of its own."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from forearm.errors import InputError
from forearm.planner import LatentDistance, LatentPath

ACTIONS = torch.zeros(2, 3, 4, 1)


def numbers(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_each_step_is_compared_with_its_own_goal_and_later_ones_do_not_count():
    goals = numbers(2, 3, 5)
    trajectory = torch.cat([goals, numbers(2, 1, 5, seed=1)], dim=1)[:, None].expand(-1, 3, -1, -1).clone()
    path = LatentPath(goals, "sum")
    assert path.cost(trajectory, ACTIONS).tolist() == [[0.0] * 3] * 2
    trajectory[0, 1, 1] += 1.0
    trajectory[1, 2, 3] += 9.0
    assert path.curve(trajectory, ACTIONS)[0, 1].tolist() == pytest.approx([0.0, 1.0, 0.0])
    assert path.cost(trajectory, ACTIONS).flatten().tolist() == pytest.approx([0, 1 / 3, 0, 0, 0, 0])
    assert LatentPath(goals, "last").cost(trajectory, ACTIONS).abs().max() == 0


@given(st.sampled_from(["last", "sum", "exp", "min"]), st.booleans(), st.integers(0, 9))
def test_with_one_goal_at_each_step_it_is_the_distance_to_it(weights, mapped, seed):
    goal, trajectory = numbers(2, 5, seed=seed), numbers(2, 3, 4, 5, seed=seed + 1)
    metric = numbers(5, 5, seed=seed + 2) if mapped else None
    path = LatentPath(goal[:, None].expand(-1, 4, -1), weights, metric=metric)
    plain = LatentDistance(goal, weights, metric=metric)
    torch.testing.assert_close(path.cost(trajectory, ACTIONS), plain.cost(trajectory, ACTIONS))
    residuals = path.residuals(trajectory, ACTIONS)
    torch.testing.assert_close(residuals.square().sum(2), path.cost(trajectory, ACTIONS))


@pytest.mark.parametrize("shape", [(2, 3, 2, 5), (1, 3, 4, 5), (2, 3, 4, 6), (2, 4, 5)])
def test_trajectories_that_do_not_fit_are_refused(shape):
    with pytest.raises(InputError, match=r"trajectory has shape .*ask for \(2, K, 3 or more, 5\)"):
        LatentPath(numbers(2, 3, 5)).cost(numbers(*shape), ACTIONS)


def test_goals_need_steps():
    with pytest.raises(InputError, match=r"goals must have shape \(B, M, D\)"):
        LatentPath(numbers(2, 5))
