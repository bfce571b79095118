"""Costs: bad ones never win, flat ones divide by nothing, any kind of number will do."""

import logging
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pytest
import torch

from tests.planner.toys import (
    Nearness,
    Scored,
    each_planner,
    each_sampler,
    problem,
    small,
    streams,
)


@each_planner
def test_bad_costs_are_reported_once_per_plan(name, caplog):
    def function(actions):
        bad = torch.zeros(2, 16)
        bad[0] = torch.nan
        bad[1, 3] = torch.inf
        return actions.square().sum((2, 3)) + bad

    with caplog.at_level(logging.WARNING):
        plans = small(name).plan(problem(Scored(function), 2), streams(2))
    ours = [record for record in caplog.records if record.name.startswith("forearm")]
    [record] = ours  # older libraries of a planner may have something to say as well
    assert f"{3 * 17} of {3 * 32} costs" in record.message and "1 of 2 problems" in record.message
    assert plans[0].cost == float("inf") and np.isfinite(plans[1].cost)
    caplog.clear()
    small(name).plan(problem(Nearness(torch.zeros(1, 5, 2))), streams(1))
    assert not [record for record in caplog.records if record.name.startswith("forearm")]


@each_sampler
@pytest.mark.parametrize("value", [0.0, -3.0, 1e30, 3e38, 1e-40])
def test_flat_costs_divide_by_nothing(name, value):
    for costs in (torch.full((1, 16), value), np.full((1, 16), value)):
        [plan] = small(name).plan(problem(Scored(lambda a, c=costs: c)), streams(1))
        assert np.isfinite(plan.mean).all() and plan.cost == pytest.approx(value)


@each_sampler
def test_huge_differences_do_not_overflow(name):
    costs = torch.linspace(-3e38, 3e38, 16)[None]
    [plan] = small(name).plan(problem(Scored(lambda a: costs)), streams(1))
    assert np.isfinite(plan.mean).all()


@each_planner
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_search_follows_the_dtype_of_the_bounds(name, dtype):
    kinds = set()

    def function(actions):
        kinds.add((actions.dtype, actions.requires_grad, torch.is_inference_mode_enabled()))
        return actions.square().sum((2, 3))

    small(name).plan(problem(Scored(function), low=-torch.ones(2, dtype=dtype), high=torch.ones(2)), streams(1))
    descends = name == "gradient"  # but for its last candidates, which no step follows
    assert kinds == {(dtype, gradients, not descends) for gradients in {descends, False}}


@each_sampler
@pytest.mark.parametrize("kind", ["read_only", "reversed", "integer", "half", "list", "double"])
def test_costs_may_be_any_numbers(name, kind):
    def function(actions):
        costs = actions.square().sum((2, 3)).numpy().astype(np.float64)
        if kind == "read_only":
            costs.setflags(write=False)
        return {
            "reversed": lambda: costs[:, ::-1],
            "integer": lambda: (costs * 100).astype(np.int32),
            "half": lambda: torch.as_tensor(costs).to(torch.bfloat16),
            "list": lambda: costs.tolist(),
        }.get(kind, lambda: costs)()

    types = set()
    watched = Scored(lambda a: (types.add(a.dtype), function(a))[1])
    plans = small(name).plan(problem(watched, 2), streams(2))
    assert all(np.isfinite(p.cost) for p in plans) and types == {torch.float32}


class BatchlessTrajectory:
    """A trajectory the planner knows nothing about."""


@dataclass(frozen=True)
class Track:
    position: torch.Tensor


class Step(NamedTuple):
    position: torch.Tensor
    array: np.ndarray


@pytest.mark.parametrize(
    "build", ["tensor", "numpy", "dict", "tuple", "dataclass", "named tuple", "constant", "unknown"]
)
def test_the_curve_is_that_of_the_best_candidate(build):
    class Dynamics:
        def rollout(self, state, actions):
            positions = actions.cumsum(dim=2)[:, :, ::2]
            return {
                "tensor": lambda: positions,
                "numpy": lambda: positions.numpy(),
                "dict": lambda: {"position": positions},
                "tuple": lambda: (positions, positions.numpy()),
                "dataclass": lambda: Track(positions),
                "named tuple": lambda: Step(positions, positions.numpy()),
                "constant": lambda: {"position": positions, "period": 0.1},
                "unknown": BatchlessTrajectory,
            }[build]()

    class Objective:
        def positions(self, trajectory):
            if build in ("dict", "constant"):
                return trajectory["position"]
            if build in ("dataclass", "named tuple"):
                assert isinstance(trajectory, Track) or isinstance(trajectory.array, np.ndarray)
                return trajectory.position
            if build == "tuple":
                assert isinstance(trajectory[1], np.ndarray)
                return trajectory[0]
            if build == "numpy":
                assert isinstance(trajectory, np.ndarray)
            return torch.as_tensor(trajectory)

        def cost(self, trajectory, actions):
            if build == "unknown":
                return actions.square().sum((2, 3))
            return self.curve(trajectory, actions)[..., -1]

        def curve(self, trajectory, actions):
            return (self.positions(trajectory) - 0.5).square().sum(-1)

    plans = small("cem").plan(problem(Objective(), 2, dynamics=Dynamics()), streams(2))
    for plan in plans:
        if build in ("constant", "unknown"):
            assert plan.predicted_cost_curve is None
        else:
            expected = ((plan.actions.cumsum(axis=0)[::2] - 0.5) ** 2).sum(-1)
            assert plan.predicted_cost_curve == pytest.approx(expected, rel=1e-4, abs=1e-6)
            assert plan.predicted_cost_curve[-1] == pytest.approx(plan.cost)
