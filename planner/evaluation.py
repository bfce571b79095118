"""From trajectories to costs that can be trusted, and the best candidate so far."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from planner.problem import Objective, Problem


@dataclass(frozen=True)
class Scores:
    """Costs of one iteration (B, K).

    `finite`: the costs, with each one that was NaN or infinite replaced by the worst finite cost of its
    problem (zero where there is none). `ranked`: the same, but infinite where the cost was bad, so that a
    bad candidate cannot win even a tie. `bad` (B,): how many were. `usable` (B,): whether any was finite.
    `all_good` is only known on the CPU; elsewhere it is False, because asking would stall the queue.
    """

    finite: Tensor
    ranked: Tensor
    bad: Tensor
    usable: Tensor
    all_good: bool


def as_tensor(values: Any, device: torch.device) -> Tensor:
    """Whatever a model returned, as a tensor on `device`; arrays may be read-only or have negative
    strides.
    """
    if not isinstance(values, Tensor):
        array = np.asarray(values)
        if not array.flags.writeable or min(array.strides, default=0) < 0:
            array = array.copy()
        values = torch.from_numpy(array)
    return values.to(device)


def score(objective: Objective, trajectory: Any, commands: Tensor) -> Scores:
    """Costs of B problems times K candidates whose `commands` are (B, K, H, A).

    Raises `ValueError` when the objective returns anything but (B, K) numbers.
    """
    costs = as_tensor(objective.cost(trajectory, commands), commands.device)
    expected = commands.shape[:2]
    if costs.shape != expected:
        raise ValueError(f"objective.cost returned shape {tuple(costs.shape)}; expected (B, K) = {tuple(expected)}")
    if costs.is_complex():
        raise ValueError("objective.cost returned complex numbers; expected real ones")
    if not costs.is_floating_point() or costs.element_size() < 4:
        costs = costs.to(torch.float32)
    plain = costs.detach()
    # A sum is finite only if all its terms are; where finite terms overflow, the long way says the same.
    if costs.device.type == "cpu" and math.isfinite(plain.sum().item()):
        none = torch.zeros(len(costs), dtype=torch.int64)
        return Scores(costs, plain, none, none == 0, all_good=True)
    finite = torch.isfinite(costs)
    usable = finite.any(dim=1)
    worst = torch.where(finite, costs, -torch.inf).amax(dim=1, keepdim=True)
    worst = torch.where(usable[:, None], worst, 0.0)
    return Scores(
        finite=torch.where(finite, costs, worst),
        ranked=torch.where(finite, costs, torch.inf).detach(),
        bad=(~finite).sum(dim=1),
        usable=usable,
        all_good=False,
    )


def evaluate(problem: Problem, commands: Tensor, differentiating: str | None) -> tuple[Any, Scores]:
    """Trajectory and costs of `commands` (B, K, H, A).

    `differentiating` names the planner that wants gradients, if one does: then raises `ValueError` where the
    dynamics or the objective does not let them through.
    """
    if differentiating is None:
        trajectory = problem.dynamics.rollout(problem.state, commands)
        return trajectory, score(problem.objective, trajectory, commands)
    message = (
        f"planner {differentiating!r} follows gradients, but none come back through "
        f"{type(problem.dynamics).__name__}.rollout and {type(problem.objective).__name__}.cost: "
        "both must be torch operations on the commands, outside no_grad and inference_mode"
    )
    try:
        trajectory = problem.dynamics.rollout(problem.state, commands)
        scores = score(problem.objective, trajectory, commands)
    except RuntimeError as error:
        # What torch says of .numpy() on a tensor with a gradient, and of tensors made in inference mode.
        if any(words in str(error).lower() for words in ("requires grad", "require grad", "inference tensor")):
            raise ValueError(f"{message} ({str(error).splitlines()[0]})") from error
        raise
    if not scores.finite.requires_grad:
        raise ValueError(message)
    return trajectory, scores


@dataclass(frozen=True)
class Best:
    """The best candidate so far of each problem: `cost` (B,), `commands` (B, H, A), `trajectory` (B, 1,
    ...).
    """

    cost: Tensor
    commands: Tensor
    trajectory: Any

    @classmethod
    def of(cls, scores: Scores, commands: Tensor, trajectory: Any) -> "Best":
        """The best of one iteration; the first of equals, so candidate 0 when no cost is finite."""
        index = scores.ranked.argmin(dim=1)
        rows = torch.arange(len(index), device=index.device)
        chosen = map_trajectory(lambda x: x.detach()[rows.to(x.device), index.to(x.device), None], trajectory)
        return cls(scores.ranked[rows, index], commands[rows, index].detach(), chosen)

    def only(self, rows: Tensor) -> "Best":
        """The same, at an infinite cost in problems that are not in `rows` (B,)."""
        return replace(self, cost=torch.where(rows.to(self.cost.device), self.cost, torch.inf))

    def or_better(self, old: "Best | None") -> "Best":
        """Keep the old one wherever this one is not strictly better."""
        if old is None:
            return self
        better = self.cost < old.cost

        def pick(new: Tensor, before: Tensor) -> Tensor:
            return torch.where(better.to(new.device).view(-1, *[1] * (new.ndim - 1)), new, before)

        return Best(
            pick(self.cost, old.cost),
            pick(self.commands, old.commands),
            map_trajectory(pick, self.trajectory, old.trajectory),
        )


def map_trajectory(function: Callable[..., Tensor], *trajectories: Any) -> Any:
    """Apply `function` to the arrays in trajectories of the same build: tensors, dicts, tuples or lists
    of them.

    Returns None for a trajectory of any other type: its best candidate cannot be taken out, so it has no
    curve.
    """
    first = trajectories[0]
    if isinstance(first, dict):
        parts = {key: map_trajectory(function, *(t[key] for t in trajectories)) for key in first}
        return None if any(part is None for part in parts.values()) else parts
    if type(first) in (tuple, list):
        items = [map_trajectory(function, *group) for group in zip(*trajectories, strict=True)]
        return None if any(item is None for item in items) else type(first)(items)
    if isinstance(first, np.ndarray):
        return function(*(as_tensor(t, torch.device("cpu")) for t in trajectories)).numpy()
    if isinstance(first, Tensor):
        return function(*trajectories)
    return None


def cost_curve(objective: Objective, best: Best) -> NDArray[np.float64] | None:
    """The predicted cost of the best candidates along the horizon (B, H'), if the objective can tell."""
    curve = getattr(objective, "curve", None)
    if curve is None or best.trajectory is None:
        return None
    values = curve(best.trajectory, best.commands[:, None])
    return None if values is None else np.asarray(as_tensor(values, torch.device("cpu"))[:, 0].detach().double())
