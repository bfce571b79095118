"""What holds for every planner in every parameterisation."""

import logging
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from forearm.planner import PreviousPlan, make_planner
from forearm.planner.sampling.action_space import ActionSpace
from tests.planner.toys import (
    NAMES,
    SAMPLERS,
    Commands,
    Nearness,
    Scored,
    content,
    each_planner,
    problem,
    rand,
    randn,
    small,
    spread_of,
    streams,
)


@st.composite
def parameterisations(draw: Any, horizon: int) -> dict[str, Any]:
    """Settings of how commands follow from search variables."""
    repeat = draw(st.integers(1, min(3, horizon)))
    slots = -(-horizon // repeat)
    numbers = st.one_of(st.none(), st.integers(1, slots))
    times = st.sets(st.integers(0, 10 * (slots - 1) * repeat), min_size=1, max_size=6)
    seconds = times.map(lambda found: [0.01 * t for t in sorted(found)])
    return {
        "action_repeat": repeat,
        "knots": draw(st.one_of(numbers, seconds)),
        "interpolation": draw(st.sampled_from(["zero", "linear", "cubic"])),
        "tolerance": draw(st.sampled_from([None, 0.1])),
        "spread_tolerance": draw(st.sampled_from([0.1, 10.0])),
        "prior_share": draw(st.sampled_from([0.0, 0.3])),
        "execute": draw(st.sampled_from(["best", "mean"])),
    }


@settings(max_examples=90, deadline=None)
@given(
    data=st.data(),
    name=st.sampled_from(NAMES),
    bounds=st.lists(st.tuples(st.floats(-50, 50), st.floats(0, 20)), min_size=1, max_size=4),
    horizon=st.integers(1, 9),
    batch=st.integers(1, 3),
    std=st.floats(0.1, 5),
    tanh=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_every_command_is_within_bounds(data, name, bounds, horizon, batch, std, tanh, seed):
    ways = data.draw(parameterisations(horizon))
    low = torch.tensor([b[0] for b in bounds], dtype=torch.float32)
    high = low + torch.tensor([b[1] for b in bounds], dtype=torch.float32)
    seen = []

    class Watched:
        def rollout(self, state, actions):
            seen.append(actions.detach())
            return actions

    towards = randn(batch, horizon, len(bounds), seed=seed) * 60
    task = problem(Nearness(towards), batch, dynamics=Watched(), low=low, high=high)
    more = {"bounds": "tanh"} if tanh and name == "gradient" else {}
    planner = small(name, horizon=horizon, **ways, **spread_of(name, std), **more)
    plans = planner.plan(task, streams(batch, seed))
    plans += planner.plan(task, streams(batch, seed + 1), plans, 2)
    told = [torch.as_tensor(a) for p in plans for a in (p.actions, p.mean, *([] if p.elites is None else p.elites))]
    for actions in [*seen, *told]:
        assert actions.shape[-2:] == (horizon, len(bounds))
        assert (actions >= low).all() and (actions <= high).all()
    for b, plan in enumerate(plans):
        assert plan.cost == pytest.approx(((plan.actions - towards[b % batch].numpy()) ** 2).sum(), rel=1e-4)
        assert all(after <= before for before, after in pairwise(plan.cost_per_iteration))
        assert len(plan.cost_per_iteration) == plan.iterations
        held = np.arange(horizon) // ways["action_repeat"] * ways["action_repeat"]
        assert np.array_equal(plan.actions, plan.actions[held])
        if ways["execute"] == "mean":
            assert np.array_equal(plan.actions, plan.mean)
        else:
            assert plan.cost == plan.cost_per_iteration[-1]


@each_planner
def test_a_plan_depends_on_its_streams_alone_and_takes_from_no_other(name):
    np.random.seed(1)  # noqa: NPY002
    numbers, torch_numbers = np.random.get_state()[1].tolist(), torch.get_rng_state()  # noqa: NPY002
    planner = small(name, prior_share=0.2)
    task = problem(Nearness(rand(2, 5, 2)), 2)
    first, other = (planner.plan(task, streams(2, seed)) for seed in (3, 4))
    assert np.random.get_state()[1].tolist() == numbers  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), torch_numbers)
    assert [plan.seed for plan in first] == [3000, 3001]
    assert not np.array_equal(first[0].actions, other[0].actions)
    torch.manual_seed(7)
    np.random.seed(7)  # noqa: NPY002
    assert [content(p) for p in planner.plan(task, streams(2, 3))] == [content(p) for p in first]


