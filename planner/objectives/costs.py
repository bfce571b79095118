"""Costs that compose: distance to a goal in latent space, effort and smoothness of the commands, weighted
sums.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from forearm.common import checks
from forearm.errors import InputError
from forearm.planner.objectives.horizon import OverHorizon
from forearm.planner.problem import Objective, as_tensor, residuals_of
from forearm.planner.sampling.apart import products


class LatentDistance:
    """Squared distance to the goal, averaged over the latent's entries and weighted over the horizon.

    `goal` is (B, D), or (B, ...) for latents with more dimensions. `weights` and `decay` say which steps count, see
    `OverHorizon`: `last` is the usual choice (e.g. DINO-WM, arXiv 2411.04983, eq. 4), `sum` is better than it in
    EB-JEPA. `metric` (D, K), if given, maps differences of latents before they are squared, so that directions can
    count differently.
    """

    def __init__(
        self, goal: Tensor, weights: str | Sequence[float] = "last", decay: float = 0.8, metric: Tensor | None = None
    ) -> None:
        if goal.ndim < 2:
            raise InputError(f"goal must have shape (B, D), got {tuple(goal.shape)}")
        if metric is not None and (goal.ndim != 2 or metric.ndim != 2 or len(metric) != goal.shape[1]):
            raise InputError(f"metric has shape {tuple(metric.shape)}; the goal {tuple(goal.shape)} asks for (D, K)")
        self.goal = goal
        self.metric = metric
        self.over = OverHorizon(weights, decay)
        self.weights, self.decay = self.over.weights, self.over.decay

    def curve(self, trajectory: Any, actions: Tensor) -> Tensor:
        """Squared distance at each predicted step: trajectory (B, K, H', ...) -> (B, K, H'); H' may be
        below H.
        """
        return self._difference(self._checked(trajectory)).square().flatten(3).mean(dim=-1)

    def _checked(self, trajectory: Any) -> Tensor:
        """The trajectory as a tensor; raises `ValueError` if its shape does not fit the goal's."""
        latents = as_tensor(trajectory, self.goal.device)
        if latents.ndim != self.goal.ndim + 2 or latents.shape[3:] != self.goal.shape[1:]:
            raise InputError(
                f"trajectory has shape {tuple(latents.shape)}; the goal {tuple(self.goal.shape)} asks for "
                f"(B, K, H', {', '.join(str(n) for n in self.goal.shape[1:])})"
            )
        if latents.shape[0] != self.goal.shape[0]:
            raise InputError(f"trajectory is of {latents.shape[0]} problems, the goal of {self.goal.shape[0]}")
        return latents

    def _difference(self, latents: Tensor) -> Tensor:
        """Differences (B, K, H', ...) from the goal, as the metric maps them."""
        # Differences of half-precision latents are taken in single precision.
        dtype = torch.promote_types(torch.promote_types(latents.dtype, self.goal.dtype), torch.float32)
        difference = latents.to(dtype) - self.goal.to(dtype)[:, None, None]
        if self.metric is not None:
            difference = products(difference, self.metric.to(dtype))
        return difference

    def residuals(self, trajectory: Any, actions: Tensor) -> Tensor:
        """What the cost is the sum of squares of: (B, K, R), R the entries of the latents that count; raises like
        `cost`.
        """
        latents = self._checked(trajectory)
        if self.weights == "last":
            difference = self._difference(latents[:, :, -1:]).flatten(2)
            return difference / difference.shape[2] ** 0.5
        difference = self._difference(latents).flatten(3)
        steps, entries = difference.shape[2:]
        if self.weights == "min":
            lowest = difference.detach().square().sum(dim=3).argmin(dim=2)[..., None, None]
            return difference.take_along_dim(lowest, dim=2).squeeze(2) / entries**0.5
        scale = (self.over.doubles(steps) / entries).sqrt().to(difference)
        return (difference * scale[:, None]).flatten(2)

    def cost(self, trajectory: Any, actions: Tensor) -> Tensor:
        """Weighted squared distance (B, K); raises `ValueError` for shapes that do not fit the goal or
        weights.
        """
        if self.weights == "last":
            latents = as_tensor(trajectory, self.goal.device)
            return self.curve(latents[:, :, -1:] if latents.ndim > 2 else latents, actions)[..., -1]
        return self.over.total(self.curve(trajectory, actions))


