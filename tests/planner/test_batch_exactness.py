"""A plan does not depend, to the bit, on the problems planned beside it: whatever the planner, settings and costs."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from forearm.planner import (
    ActionCost,
    LatentDistance,
    Prefix,
    TerminalValue,
    UnlikelyLatents,
    WeightedSum,
    make_planner,
)
from forearm.planner.sampling.apart import alone, by_problem, products
from tests.planner.test_properties import parameterisations
from tests.planner.toys import NAMES, content, problem, small

OWN: dict[str, dict[str, list[Any]]] = {
    "cem": {"elites": [2, 5], "noise_beta": [0.0, 2.0]},
    "icem": {"elites": [2, 5], "noise_beta": [0.0, 2.0]},
    "mppi": {"control_cost": [0.0, 0.5], "adapt_std": [True, False], "noise_beta": [0.0, 1.0]},
    "predictive_sampling": {"noise_beta": [0.0, 2.0]},
    "dial": {"beta_horizon": [0.5, 4.0], "noise_beta": [0.0, 2.0]},
    "cma_es": {"diagonal": [True, False]},
    "random_shooting": {"distribution": ["uniform", "gaussian"], "noise_beta": [0.0, 2.0]},
    "gauss_newton": {"directions": [2, 4, 9], "noise_beta": [0.0, 2.0]},
    "gradient": {"bounds": ["project", "tanh"], "halve_every": [None, 1], "noise_beta": [0.0, 2.0]},
}
"""Settings that a planner has to itself."""


class Apart:
    """A curved path from state (B, A), (B, K, H, A); each problem is rolled out by itself."""

    def rollout(self, state: Tensor, actions: Tensor) -> Tensor:
        moved = [functional.silu(alone(actions, b)).cumsum(dim=1) for b in range(len(actions))]
        return torch.stack([state[b] + 0.3 * way for b, way in enumerate(moved)])


def objective(kind: str, goal: Tensor, metric: Tensor, horizon: int) -> Any:
    """One of the costs in `planner`, on goals (B, A)."""
    if kind == "metric":
        return LatentDistance(goal, "exp", metric=metric)
    if kind == "prefix":
        return Prefix(LatentDistance(goal, "exp"), min(2, horizon))
    if kind not in ("all", "along"):
        return LatentDistance(goal, kind)
    size, counts = goal.shape[1], "last" if kind == "all" else "min"
    value = lambda latents, wanted: functional.softplus((latents - wanted).square().sum(dim=-1))  # noqa: E731
    far = TerminalValue(value, goal, counts)
    unlikely = UnlikelyLatents(torch.zeros(size), torch.eye(size) + 0.3, 0.1)
    return WeightedSum(
        [(1.0, LatentDistance(goal, "sum")), (0.3, ActionCost(0.5, 0.7, goal)), (0.2, unlikely), (0.1, far)]
    )


@st.composite
def searches(draw: Any, horizon: int) -> tuple[str, dict[str, Any]]:
    """Any planner with any of its settings."""
    name = draw(st.sampled_from(NAMES))
    ways = draw(parameterisations(horizon))
    own = {key: draw(st.sampled_from(values)) for key, values in OWN[name].items()}
    polish = {} if name == "gradient" else {"polish": draw(st.sampled_from([0, 2]))}
    return name, {**ways, **own, **polish, "samples": draw(st.integers(12, 40)), "iterations": draw(st.integers(3, 5))}


def test_every_planner_is_among_them():
    assert set(NAMES) == set(OWN)


@settings(max_examples=100, deadline=None)
@given(
    data=st.data(),
    batch=st.integers(2, 7),
    horizon=st.integers(1, 13),
    dims=st.integers(1, 5),
    kind=st.sampled_from(["last", "sum", "exp", "min", "metric", "prefix", "all", "along"]),
    dtype=st.sampled_from([torch.float32, torch.float64]),
    gaps=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_a_plan_is_the_same_alone_and_in_a_batch(data, batch, horizon, dims, kind, dtype, gaps, seed):
    name, chosen = data.draw(searches(horizon))
    draw = torch.Generator().manual_seed(seed)
    low, high = -0.1 - torch.rand(dims, generator=draw), 0.1 + torch.rand(dims, generator=draw)
    start, goal = (torch.randn(batch, dims, generator=draw) for _ in range(2))
    metric = torch.randn(dims, 1 + seed % 3, generator=draw)
    planner = small(name, horizon=horizon, **chosen)

    def twice(rows: list[int]) -> list[Any]:
        task = problem(
            objective(kind, goal[rows], metric, horizon), len(rows), dims, Apart(),
            state=start[rows].to(dtype), low=low.to(dtype), high=high.to(dtype),
        )  # fmt: skip
        # One stream through both plans: a problem that converges early must not draw for the others.
        generators = [torch.Generator().manual_seed(seed + b) for b in rows]
        first = planner.plan(task, generators)
        before = [None if gaps and b % 2 else plan for b, plan in zip(rows, first, strict=True)]
        return [first, planner.plan(task, generators, before, 2)]

    together = twice(list(range(batch)))
    for b in range(batch):
        assert [content(plans[0]) for plans in twice([b])] == [content(plans[b]) for plans in together]


def test_starts_between_bounds_of_a_tangent_do_not_see_each_other():
    """A hyperbolic tangent's inverse, of as many numbers as leave some behind the last whole vector."""
    goal = torch.linspace(-0.9, 0.8, 5)[:, None]
    planner = make_planner("gradient", horizon=5, samples=3, iterations=6, bounds="tanh")

    def plan(rows: list[int]) -> list[Any]:
        task = problem(LatentDistance(goal[rows], "exp"), len(rows), 1, Apart(), state=torch.zeros(len(rows), 1))
        return planner.plan(task, [torch.Generator().manual_seed(100 + b) for b in rows])

    together = plan([0, 1, 2, 3, 4])
    assert [content(plan([b])[0]) for b in range(5)] == [content(one) for one in together]


