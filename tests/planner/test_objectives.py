"""Objectives against sums written out by hand."""

import numpy as np
import pytest
import torch

from forearm.planner import ActionCost, LatentDistance, TerminalValue, UnlikelyLatents, WeightedSum
from tests.planner.toys import Scored, randn

DRAW = torch.Generator().manual_seed(0)
TRAJECTORY = torch.randn(2, 3, 4, 5, generator=DRAW)
GOAL = torch.randn(2, 5, generator=DRAW)
ACTIONS = torch.randn(2, 3, 8, 2, generator=DRAW)
DISTANCES = ((TRAJECTORY.numpy() - GOAL.numpy()[:, None, None]) ** 2).mean(-1)


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ("last", DISTANCES[..., -1]),
        ("sum", DISTANCES.mean(-1)),
        ("exp", (DISTANCES * np.array([1, 2, 4, 8]) / 15).sum(-1)),
        ([0, 3, 0, 1.5], 3 * DISTANCES[..., 1] + 1.5 * DISTANCES[..., 3]),
    ],
)
@pytest.mark.parametrize("as_numpy", [False, True])
def test_distance_to_the_goal(weights, expected, as_numpy):
    objective = LatentDistance(GOAL, weights, decay=0.5)
    trajectory = TRAJECTORY.numpy() if as_numpy else TRAJECTORY
    assert objective.cost(trajectory, ACTIONS).numpy() == pytest.approx(expected, rel=1e-5)
    assert objective.curve(trajectory, ACTIONS).numpy() == pytest.approx(DISTANCES, rel=1e-5)


def test_distance_is_batch_exact_and_takes_patches_and_half_precision():
    goal, trajectory = randn(5, 7, 13), randn(5, 30, 6, 7, 13, seed=1)
    for weights in ("last", "sum", "exp"):
        together = LatentDistance(goal, weights).cost(trajectory, ACTIONS)
        assert together.shape == (5, 30)
        for b in range(5):
            alone = LatentDistance(goal[b : b + 1], weights).cost(trajectory[b : b + 1], ACTIONS)
            assert torch.equal(alone[0], together[b])
    half = LatentDistance(goal.bfloat16()).cost(trajectory.bfloat16(), ACTIONS)
    assert half.dtype == torch.float32
    assert torch.allclose(half, LatentDistance(goal).cost(trajectory, ACTIONS), rtol=0.02)


def test_effort_and_smoothness():
    actions = ACTIONS.numpy()
    effort = (actions**2).sum(-1).mean(-1)
    assert ActionCost(2.0).cost(None, ACTIONS).numpy() == pytest.approx(2 * effort, rel=1e-5)
    changes = np.diff(actions, axis=2)
    smooth = (changes**2).sum((-1, -2)) / 8
    assert ActionCost(0.0, 3.0).cost(None, ACTIONS).numpy() == pytest.approx(3 * smooth, rel=1e-5)
    last = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    first = ((actions[:, :, 0] - last.numpy()[:, None]) ** 2).sum(-1) / 8
    both = ActionCost(1.0, 1.0, last).cost(None, ACTIONS).numpy()
    assert both == pytest.approx(effort + smooth + first, rel=1e-5)
    assert not ActionCost().cost(None, ACTIONS).any()
    assert not ActionCost(0.0, 1.0).cost(None, ACTIONS[:, :, :1]).any()


def test_sums_of_objectives():
    distance, effort = LatentDistance(GOAL), ActionCost(1.0)
    total = WeightedSum([(2.0, distance), (0.1, effort), (1.0, Scored(lambda a: np.ones((2, 3))))])
    expected = 2 * distance.cost(TRAJECTORY, ACTIONS) + 0.1 * effort.cost(TRAJECTORY, ACTIONS) + 1
    assert torch.allclose(total.cost(TRAJECTORY, ACTIONS).float(), expected)
    assert torch.equal(total.curve(TRAJECTORY, ACTIONS), 2 * distance.curve(TRAJECTORY, ACTIONS))
    assert WeightedSum([(1.0, effort)]).curve(TRAJECTORY, ACTIONS) is None


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: LatentDistance(GOAL, "lost"), "unknown weights 'lost'; did you mean 'last'"),
        (lambda: LatentDistance(GOAL, []), "weights"),
        (lambda: LatentDistance(GOAL, [1, -1]), r"weights\[1\] must be at least 0"),
        (lambda: LatentDistance(GOAL[0]), r"goal must have shape \(B, D\)"),
        (lambda: LatentDistance(GOAL, decay=0.0), "decay must be greater than 0"),
        (
            lambda: LatentDistance(GOAL, [1, 2]).cost(TRAJECTORY, ACTIONS),
            "2 weights for a trajectory of 4 steps",
        ),
        (lambda: LatentDistance(GOAL[:1]).cost(TRAJECTORY, ACTIONS), "2 problems, the goal of 1"),
        (lambda: LatentDistance(GOAL[:, :4]).cost(TRAJECTORY, ACTIONS), r"the goal \(2, 4\) asks for"),
        (lambda: ActionCost(-1.0), "weight must be at least 0"),
        (lambda: ActionCost(0.0, float("nan")), "smoothness must be a finite number"),
        (lambda: WeightedSum([]), "at least one"),
    ],
)
def test_what_does_not_fit_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_metric_lets_directions_count_differently():
    metric = torch.diag(torch.tensor([2.0, 1.0, 0.0, 0.0, 0.0]))
    objective = LatentDistance(GOAL, "last", metric=metric)
    difference = (TRAJECTORY - GOAL[:, None, None])[..., -1, :]
    expected = (4 * difference[..., 0] ** 2 + difference[..., 1] ** 2) / 5
    torch.testing.assert_close(objective.cost(TRAJECTORY, ACTIONS), expected)
    alone = LatentDistance(GOAL[1:], "last", metric=metric).cost(TRAJECTORY[1:], ACTIONS[1:])
    assert torch.equal(objective.cost(TRAJECTORY, ACTIONS)[1:], alone)
    with pytest.raises(ValueError, match=r"metric has shape \(3, 3\)"):
        LatentDistance(GOAL, metric=torch.eye(3))