class LatentPath:
    """Squared distance to a goal of its own at each of the first M predicted steps, averaged over the latent's entries
    and weighted over those steps.

    `goals` is (B, M, D): the first M of H' predicted latents are compared with them, each at its own time, and those
    after them do not count. `weights`, `decay` and `metric` are those of `LatentDistance`.
    """

    def __init__(
        self, goals: Tensor, weights: str | Sequence[float] = "last", decay: float = 0.8, metric: Tensor | None = None
    ) -> None:
        if goals.ndim != 3:
            raise InputError(f"goals must have shape (B, M, D), got {tuple(goals.shape)}")
        self.goals, self.steps = goals, goals.shape[1]
        zero = torch.zeros_like(goals[:, 0])
        self._distance = LatentDistance(zero, weights, decay, metric)

    def curve(self, trajectory: Any, actions: Tensor) -> Tensor:
        """Squared distance at each of the M steps: trajectory (B, K, H', D) -> (B, K, M)."""
        return self._distance.curve(self._differences(trajectory), actions)

    def residuals(self, trajectory: Any, actions: Tensor) -> Tensor:
        """What the cost is the sum of squares of: (B, K, R); raises like `cost`."""
        return self._distance.residuals(self._differences(trajectory), actions)

    def cost(self, trajectory: Any, actions: Tensor) -> Tensor:
        """(B, K); raises `ValueError` for a trajectory of other latents, or of fewer than M steps."""
        return self._distance.cost(self._differences(trajectory), actions)

    def _differences(self, trajectory: Any) -> Tensor:
        latents = as_tensor(trajectory, self.goals.device)
        wanted = (len(self.goals), *self.goals.shape[2:])
        if latents.ndim != 4 or (len(latents), latents.shape[3]) != wanted or latents.shape[2] < self.steps:
            raise InputError(
                f"trajectory has shape {tuple(latents.shape)}; goals {tuple(self.goals.shape)} ask for "
                f"({wanted[0]}, K, {self.steps} or more, {wanted[1]})"
            )
        dtype = torch.promote_types(torch.promote_types(latents.dtype, self.goals.dtype), torch.float32)
        return latents[:, :, : self.steps].to(dtype) - self.goals.to(dtype)[:, None]


class ActionCost:
    """`weight` times the mean over steps of ||a||^2, plus `smoothness` times that of ||change of a||^2.

    In squared units of the commands. `last` (B, A), if given, is the command sent before this plan, so
    that the first step's change counts too.
    """

    def __init__(self, weight: float = 0.0, smoothness: float = 0.0, last: Tensor | None = None) -> None:
        self.weight = checks.real("weight", weight, least=0.0)
        self.smoothness = checks.real("smoothness", smoothness, least=0.0)
        self.last = last

    def cost(self, trajectory: Any, actions: Tensor) -> Tensor:
        """Cost (B, K) of actions (B, K, H, A); the trajectory does not matter."""
        total = actions.new_zeros(actions.shape[:2])
        if self.weight:
            total = total + self.weight * mean_square(actions)
        if self.smoothness:
            total = total + self.smoothness * mean_square(self._changes(actions))
        return total

    def residuals(self, trajectory: Any, actions: Tensor) -> Tensor:
        """What the cost is the sum of squares of: (B, K, R)."""
        steps = actions.shape[2]
        parts = [
            (weight / steps) ** 0.5 * values
            for weight, values in ((self.weight, actions), (self.smoothness, self._changes(actions)))
            if weight
        ]
        if not parts:
            return actions.new_zeros(*actions.shape[:2], 1)
        return torch.cat(parts, dim=2).flatten(2)

    def _changes(self, actions: Tensor) -> Tensor:
        """Differences (B, K, H, A) between each command and the one before; zero before a first without
        one.
        """
        if self.last is None:
            before = actions[:, :, :1]
        else:
            before = self.last.to(actions)[:, None, None].expand(-1, actions.shape[1], -1, -1)
        return torch.cat((before, actions), dim=2).diff(dim=2)


class WeightedSum:
    """The sum of `weight * objective` over `terms`, pairs (weight, objective). Objectives may return
    numpy or torch.
    """

    def __init__(self, terms: Sequence[tuple[float, Objective]]) -> None:
        if not terms:
            raise InputError("a weighted sum needs at least one (weight, objective) pair")
        self.terms = [(checks.real("weight", weight), objective) for weight, objective in terms]

    def cost(self, trajectory: Any, actions: Tensor) -> Tensor:
        """Cost (B, K), on the device of the actions."""
        return add([w * as_tensor(o.cost(trajectory, actions), actions.device) for w, o in self.terms])

    def curve(self, trajectory: Any, actions: Tensor) -> Tensor | None:
        """The weighted sum (B, K, H') over the terms that have a curve; None when none has."""
        curves = [
            w * as_tensor(values, actions.device)
            for w, o in self.terms
            if (function := getattr(o, "curve", None)) is not None
            and (values := function(trajectory, actions)) is not None
        ]
        if not curves or any(c.shape != curves[0].shape for c in curves):
            return None
        return add(curves)

    def residuals(self, trajectory: Any, actions: Tensor) -> Tensor | None:
        """What the sum is the sum of squares of, (B, K, R); a term that cannot tell counts as the square of its root.
        None where a term or its weight is below zero.
        """
        parts = []
        for weight, objective in self.terms:
            values = residuals_of(objective, trajectory, actions)
            if values is None:
                costs = as_tensor(objective.cost(trajectory, actions), actions.device)
                values = costs.sqrt()[..., None]
                if bool((costs < 0).any()):
                    return None
            if weight < 0:
                return None
            parts.append(weight**0.5 * values.to(actions.device))
        return torch.cat(parts, dim=2)


def add(parts: Sequence[Tensor]) -> Tensor:
    """The parts added one after the other, in the widest of their types."""
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def mean_square(actions: Tensor) -> Tensor:
    """Mean over steps of the squared norm: (B, K, H, A) -> (B, K)."""
    return actions.square().flatten(2).sum(dim=-1) / actions.shape[2]
