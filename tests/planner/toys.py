"""Small problems with known answers, for the planner's tests."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from forearm.planner import PLANNERS, Plan, Planner, Problem, make_planner

NAMES = sorted(PLANNERS)
SAMPLERS = [name for name in NAMES if not PLANNERS[name][0].differentiable]
each_planner = pytest.mark.parametrize("name", NAMES)
each_sampler = pytest.mark.parametrize("name", SAMPLERS)  # what needs no gradients


class Commands:
    """The trajectory is the commands themselves."""

    def rollout(self, state: Any, actions: Tensor) -> Tensor:
        return actions


class Integrator:
    """A point that moves by each command, from state (B, A) to positions (B, K, H, A); element-wise."""

    def rollout(self, state: Tensor, actions: Tensor) -> Tensor:
        position, positions = state[:, None].expand(-1, actions.shape[1], -1), []
        for h in range(actions.shape[2]):
            position = position + 0.3 * actions[:, :, h] / (1 + actions[:, :, h].abs())
            positions.append(position)
        return torch.stack(positions, dim=2)


class Nearness:
    """Sum of squared differences from `target` (B, H, A), in a fixed order and so batch-exact."""

    def __init__(self, target: Tensor) -> None:
        self.target = target

    def cost(self, trajectory: Tensor, actions: Tensor) -> Tensor:
        squares = (trajectory - self.target[:, None]).square().flatten(2)
        total = torch.zeros_like(squares[..., 0])
        for i in range(squares.shape[-1]):
            total = total + squares[..., i]
        return total

    def residuals(self, trajectory: Tensor, actions: Tensor) -> Tensor:
        return (trajectory - self.target[:, None]).flatten(2)


class Scored:
    """Any function of the actions (B, K, H, A) as a cost."""

    def __init__(self, function: Callable[[Tensor], Any]) -> None:
        self.function = function

    def cost(self, trajectory: Any, actions: Tensor) -> Any:
        return self.function(actions)


def rand(*shape: int, seed: int = 0) -> Tensor:
    """Numbers between 0 and 1, always the same ones."""
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def randn(*shape: int, seed: int = 0) -> Tensor:
    """Normal numbers, always the same ones."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def streams(batch: int, seed: int = 0) -> list[torch.Generator]:
    """One random stream per problem."""
    return [torch.Generator().manual_seed(1000 * seed + b) for b in range(batch)]


def problem(objective: Any, batch: int = 1, dims: int = 2, dynamics: Any = None, **more: Any) -> Problem:
    """A problem between -1 and 1 at 10 Hz."""
    settings: dict[str, Any] = {"low": -torch.ones(dims), "high": torch.ones(dims), "state": None} | more
    return Problem(dynamics or Commands(), objective, batch=batch, control_period=0.1, **settings)


def content(plan: Plan) -> dict[str, Any]:
    """The document without what may differ between two runs of the same search: times spent, batch size."""
    document = plan.to_dict()
    return {k: v for k, v in document.items() if k not in ("timings_ms", "batch")}


def spread_of(name: str, std: Any) -> dict[str, Any]:
    """The setting that holds a planner's first standard deviation."""
    return {"std" if name == "predictive_sampling" else "initial_std": std}


def small(name: str, **more: Any) -> Planner:
    """A planner that is quick rather than good."""
    settings: dict[str, dict[str, Any]] = {
        "cem": {"elites": 4},
        "icem": {"elites": 4, "decay": 1.0},
        "gauss_newton": {"directions": 4},
        "gradient": {"halve_every": None},
    }
    few = settings.get(name, {})
    return make_planner(name, **({"horizon": 5, "samples": 16, "iterations": 3} | few | more))