def test_latents_unlike_the_training_data_cost():
    draw = torch.Generator().manual_seed(1)
    mixing = torch.randn(5, 5, generator=draw)
    data = torch.randn(4000, 5, generator=draw) @ mixing + 3.0
    covariance = torch.cov(data.T)
    penalty = UnlikelyLatents(data.mean(0), covariance, free=0.0, floor=1e-6)
    distances = penalty.curve(data[:3960].reshape(2, 33, 60, 5), ACTIONS)
    assert float(distances.mean()) == pytest.approx(1.0, abs=0.03)
    point = data.mean(0) + torch.tensor([1.0, -2.0, 0.5, 0.0, 1.0])
    off = (point - data.mean(0)).double()
    expected = float(off @ torch.linalg.inv(covariance.double()) @ off) / 5
    assert float(penalty.cost(point.expand(1, 1, 4, 5), ACTIONS)) == pytest.approx(expected, rel=1e-3)
    tolerant = UnlikelyLatents(data.mean(0), covariance, free=expected + 0.1)
    assert not tolerant.cost(point.expand(1, 1, 4, 5), ACTIONS).any()
    trajectory = torch.randn(4, 9, 6, 5, generator=draw)
    together = penalty.cost(trajectory, ACTIONS)
    assert all(torch.equal(penalty.cost(trajectory[b : b + 1], ACTIONS)[0], together[b]) for b in range(4))


def test_a_value_at_the_end_of_the_horizon():
    learned = torch.nn.Sequential(torch.nn.Linear(10, 16), torch.nn.Tanh(), torch.nn.Linear(16, 1)).requires_grad_(
        False
    )

    def steps(latents, goal):
        assert latents.shape == goal.shape == (3, 5)
        return learned(torch.cat((latents, goal), dim=1))[:, 0]

    total = WeightedSum([(1.0, LatentDistance(GOAL)), (0.5, TerminalValue(steps, GOAL))])
    together = total.cost(TRAJECTORY, ACTIONS)
    last = torch.cat((TRAJECTORY[:, :, -1], GOAL[:, None].expand(2, 3, 5)), dim=-1)
    assert torch.allclose(together, torch.as_tensor(DISTANCES[..., -1]) + 0.5 * learned(last)[..., 0], rtol=1e-4)
    alone = TerminalValue(steps, GOAL[1:]).cost(TRAJECTORY[1:], ACTIONS[1:])
    assert torch.equal(alone[0], TerminalValue(steps, GOAL).cost(TRAJECTORY, ACTIONS)[1])
    assert torch.equal(TerminalValue(lambda z: z.sum(1)).cost(TRAJECTORY, ACTIONS)[0], TRAJECTORY[0, :, -1].sum(1))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: UnlikelyLatents(torch.zeros(5), torch.eye(4)), r"shapes \(D,\) and \(D, D\), got \(5,\) and \(4, 4\)"),
        (lambda: UnlikelyLatents(torch.zeros(2), -torch.eye(2)), "negative variance"),
        (lambda: UnlikelyLatents(torch.zeros(2), torch.tensor([[1.0, 1.0], [0.0, 1.0]])), "symmetric"),
        (lambda: UnlikelyLatents(torch.zeros(2), torch.eye(2), free=-1.0), "free must be at least 0"),
        (lambda: UnlikelyLatents(torch.zeros(2), torch.eye(2)).cost(TRAJECTORY, ACTIONS), r"expected \(B, K, H', 2\)"),
        (lambda: TerminalValue(lambda z: z).cost(TRAJECTORY, ACTIONS), "one number for each of the 3 candidates"),
        (lambda: TerminalValue(lambda z, g: z, GOAL[:1]).cost(TRAJECTORY, ACTIONS), "2 problems, the goal of 1"),
    ],
)
def test_what_does_not_fit_these_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