@each_planner
@pytest.mark.parametrize("ways", [{"knots": 4, "interpolation": "linear"}, {"knots": [0.0, 0.2, 0.5, 0.9]}])
def test_a_curve_is_shifted_in_time(name, ways):
    """The curve through the knots of the shifted plan is nearer to what is left of the plan than the plan itself."""
    target = torch.linspace(-0.8, 0.8, 10)[None, :, None].expand(1, 10, 2)
    seen = []
    task = problem(Scored(lambda a: (seen.append(a[0, 0].detach().clone()), Nearness(target).cost(a, a))[1]))
    planner = small(name, horizon=10, samples=64, **ways)
    [previous] = planner.plan(task, streams(1))
    seen.clear()
    planner.plan(task, streams(1, 1), [previous], 3)
    left = previous.mean[3:]
    shifted, still = (np.abs(first[: len(left)] - left).mean() for first in (seen[0].numpy(), previous.mean))
    assert shifted < 0.7 * still


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(NAMES),
    pattern=st.lists(st.sampled_from([0.0, float("nan"), float("inf"), float("-inf")]), min_size=24, max_size=24),
    flat=st.booleans(),
    share=st.sampled_from([0.0, 0.4]),
    as_numpy=st.booleans(),
)
def test_bad_costs_never_win_and_never_crash(name, pattern, flat, share, as_numpy):
    added = torch.tensor(pattern)
    good = torch.isfinite(added)
    offered = []

    def function(actions):
        offered.append(actions.detach()[:, good].double().numpy())
        costs = actions.sum((2, 3)) * 0.0 + 1.0 if flat else actions.square().sum((2, 3)) - 3.0
        return (costs + added).numpy() if as_numpy and name in SAMPLERS else costs + added

    logging.disable(logging.WARNING)
    try:
        planner = small(name, samples=24, prior_share=share)
        first = planner.plan(problem(Scored(function), 2), streams(2))
        plans = [*first, *planner.plan(problem(Scored(function), 2), streams(2), first)]
    finally:
        logging.disable(logging.NOTSET)
    for i, plan in enumerate(plans):
        assert np.isfinite(plan.actions).all() and np.isfinite(plan.mean).all()
        assert np.isfinite(plan.cost) == bool(good.any())
        if not good.any():
            assert plan.cost == float("inf") and plan.to_dict()["cost"] is None
            assert not plan.actions.any() and not plan.mean.any()
        else:
            candidates = np.concatenate([a[i % 2] for a in offered])
            assert (candidates == plan.actions).all(axis=(1, 2)).any()
            assert plan.cost == pytest.approx(1.0 if flat else (plan.actions**2).sum() - 3.0, rel=1e-4, abs=1e-6)


@each_planner
def test_no_range_and_no_spread(name):
    task = problem(Nearness(torch.zeros(1, 5, 2)), low=torch.tensor([1.0, -1.0]), high=torch.tensor([1.0, 1.0]))
    least = {"min_std": 0.0} if name in ("cem", "icem", "mppi", "dial") else {}
    without = {} if name == "random_shooting" else spread_of(name, 0.0) | least
    for more in ({}, without, {"knots": 3, "interpolation": "cubic"}, {"prior_share": 1.0} if name != "cma_es" else {}):
        [plan] = small(name, **more).plan(task, streams(1))
        assert np.isfinite(plan.mean).all() and (plan.actions[:, 0] == 1.0).all()


