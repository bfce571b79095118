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


@st.composite
def parameterisations(draw: Any, horizon: int) -> dict[str, Any]:
    """Settings of how commands follow from search variables."""
    repeat = draw(st.integers(1, 3))
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


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(NAMES),
    bounds=st.lists(st.tuples(st.floats(-50, 50), st.floats(0, 20)), min_size=1, max_size=3),
    ways=parameterisations(7),
    std=st.floats(0.1, 5),
    tanh=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_every_command_is_within_bounds(name, bounds, ways, std, tanh, seed):
    low = torch.tensor([b[0] for b in bounds], dtype=torch.float32)
    high = low + torch.tensor([b[1] for b in bounds], dtype=torch.float32)
    seen = []

    class Watched:
        def rollout(self, state, actions):
            seen.append(actions.detach())
            return actions

    towards = torch.randn(2, 7, len(bounds), generator=torch.Generator().manual_seed(seed)) * 60
    task = problem(Nearness(towards), 2, dynamics=Watched(), low=low, high=high)
    more = {"bounds": "tanh"} if tanh and name == "gradient" else {}
    planner = small(name, horizon=7, **ways, **spread_of(name, std), **more)
    plans = planner.plan(task, streams(2, seed))
    plans += planner.plan(task, streams(2, seed + 1), plans, 2)
    told = [torch.as_tensor(a) for p in plans for a in (p.actions, p.mean, *([] if p.elites is None else p.elites))]
    for actions in [*seen, *told]:
        assert actions.shape[-2:] == (7, len(bounds))
        assert (actions >= low).all() and (actions <= high).all()
    for b, plan in enumerate(plans):
        assert plan.cost == pytest.approx(((plan.actions - towards[b % 2].numpy()) ** 2).sum(), rel=1e-4)
        assert all(after <= before for before, after in pairwise(plan.cost_per_iteration))
        assert len(plan.cost_per_iteration) == plan.iterations
        if ways["execute"] == "mean":
            assert np.array_equal(plan.actions, plan.mean)
        else:
            assert plan.cost == plan.cost_per_iteration[-1]


@settings(max_examples=40, deadline=None)
@given(
    name=st.sampled_from(NAMES),
    batch=st.integers(2, 4),
    ways=parameterisations(6),
    dims=st.integers(1, 4),
    seed=st.integers(0, 100),
)
def test_a_batch_equals_singles_bit_for_bit_and_again(name, batch, ways, dims, seed):
    draw = torch.Generator().manual_seed(seed)
    start, target = torch.randn(batch, dims, generator=draw), torch.randn(batch, 6, dims, generator=draw)
    planner = small(name, horizon=6, iterations=5, **ways)

    def twice(rows):
        # One stream through both plans: a problem that converges early must not draw for the others.
        generators = [torch.Generator().manual_seed(seed + b) for b in rows]
        task = problem(Nearness(target[rows]), len(rows), dims, Integrator(), state=start[rows])
        first = planner.plan(task, generators)
        # Some problems had a plan before and some had none.
        return first, planner.plan(
            task, generators, [p if b % 2 == 0 else None for b, p in zip(rows, first, strict=True)], 2
        )

    together = twice(list(range(batch)))
    for b in range(batch):
        alone = twice([b])
        assert [content(plans[0]) for plans in alone] == [content(plans[b]) for plans in together]


@each_planner
def test_the_same_streams_give_the_same_plan_and_leave_the_global_ones_alone(name):
    np.random.seed(1)  # noqa: NPY002
    numbers, torch_numbers = np.random.get_state()[1].tolist(), torch.get_rng_state()  # noqa: NPY002
    planner = small(name, prior_share=0.2)
    task = problem(Nearness(torch.zeros(2, 5, 2) + 0.3), 2)
    assert [content(p) for p in planner.plan(task, streams(2))] == [content(p) for p in planner.plan(task, streams(2))]
    assert np.random.get_state()[1].tolist() == numbers  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), torch_numbers)


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
)
def test_bad_costs_never_win_and_never_crash(name, pattern, flat, share):
    added = torch.tensor(pattern)
    good = torch.isfinite(added)

    def function(actions):
        costs = actions.sum((2, 3)) * 0.0 + 1.0 if flat else actions.square().sum((2, 3)) - 3.0
        return costs + added

    logging.disable(logging.WARNING)
    try:
        planner = small(name, samples=24, prior_share=share)
        first = planner.plan(problem(Scored(function), 2), streams(2))
        plans = [*first, *planner.plan(problem(Scored(function), 2), streams(2), first)]
    finally:
        logging.disable(logging.NOTSET)
    for plan in plans:
        assert np.isfinite(plan.actions).all() and np.isfinite(plan.mean).all()
        assert np.isfinite(plan.cost) == bool(good.any())
        if good.any():
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
    draw = torch.Generator().manual_seed(100 + start)
    target = torch.rand(1, 1 if name == "random_shooting" else 4, 2, generator=draw) * 1.6 - 0.8
    target = target.expand(1, 4, 2)
    [plan] = make_planner(name, horizon=4, **BUDGETS[name]).plan(problem(Nearness(target)), streams(1, start))
    assert plan.cost < 0.01 * float(target.square().sum())


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
