"""What every planner shares: batches with bad costs, warm start, candidate 0, what does not fit."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from forearm.planner import LatentDistance, Problem, make_planner
from forearm.planner.sampling.action_space import ActionSpace, shift
from tests.planner.toys import (
    Commands,
    Nearness,
    Scored,
    content,
    each_planner,
    problem,
    rand,
    small,
    streams,
)


@each_planner
def test_batch_exactness_survives_bad_costs_of_a_neighbour(name):
    target = rand(3, 5, 2)

    def cost(rows):
        def function(actions):
            costs = (actions - target[rows][:, None]).abs().amax(dim=(2, 3))
            return torch.where((torch.tensor(rows) == 1)[:, None], torch.nan, costs)

        return problem(Scored(function), len(rows))

    planner = small(name)
    together = planner.plan(cost([0, 1, 2]), streams(3))
    for b in range(3):
        [alone] = planner.plan(cost([b]), streams(3)[b : b + 1])
        assert content(alone) == content(together[b])


@each_planner
@pytest.mark.parametrize("elapsed", [0, 1, 2, 5, 9])
def test_the_warm_start_is_the_previous_mean_shifted_in_time(name, elapsed):
    seen = []

    class Watched(Commands):
        def rollout(self, state, actions):
            seen.append(actions[:, 0].detach().clone())
            return actions

    task = problem(Nearness(rand(1, 5, 2)), dynamics=Watched())
    planner = small(name)
    previous = planner.plan(task, streams(1))
    seen.clear()
    planner.plan(task, streams(1, 1), previous, elapsed)
    expected = np.zeros((5, 2))
    expected[: max(5 - elapsed, 0)] = previous[0].mean[elapsed:]
    assert np.array_equal(seen[0][0].numpy(), expected)
    assert np.abs(expected[:1]).sum() > 0 or elapsed >= 5


def test_without_warm_start_and_without_a_previous_plan_the_middle_is_proposed():
    seen = []
    task = problem(
        Scored(lambda a: (seen.append(a[:, 0].clone()), a.square().sum((2, 3)))[1]),
        batch=2,
        low=torch.tensor([0.0, -1.0]),
        high=torch.tensor([4.0, 3.0]),
    )
    middle = torch.tensor([2.0, 1.0]).expand(5, 2)
    plans = small("cem").plan(task, streams(2))
    assert torch.equal(seen[0][0], middle)
    seen.clear()
    small("cem", warm_start=False).plan(task, streams(2), plans)
    assert torch.equal(seen[0][1], middle)
    seen.clear()
    small("cem").plan(task, streams(2), [plans[0], None])
    assert torch.equal(seen[0][1], middle) and not torch.equal(seen[0][0], middle)


def test_shift_and_repeat_meet_on_the_control_steps():
    commands = np.arange(6.0)[:, None]
    assert shift(commands, 2, 6, np.array([9.0]))[:, 0].tolist() == [2, 3, 4, 5, 9, 9]
    assert shift(commands, 0, 3, np.array([9.0]))[:, 0].tolist() == [0, 1, 2]
    space = ActionSpace(torch.tensor([-10.0]), torch.tensor([10.0]), horizon=5, repeat=2, batch=1)
    assert space.variables == 3
    variables = space.from_commands(commands[:5])
    assert variables[:, 0].tolist() == [0.5, 2.5, 4.0]
    assert space.commands(variables)[:, 0].tolist() == [0.5, 0.5, 2.5, 2.5, 4.0]


@each_planner
def test_candidate_zero_is_the_mean_and_the_best_so_far_never_rises(name):
    task = problem(Nearness(rand(3, 5, 2) * 2 - 1), 3)
    for plan in small(name, iterations=8).plan(task, streams(3)):
        costs = plan.cost_per_iteration
        assert len(costs) == plan.iterations == 8 and plan.model_evals == 8 * 16
        assert all(b <= a for a, b in pairwise(costs))
        assert plan.cost == costs[-1] and plan.stopped == "iterations"


@each_planner
def test_a_plan_is_never_worse_than_its_proposal(name):
    target = torch.zeros(1, 5, 2)
    [plan] = small(name, iterations=1).plan(problem(Nearness(target)), streams(1))
    assert plan.cost == 0.0 and not plan.actions.any()


def test_a_latent_model_in_ten_lines():
    class Model:
        def rollout(self, state, actions):
            return state[:, None, None] + actions.cumsum(dim=2)

    goal = torch.tensor([[1.0, -1.0], [0.5, 0.5]])
    task = problem(LatentDistance(goal), 2, dynamics=Model(), state=torch.zeros(2, 2))
    for plan, wanted in zip(make_planner("cem").plan(task, streams(2)), goal, strict=True):
        assert plan.actions.sum(axis=0) == pytest.approx(wanted.numpy(), abs=0.15)


def test_what_does_not_fit_is_named():
    task = problem(Nearness(torch.zeros(2, 5, 2)), 2)
    planner = small("cem")
    with pytest.raises(ValueError, match="1 generators for 2 problems"):
        planner.plan(task, streams(1))
    plans = planner.plan(task, streams(2))
    with pytest.raises(ValueError, match="1 previous plans for 2 problems"):
        planner.plan(task, streams(2), plans[:1])
    with pytest.raises(ValueError, match="elapsed_steps must be at least 0, got -1"):
        planner.plan(task, streams(2), plans, -1)
    with pytest.raises(ValueError, match="encode_ms must be at least 0"):
        planner.plan(task, streams(2), encode_ms=-1.0)
    three = problem(Nearness(torch.zeros(2, 5, 3)), 2, dims=3)
    with pytest.raises(ValueError, match="previous plan 0 has 2 action dimensions, the problem 3"):
        planner.plan(three, streams(2), plans)
    with pytest.raises(ValueError, match=r"objective.cost returned shape \(2,\); expected \(B, K\) = \(2, 16\)"):
        planner.plan(problem(Scored(lambda a: a.sum((1, 2, 3))), 2), streams(2))
    with pytest.raises(ValueError, match="initial_std has 3 numbers but an action has 2 dimensions"):
        small("cem", initial_std=[1, 1, 1]).plan(task, streams(2))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"low": torch.tensor([2.0, 0.0])}, "low must not be greater than high"),
        ({"low": torch.tensor([-np.inf, 0.0])}, "low and high must be finite"),
        ({"low": torch.tensor([0.0])}, r"must both have shape \(A,\), got \(1,\) and \(2,\)"),
        ({"batch": 0}, "batch must be at least 1"),
        ({"batch": True}, "batch must be an integer"),
        ({"control_period": 0.0}, "control_period must be greater than 0"),
        ({"control_period": float("nan")}, "control_period must be a finite number"),
    ],
)
def test_a_problem_checks_itself(change, message):
    sound = {"low": [-1, -1], "high": [1.0, 1.0], "batch": 1, "control_period": 0.1}
    assert Problem(Commands(), Nearness(torch.zeros(1)), None, **sound).low.dtype == torch.float32
    with pytest.raises(ValueError, match=message):
        Problem(Commands(), Nearness(torch.zeros(1)), None, **(sound | change))
