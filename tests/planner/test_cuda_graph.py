"""Rollouts recorded once and replayed: the bookkeeping anywhere, the recording itself where there is a GPU."""

from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from torch import Generator, Tensor

from forearm.planner import LatentDistance, Plan, Problem, captured, make_planner
from forearm.planner.cuda_graph import Captured, _Recording
from forearm.planner.pytree import all_tensors
from tests.planner.toys import NAMES, Integrator, rand

HORIZON, DIMS = 6, 2
on_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@dataclass(frozen=True)
class Place:
    at: Tensor


class Moving:
    """An integrator with a state of its own type, which counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def rollout(self, state: Place, actions: Tensor) -> Tensor:
        self.asked += 1
        return Integrator().rollout(state.at, actions)


class Remembered:
    """In place of a graph: does again what was recorded, from and to the same memory."""

    def __init__(self, record: "ByHand") -> None:
        self.record = record
        self.made: Any = None

    def replay(self) -> None:
        trajectory, costs = self.record._evaluate(self.made.state, self.made.actions)
        self.made.trajectory.copy_(trajectory)
        self.made.costs.copy_(costs)


class ByHand(Captured):
    """Records on a CPU."""

    def __init__(self, dynamics: Any, objective: Any) -> None:
        super().__init__(dynamics, objective)
        self.recorded: list[tuple[int, ...]] = []

    def _can_record(self, state: Any, actions: Tensor) -> bool:
        return not torch.is_grad_enabled() and all_tensors(state)

    def _record(self, state: Any, actions: Tensor) -> _Recording:
        self.recorded.append(tuple(actions.shape))
        graph = Remembered(self)
        here, commands = Place(state.at.clone()), actions.clone()
        graph.made = _Recording(graph, here, commands, *self._evaluate(here, commands))
        return graph.made


def problem(weights: str = "exp", device: str = "cpu") -> Problem:
    goal, start = torch.tensor([[0.6, -0.4]]), torch.zeros(1, DIMS)
    low, high = torch.full((DIMS,), -1.0), torch.ones(DIMS)
    objective = LatentDistance(goal.to(device), weights)
    state = Place(start.to(device))
    return Problem(Moving(), objective, state, low.to(device), high.to(device), batch=1, control_period=0.1)


def plan(name: str, chosen: Problem, seed: int = 0, **settings: Any) -> Plan:
    planner = make_planner(name, horizon=HORIZON, samples=32, iterations=3, **settings)
    generator = Generator(device=chosen.low.device).manual_seed(seed)
    return planner.plan(chosen, [generator])[0]


@pytest.mark.parametrize("name", NAMES)
def test_without_a_gpu_nothing_changes(name: str) -> None:
    usual, same = plan(name, problem()), plan(name, captured(problem()))
    assert (usual.actions == same.actions).all()
    assert usual.cost_per_iteration == same.cost_per_iteration
    assert usual.predicted_cost_curve is not None
    assert (usual.predicted_cost_curve == same.predicted_cost_curve).all()


def test_a_shape_that_comes_again_is_recorded_and_replayed_with_the_state_of_the_moment() -> None:
    chosen = problem()
    both = ByHand(chosen.dynamics, chosen.objective)
    fast = replace(chosen, dynamics=both, objective=both)
    plan("cem", fast)
    assert both.recorded == [(1, 32, HORIZON, DIMS)]
    elsewhere = Place(torch.tensor([[0.5, 0.5]]))
    for seed in (1, 2):
        usual = plan("cem", replace(problem(), state=elsewhere), seed)
        same = plan("cem", replace(fast, state=elsewhere), seed)
        assert (usual.actions == same.actions).all()
        assert usual.cost_per_iteration == same.cost_per_iteration
        assert (usual.predicted_cost_curve == same.predicted_cost_curve).all()  # type: ignore[union-attr]
    assert both.recorded == [(1, 32, HORIZON, DIMS)]


def test_what_a_sampler_recorded_does_not_stop_a_descent() -> None:
    chosen = problem()
    both = ByHand(chosen.dynamics, chosen.objective)
    fast = replace(chosen, dynamics=both, objective=both)
    for _ in range(2):
        for name in ("cem", "gradient"):
            assert (plan(name, fast).actions == plan(name, chosen).actions).all()
    assert both.recorded


def test_costs_are_those_of_the_trajectory_they_are_asked_for() -> None:
    chosen = problem()
    both = ByHand(chosen.dynamics, chosen.objective)
    actions = rand(1, 4, HORIZON, DIMS) - 0.5
    with torch.inference_mode():
        for _ in range(3):
            trajectory = both.rollout(chosen.state, actions)
        assert both.recorded
        assert torch.equal(both.cost(trajectory, actions), chosen.objective.cost(trajectory, actions))
        other = trajectory + 1.0
        assert torch.equal(both.cost(other, actions), chosen.objective.cost(other, actions))


def test_a_state_with_more_than_tensors_is_not_recorded() -> None:
    assert all_tensors({"a": (torch.zeros(1), None), "b": Place(torch.zeros(1))})
    assert not all_tensors({"a": torch.zeros(1), "step": 3})


def test_only_what_the_objective_has_is_offered() -> None:
    class Plain:
        def cost(self, trajectory: Tensor, actions: Tensor) -> Tensor:
            return trajectory.square().flatten(2).sum(-1)

    both = captured(replace(problem(), objective=Plain())).objective
    assert not hasattr(both, "curve")
    assert not hasattr(both, "residuals")
    assert captured(both_problem := captured(problem())) is both_problem


def test_polish_still_gets_its_gradients() -> None:
    usual, same = plan("cem", problem(), polish=3), plan("cem", captured(problem()), polish=3)
    assert (usual.actions == same.actions).all()


@on_gpu
@pytest.mark.parametrize("name", [name for name in NAMES if name != "cma_es"])
@pytest.mark.parametrize("weights", ["last", "exp"])
def test_on_a_gpu_a_replayed_plan_is_the_usual_one(name: str, weights: str) -> None:
    usual, fast = problem(weights, "cuda"), captured(problem(weights, "cuda"))
    for seed in range(3):  # usual, recorded, replayed
        state = Place(torch.full((1, DIMS), 0.1 * seed, device="cuda"))
        a, b = plan(name, replace(usual, state=state), seed), plan(name, replace(fast, state=state), seed)
        assert torch.allclose(torch.from_numpy(a.actions), torch.from_numpy(b.actions), atol=1e-6)
        assert a.cost == pytest.approx(b.cost, rel=1e-5)


@on_gpu
def test_on_a_gpu_replays_do_not_ask_the_model() -> None:
    fast = captured(problem(device="cuda"))
    plan("mppi", fast)
    plan("mppi", fast)
    before = fast.dynamics.dynamics.asked  # type: ignore[attr-defined]
    plan("mppi", fast)
    assert fast.dynamics.dynamics.asked == before  # type: ignore[attr-defined]