@settings(max_examples=40, deadline=None)
@given(name=st.sampled_from(NAMES), still=st.floats(-1e4, 1e4, width=32), ways=parameterisations(6), tanh=st.booleans())
def test_a_command_that_never_moves_is_sent_to_the_bit(name, still, ways, tanh):
    low, high = torch.tensor([0.2, still, -1.0]), torch.tensor([0.6, still, 1.0])
    task = problem(Nearness(torch.zeros(2, 6, 3)), batch=2, low=low, high=high, dynamics=Commands())
    if name == "cma_es":
        ways = ways | {"prior_share": 0.0}
    planner = small(name, horizon=6, **ways, **({"bounds": "tanh"} if name == "gradient" and tanh else {}))
    plans = planner.plan(task, streams(2))
    for plan in [*plans, *planner.plan(task, streams(2, 1), plans)]:
        sent = [plan.actions, plan.mean] + ([] if plan.elites is None else [plan.elites])
        assert all((commands[..., 1] == low[1].item()).all() for commands in sent)


def test_what_rounding_leaves_of_a_command_without_a_range_is_no_spread():
    space = ActionSpace(torch.tensor([0.1, -1.0]), torch.tensor([0.1, 1.0]), 3, 1, 1)
    std = torch.tensor([1e-8, 0.05]).expand(1, 3, 2)
    assert space.relative_spread(std).tolist() == [pytest.approx(0.05)]


# Model evaluations within which each planner comes within 1 % of the optimum of a quadratic with 8 variables,
# measured on the cost of the proposal.
BUDGETS: dict[str, dict[str, Any]] = {
    "cem": {"samples": 128, "iterations": 16, "noise_beta": 0.0, "min_std": 0.01},
    "icem": {"samples": 128, "iterations": 16, "noise_beta": 0.0, "min_std": 0.01},
    "mppi": {"samples": 128, "iterations": 16, "noise_beta": 0.0, "min_std": 0.01},
    "predictive_sampling": {"samples": 128, "iterations": 32, "std": 0.1, "noise_beta": 0.0},
    "dial": {"samples": 128, "iterations": 16, "beta_iterations": 0.4, "noise_beta": 0.0},
    "gauss_newton": {"samples": 16, "iterations": 12},
    "gradient": {"samples": 4, "iterations": 32},
    "cma_es": {"samples": 32, "iterations": 40},
    "random_shooting": {"samples": 16384, "iterations": 8, "knots": 1},
}


@each_planner
@pytest.mark.parametrize("start", [0, 1, 2])
def test_a_quadratic_is_solved_within_the_budget(name, start):
    target = rand(1, 1 if name == "random_shooting" else 4, 2, seed=100 + start) * 1.6 - 0.8
    target = target.expand(1, 4, 2)
    [plan] = make_planner(name, horizon=4, **BUDGETS[name]).plan(problem(Nearness(target)), streams(1, start))
    assert plan.cost < 0.01 * float(target.square().sum())


@pytest.mark.parametrize(("name", "more"), [("cem", {"elites": 30}), ("mppi", {"temperature": 0.4})])
def test_so_are_eight_with_twenty_variables_and_their_means_are_there(name, more):
    target = rand(8, 5, 4) * 1.6 - 0.8
    planner = make_planner(name, horizon=5, samples=300, iterations=20, noise_beta=0.0, min_std=0.005, **more)
    for b, plan in enumerate(planner.plan(problem(Nearness(target), 8, dims=4), streams(8))):
        limit = 0.01 * float(target[b].square().sum())
        assert plan.cost < limit and ((plan.mean - target[b].numpy()) ** 2).sum() < limit


