"""Rollout and cost as one CUDA graph: on a GPU, a small model waits for its launches, not for its arithmetic.

    problem = captured(problem)                    # once
    planner.plan(problem, generators)              # captures on the way, as soon as a shape comes for the second time
    planner.plan(replace(problem, state=later), generators)   # and replays, whatever the state

A recursion over the horizon launches a kernel for every small step of every layer, each in some microseconds of the
processor's time, and a search does so again in every iteration. A graph is those launches, recorded once and repeated
by one call (Gray, "Getting Started with CUDA Graphs", NVIDIA 2019).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from forearm.planner.problem import Dynamics, Objective, Problem, as_tensor
from forearm.planner.pytree import all_tensors, tensors_in, tree_map

Shape = tuple[Any, ...]
WARM_UP = 3
"""Runs on a stream of their own before a capture, as torch asks for: libraries set themselves up in the first."""


@dataclass(frozen=True)
class _Recording:
    """A graph, where it reads and what it leaves."""

    graph: Any
    state: Any
    actions: Tensor
    trajectory: Any
    costs: Tensor


class Captured:
    """Dynamics and objective in one, for problems on one GPU that differ in their state alone.

    What it returns lies in the graph's own memory and is overwritten by the next rollout of the same shape, which the
    planners know. A shape that comes for the first time is computed as usual, and so is everything on a CPU, where
    gradients are wanted, and from a state that holds more than tensors.

    The model must not look at a number on the way (`.item()`, `if tensor`): no recording can repeat that, and torch
    raises an error.
    """

    def __init__(self, dynamics: Dynamics, objective: Objective) -> None:
        self.dynamics, self.objective = dynamics, objective
        self._recordings: dict[Shape, _Recording | None] = {}
        self._last: _Recording | None = None
        if (curve := getattr(objective, "curve", None)) is not None:
            self.curve: Callable[..., Any] = curve
        if (residuals := getattr(objective, "residuals", None)) is not None:
            self.residuals: Callable[..., Any] = residuals

    def rollout(self, state: Any, actions: Tensor) -> Any:
        """What the dynamics say of actions (B, K, H, A); their costs are computed with it."""
        self._last = None
        if not self._can_record(state, actions):
            return self.dynamics.rollout(state, actions)
        shape = _shape_of(state, actions)
        if shape not in self._recordings:
            self._recordings[shape] = None
            return self.dynamics.rollout(state, actions)
        found = self._recordings[shape]
        if found is None:
            found = self._recordings[shape] = self._record(state, actions)
        found.actions.copy_(actions)
        for (_, place), (_, value) in zip(tensors_in(found.state), tensors_in(state), strict=True):
            place.copy_(value)
        found.graph.replay()
        self._last = found
        return found.trajectory

    def cost(self, trajectory: Any, actions: Tensor) -> Any:
        """Costs (B, K): those of the last rollout, if it is this one."""
        if self._last is not None and trajectory is self._last.trajectory:
            return self._last.costs
        return self.objective.cost(trajectory, actions)

    def _can_record(self, state: Any, actions: Tensor) -> bool:
        return actions.is_cuda and not torch.is_grad_enabled() and all_tensors(state)

    def _record(self, state: Any, actions: Tensor) -> _Recording:
        device = actions.device
        here, commands = tree_map(lambda leaf: leaf.to(device).clone(), state), actions.clone()
        stream = torch.cuda.Stream(device)
        stream.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP):
                self._evaluate(here, commands)
        torch.cuda.current_stream(device).wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            trajectory, costs = self._evaluate(here, commands)
        return _Recording(graph, here, commands, trajectory, costs)

    def _evaluate(self, state: Any, actions: Tensor) -> tuple[Any, Tensor]:
        trajectory = self.dynamics.rollout(state, actions)
        return trajectory, as_tensor(self.objective.cost(trajectory, actions), actions.device)


def captured(problem: Problem) -> Problem:
    """The same problem, whose rollouts and costs are replayed as one CUDA graph; on a CPU it changes nothing.

    Its objective, goal included, is recorded as it is: of it, `replace(problem, state=...)` may change the state alone.
    """
    if isinstance(problem.dynamics, Captured):
        return problem
    both = Captured(problem.dynamics, problem.objective)
    return replace(problem, dynamics=both, objective=both)


def _shape_of(state: Any, actions: Tensor) -> Shape:
    parts = [(path, tuple(leaf.shape), leaf.dtype) for path, leaf in tensors_in(state)]
    # What is made in inference mode cannot be written to outside it.
    return tuple(actions.shape), actions.dtype, actions.device, torch.is_inference_mode_enabled(), *parts