# Of torch 2.13.0 on processors with vectors (AVX2, AVX-512). The first may meet a whole batch. The others round the
# last elements of a tensor differently from the rest, so they only ever see one problem: `sampling.apart.by_problem`.
FREE_OF_PLACE = [
    "sin", "cos", "tan", "asin", "acos", "atan", "tanh", "asinh", "exp", "expm1", "log", "log1p", "sqrt",
    "reciprocal", "square", "abs", "erf", "relu", "hardtanh", "softsign", "leaky_relu", "logsigmoid",
]  # fmt: skip
BY_PLACE = [
    "atanh", "sinh", "cosh", "exp2", "sigmoid", "silu", "gelu", "softplus", "elu", "selu", "celu", "mish",
]  # fmt: skip


def function(name: str) -> Any:
    return getattr(torch, name, None) or getattr(functional, name)


def numbers(name: str, dtype: torch.dtype) -> Tensor:
    """4,000 numbers for which a function is defined."""
    draw = torch.Generator().manual_seed(1)
    values = 1.98 * torch.rand(4000, generator=draw, dtype=dtype) - 0.99
    return values.abs() + 1e-3 if name in ("log", "sqrt") else values


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", FREE_OF_PLACE)
def test_functions_that_may_meet_a_batch_round_the_same_everywhere(name, dtype):
    values = numbers(name, dtype)
    whole = function(name)(values)
    for begin, count in ((0, 1), (5, 3), (64, 7), (1000, 21), (3, 3997)):
        assert torch.equal(function(name)(values[begin : begin + count].clone()), whole[begin : begin + count])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", [*BY_PLACE, *FREE_OF_PLACE])
def test_every_function_rounds_the_same_problem_by_problem(name, dtype):
    values = numbers(name, dtype)[: 5 * 3 * 7].view(5, 3, 7)
    [together] = by_problem(lambda x: (function(name)(x),), values)
    for b in range(5):
        assert torch.equal(by_problem(lambda x: (function(name)(x),), values[b : b + 1])[0][0], together[b])


@settings(max_examples=100, deadline=None)
@given(
    rows=st.integers(1, 40),
    size=st.integers(1, 9),
    width=st.integers(1, 6),
    dtype=st.sampled_from([torch.float32, torch.float64]),
    seed=st.integers(0, 1000),
)
def test_products_do_not_depend_on_where_a_problem_lies_in_memory(rows, size, width, dtype, seed):
    draw = torch.Generator().manual_seed(seed)
    values = torch.randn(4, rows, size, generator=draw, dtype=dtype)
    matrix = torch.randn(size, width, generator=draw, dtype=dtype)
    together = products(values, matrix)
    for b in range(4):
        assert torch.equal(products(values[b : b + 1], matrix)[0], together[b])
    upstream = torch.randn(together.shape, generator=draw, dtype=dtype)

    def slope(rows: Tensor, weights: Tensor) -> Tensor:
        leaf = rows.clone().requires_grad_()
        return torch.autograd.grad((products(leaf, matrix) * weights).sum(), leaf)[0]

    of_all = slope(values, upstream)
    for b in range(4):
        assert torch.equal(slope(values[b : b + 1], upstream[b : b + 1])[0], of_all[b])
