"""What every planner shares: bounds, batches, seeds, warm start, bad costs, the deadline."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from forearm.planner import LatentDistance, Problem, make_planner
from forearm.planner.sampling.action_space import ActionSpace, shift
from tests.planner.toys import (
    NAMES,
    Commands,
    Integrator,
    Nearness,
    Scored,
    content,
    each_planner,
    problem,
    small,
    spread_of,
    streams,
)


@settings(max_examples=40, deadline=None)
@given(
    name=st.sampled_from(NAMES),
    bounds=st.lists(st.tuples(st.floats(-50, 50), st.floats(0, 20)), min_size=1, max_size=4),
    horizon=st.integers(1, 9),
    repeat=st.integers(1, 4),
    batch=st.integers(1, 3),
    std=st.floats(0.1, 5),
    seed=st.integers(0, 1000),
)
def test_commands_keep_the_bounds(name, bounds, horizon, repeat, batch, std, seed):
    low = torch.tensor([b[0] for b in bounds], dtype=torch.float32)
    high = low + torch.tensor([b[1] for b in bounds], dtype=torch.float32)
    seen = []

    class Watched:
        def rollout(self, state, actions):
            seen.append(actions.detach())
            return actions

    towards = torch.randn(batch, horizon, len(bounds), generator=torch.Generator().manual_seed(seed)) * 60
    task = problem(Nearness(towards), batch, dynamics=Watched(), low=low, high=high)
    planner = small(name, horizon=horizon, action_repeat=min(repeat, horizon), **spread_of(name, std))
    plans = planner.plan(task, streams(batch, seed))
    for actions in [
        *seen,
        *(torch.as_tensor(p.actions) for p in plans),
        *(torch.as_tensor(p.mean) for p in plans),
    ]:
        assert actions.shape[-2:] == (horizon, len(bounds))
        assert (actions >= low).all() and (actions <= high).all()
    for b, plan in enumerate(plans):
        held = plan.actions.reshape(horizon, -1)
        for h in range(horizon):
            assert (held[h] == held[h - h % planner.config.action_repeat]).all()
        assert plan.cost == pytest.approx(((plan.actions - towards[b].numpy()) ** 2).sum(), rel=1e-4)


@settings(max_examples=25, deadline=None)
@given(
    name=st.sampled_from(NAMES),
    batch=st.integers(2, 6),
    samples=st.integers(8, 70),
    horizon=st.integers(1, 11),
    dims=st.integers(1, 5),
    beta=st.sampled_from([0.0, 1.0, 2.0]),
    seed=st.integers(0, 100),
)
def test_a_batch_equals_singles_bit_for_bit(name, batch, samples, horizon, dims, beta, seed):
    draw = torch.Generator().manual_seed(seed)
    start = torch.randn(batch, dims, generator=draw)
    target = torch.randn(batch, horizon, dims, generator=draw)
    more = {"cma_es": {}, "random_shooting": {"distribution": "gaussian", "noise_beta": beta}}
    planner = small(name, samples=samples, horizon=horizon, iterations=4, **more.get(name, {"noise_beta": beta}))

    def plan(rows, previous=None):
        generators = [torch.Generator().manual_seed(seed + b) for b in rows]
        task = problem(Nearness(target[rows]), len(rows), dims, Integrator(), state=start[rows])
        return planner.plan(task, generators, previous)

    together = plan(list(range(batch)))
    again = plan(list(range(batch)), together)
    for b in range(batch):
        [alone] = plan([b])
        assert content(alone) == content(together[b])
        [alone_again] = plan([b], [alone])
        assert content(alone_again) == content(again[b])


@each_planner
def test_batch_exactness_survives_bad_costs_of_a_neighbour(name):
    target = torch.rand(3, 5, 2)

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
def test_same_seed_same_plan_and_another_seed_another(name):
    task = problem(Nearness(torch.rand(2, 5, 2)), 2)
    planner = small(name)
    first, second, other = (planner.plan(task, streams(2, seed)) for seed in (3, 3, 4))
    assert [content(p) for p in first] == [content(p) for p in second]
    assert first[0].seed == 3000 and first[1].seed == 3001
    assert not np.array_equal(first[0].actions, other[0].actions)
    torch.rand(10)  # the global stream does not matter
    assert content(planner.plan(task, streams(2, 3))[0]) == content(first[0])


@each_planner
def test_the_global_random_state_is_left_alone(name):
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    small(name).plan(problem(Nearness(torch.rand(1, 5, 2, generator=streams(1)[0]))), streams(1))
    assert torch.equal(torch.rand(3), expected)


@each_planner
@pytest.mark.parametrize("elapsed", [0, 1, 2, 5, 9])
def test_the_warm_start_is_the_previous_mean_shifted_in_time(name, elapsed):
    seen = []

    class Watched(Commands):
        def rollout(self, state, actions):
            seen.append(actions[:, 0].detach().clone())
            return actions

    task = problem(Nearness(torch.rand(1, 5, 2)), dynamics=Watched())
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
    task = problem(Nearness(torch.rand(3, 5, 2) * 2 - 1), 3)
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