@pytest.mark.parametrize("name", [name for name in NAMES if name != "gradient"])
def test_polish_only_improves_and_is_counted(name):
    target = torch.rand(2, 5, 2, generator=streams(1, 7)[0]) * 1.6 - 0.8
    task = problem(Nearness(target), 2)
    plain = small(name).plan(task, streams(2))
    polished = small(name, polish=12).plan(task, streams(2))
    for before, after in zip(plain, polished, strict=True):
        assert after.cost < 0.5 * before.cost or after.cost < 1e-3
        assert after.model_evals == before.model_evals + 2 * 13 and after.iterations == before.iterations + 13
        assert after.cost_per_iteration[: before.iterations] == before.cost_per_iteration
        assert after.planner == name and after.config["polish"] == 12
        assert all(b <= a for a, b in pairwise(after.cost_per_iteration))


@pytest.mark.parametrize("name", ["cem", "icem", "mppi", "cma_es", "gradient"])
def test_a_search_that_has_converged_stops(name):
    least = {"min_std": 0.005} if name in ("cem", "icem", "mppi") else {}
    target = torch.tensor([0.3, -0.2]).expand(2, 3, 2).clone()
    target[1] *= 3.0
    planner = small(name, horizon=3, samples=64, iterations=200, tolerance=1e-3, spread_tolerance=0.02, **least)
    plans = planner.plan(problem(Nearness(target), 2), streams(2))
    for b, plan in enumerate(plans):
        assert plan.stopped == "converged" and plan.iterations < 200
        assert plan.cost < 0.02 * float(target[b].square().sum())
        assert len(plan.cost_per_iteration) == plan.iterations
    assert plans[0].iterations != plans[1].iterations or name == "gradient"


def test_a_search_without_a_finite_cost_does_not_converge():
    [plan] = small("cem", tolerance=0.5, spread_tolerance=10.0).plan(
        problem(Scored(lambda a: a.sum((2, 3)) * torch.nan)), streams(1)
    )
    assert plan.stopped == "iterations" and plan.cost == float("inf")


def test_proposals_have_their_share_and_the_previous_plan_is_one():
    seen = []
    task = problem(Scored(lambda a: (seen.append(a.clone()), Nearness(torch.zeros(1, 5, 2) + 0.5).cost(a, a))[1]))

    class Corner:
        def sample(self, problem, space, past, noise, count):
            return torch.ones(space.batch, count, space.variables, space.dims)

    planner = small("cem", samples=21, prior_share=0.25, proposals=[Corner(), PreviousPlan(std=0.0)])
    [first] = planner.plan(task, streams(1))
    for candidates in seen:
        assert (candidates[0, 16:19] == 1.0).all() and not (candidates[0, 1:16] == 1.0).all(dim=(1, 2)).any()
    seen.clear()
    planner.plan(task, streams(1, 1), [first], 2)
    assert seen[0][0, 19:, :3].numpy() == pytest.approx(np.broadcast_to(first.actions[2:], (2, 3, 2)))
    assert not seen[0][0, 19:, 3:].any()

    class Wrong:
        def sample(self, problem, space, past, noise, count):
            return torch.ones(1, 2, 3)

    with pytest.raises(ValueError, match=r"Wrong.sample returned shape \(1, 2, 3\); expected \(B, count, V, A\)"):
        small("cem", prior_share=0.5, proposals=[Wrong()]).plan(task, streams(1))


def test_a_dimension_without_effect_does_not_hold_convergence_up():
    target = torch.tensor([0.5, -0.4])
    task = problem(Scored(lambda a: Nearness(target.expand(1, 3, 2)).cost(a[..., :2], a)), dims=4)
    [plan] = small("cem", horizon=3, samples=64, iterations=100, tolerance=0.01).plan(task, streams(1))
    assert plan.stopped == "converged" and plan.iterations < 40 and plan.cost < 0.05


def test_flat_costs_are_no_reason_to_stop():
    task = problem(Scored(lambda a: torch.zeros(a.shape[:2])))
    [plan] = small("cem", iterations=6, tolerance=0.1).plan(task, streams(1))
    assert plan.stopped == "iterations"
