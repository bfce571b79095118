"""Gauss-Newton: residuals add up to costs, linear problems are solved at once, bounds hold, gradients are not asked."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from forearm.planner import ActionCost, LatentDistance, UnlikelyLatents, WeightedSum, check_objective, make_planner
from forearm.planner.algorithms.gauss_newton import bounded_minima, roots, smooth_directions
from tests.planner.toys import problem, randn, streams


class Mixed:
    """Positions (B, K, H, D) as a fixed mixture of all commands; keeps no gradient."""

    def __init__(self, horizon: int, dims: int, size: int, bend: float = 0.0, seed: int = 0) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.mixture = torch.randn(horizon * dims, horizon * size, generator=generator)
        self.size, self.bend = size, bend

    def rollout(self, state: Any, actions: Tensor) -> Tensor:
        values = torch.stack([row @ self.mixture for row in actions.detach().flatten(2)])
        return (values + self.bend * torch.sin(values)).unflatten(2, (actions.shape[2], self.size))


weightings = st.one_of(st.sampled_from(["last", "sum", "exp"]), st.just((0.5, 0.0, 1.0, 2.0)))


@settings(deadline=None)
@given(weights=weightings, metric=st.booleans(), seed=st.integers(0, 100))
def test_squares_of_residuals_add_up_to_the_cost(weights, metric, seed):
    generator = torch.Generator().manual_seed(seed)
    trajectory, actions = (torch.randn(2, 5, 4, d, generator=generator) for d in (6, 3))
    goal = torch.randn(2, 6, generator=generator)
    mapped = torch.randn(6, 6, generator=generator) if metric else None
    distance = LatentDistance(goal, weights, metric=mapped)
    effort = ActionCost(0.3, 0.2, last=torch.randn(2, 3, generator=generator))
    rare = UnlikelyLatents(torch.zeros(6), torch.eye(6), free=0.5)  # has no residuals of its own
    for objective in (distance, effort, ActionCost(), WeightedSum([(0.5, distance), (2.0, effort), (1.0, rare)])):
        residuals = objective.residuals(trajectory, actions)
        cost = objective.cost(trajectory, actions)
        torch.testing.assert_close(residuals.square().sum(dim=2), cost, rtol=1e-5, atol=1e-6)
        assert check_objective(objective, trajectory, actions) == []


def test_a_sum_that_is_no_sum_of_squares_says_so():
    distance = LatentDistance(torch.zeros(1, 3))
    trajectory = torch.ones(1, 2, 4, 3)
    assert WeightedSum([(1.0, distance), (-1.0, distance)]).residuals(trajectory, trajectory) is None

    class Reward:
        def cost(self, trajectory: Tensor, actions: Tensor) -> Tensor:
            return -trajectory.square().sum((2, 3))

    assert WeightedSum([(1.0, distance), (1.0, Reward())]).residuals(trajectory, trajectory) is None
    [plan] = make_planner("gauss_newton", horizon=4, iterations=8, samples=32).plan(
        problem(WeightedSum([(1.0, Reward())]), dims=3), streams(1)
    )
    assert plan.cost < -8.0  # of -12, all commands at a bound


def test_residuals_that_are_not_those_of_the_cost_are_found():
    class Wrong(LatentDistance):
        def residuals(self, trajectory: Any, actions: Tensor) -> Tensor:
            return 2.0 * super().residuals(trajectory, actions)

    trajectory = randn(1, 5, 4, 3)
    [sentence] = check_objective(Wrong(torch.zeros(1, 3)), trajectory, trajectory)
    assert "residuals" in sentence and "add up" in sentence
    wrong = LatentDistance(torch.zeros(1, 2))
    wrong.residuals = lambda trajectory, actions: torch.zeros(3)  # type: ignore[method-assign]
    with pytest.raises(ValueError, match=r"residuals returned shape \(3,\); expected \(B, K, R\)"):
        make_planner("gauss_newton", horizon=3).plan(problem(wrong), streams(1))


def test_a_linear_problem_is_solved_at_once():
    model = Mixed(4, 2, 6)
    hidden = torch.rand(2, 1, 4, 2, generator=torch.Generator().manual_seed(1)) * 1.6 - 0.8
    goal = model.rollout(None, hidden)[:, 0, -1]
    task = problem(LatentDistance(goal), 2, dynamics=model)
    for plan in make_planner("gauss_newton", horizon=4, samples=16, iterations=3).plan(task, streams(2)):
        assert plan.cost < 1e-3 * plan.cost_per_iteration[0]


@settings(deadline=None)
@given(seed=st.integers(0, 50))
def test_it_needs_far_fewer_evaluations_than_sampling(seed):
    model = Mixed(5, 2, 12, bend=0.3, seed=seed)
    hidden = torch.rand(1, 1, 5, 2, generator=torch.Generator().manual_seed(seed)) * 1.2 - 0.6
    task = problem(LatentDistance(model.rollout(None, hidden)[:, 0, -1]), dynamics=model)
    [few] = make_planner("gauss_newton", horizon=5, samples=16, iterations=6).plan(task, streams(1, seed))
    [many] = make_planner("cem", horizon=5, samples=96, iterations=6, min_std=0.01).plan(task, streams(1, seed))
    assert few.model_evals * 6 == many.model_evals
    assert few.cost < many.cost


def test_fewer_directions_than_variables_give_a_smooth_step():
    target = torch.linspace(-0.5, 0.5, 12)[None, :, None].expand(1, 12, 2)

    class Tracking:
        def cost(self, trajectory: Tensor, actions: Tensor) -> Tensor:
            return self.residuals(trajectory, actions).square().sum(dim=2)

        def residuals(self, trajectory: Tensor, actions: Tensor) -> Tensor:
            return (actions - target[:, None]).flatten(2)

    [plan] = make_planner("gauss_newton", horizon=12, samples=9, directions=4, iterations=3).plan(
        problem(Tracking()), streams(1)
    )
    # Two cosines for each dimension explain nearly all of a line.
    assert plan.cost < 0.03 * float(target.square().sum())


@settings(deadline=None)
@given(size=st.integers(1, 6), seed=st.integers(0, 200))
def test_minima_within_bounds(size, seed):
    generator = torch.Generator().manual_seed(seed)
    root = torch.randn(1, size, size, generator=generator, dtype=torch.float64)
    curvature = root @ root.mT + torch.eye(size)
    slope = 3.0 * torch.randn(1, size, generator=generator, dtype=torch.float64)
    low, high = (sign * torch.rand(1, size, generator=generator, dtype=torch.float64) for sign in (-1.0, 1.0))
    x = bounded_minima(curvature[:, None], slope, low, high)[0, 0]
    assert ((low[0] <= x) & (x <= high[0])).all()

    def value(y: Tensor) -> float:
        return float(slope[0] @ y + 0.5 * y @ curvature[0] @ y)

    y, before = torch.zeros(size, dtype=torch.float64), None
    rate = 0.9 / float(torch.linalg.matrix_norm(curvature[0], 2))
    for _ in range(3000):  # projected gradient descent, slow and sure
        y, before = (y - rate * (slope[0] + curvature[0] @ y)).clamp(low[0], high[0]), y
        if torch.equal(y, before):
            break
    assert value(x) <= value(y) + 0.15 * abs(value(y)) + 1e-9


@pytest.mark.parametrize(("variables", "dims"), [(1, 1), (5, 2), (8, 3)])
def test_directions_span_everything_slowest_first(variables, dims):
    every = smooth_directions(variables * dims, variables, dims)[0]
    assert torch.linalg.matrix_rank(every.flatten(1)) == variables * dims
    changes = every.diff(dim=1).abs().sum((1, 2))
    assert (changes.diff() > -1e-5).all()
    assert every.abs().amax() <= 1.0


def test_roots_of_costs_keep_their_order_and_their_zero():
    costs = torch.tensor([[4.0, 0.0, 9.0], [-1.0, 3.0, 0.0]])
    found = roots(costs)[..., 0]
    assert found[0].tolist() == [2.0, 0.0, 3.0]
    assert (found[1].argsort() == costs[1].argsort()).all() and (found[1] > 0).all()


def test_settings_that_leave_no_room_are_named():
    with pytest.raises(ValueError, match="samples must be at least 6 for gauss_newton, got 5"):
        make_planner("gauss_newton", samples=5)
    with pytest.raises(ValueError, match="directions"):
        make_planner("gauss_newton", directions=0)
