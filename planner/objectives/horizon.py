"""From a cost along the horizon to one number: which of the predicted steps count, and how much."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from forearm.common import checks
from forearm.errors import InputError
from forearm.planner.problem import Objective, as_tensor, residuals_of

NAMED = ("last", "sum", "exp", "min")


class OverHorizon:
    """Costs (B, K, H') of each predicted step as costs (B, K).

    `weights` says what counts: `last` the last step alone; `sum` all steps alike; `exp` each step `decay` times as much
    as the next; `min` the lowest of all, wherever it is; or explicit weights, one per predicted step. The first three
    sum to one, so that costs have the same scale at any horizon.

    Where fewer steps are carried out than predicted, `last` judges a place where the arm will not stop; `min` does not
    (LeWorldModel++, github.com/pickxiguapi/LeWorldModel-pp).
    """

    def __init__(self, weights: str | Sequence[float] = "last", decay: float = 0.8) -> None:
        self._tensors: dict[tuple[int, torch.dtype, torch.device], Tensor] = {}
        self.decay = checks.real("decay", decay, above=0.0, most=1.0)
        self.weights: str | tuple[float, ...]
        if isinstance(weights, str):
            self.weights = checks.choice("weights", weights, NAMED)
        else:
            explicit = checks.reals("weights", weights, least=0.0)
            self.weights = explicit if isinstance(explicit, tuple) else (explicit,)

    def total(self, curve: Tensor) -> Tensor:
        """(B, K) of costs (B, K, H'); raises `ValueError` for another number of steps than explicit weights."""
        if self.weights == "last":
            return curve[..., -1]
        if self.weights == "min":
            return curve.amin(dim=-1)
        return (curve * self.factors(curve)).sum(dim=-1)

    def factors(self, curve: Tensor) -> Tensor:
        """Weights (H',) in the type of `curve` (B, K, H'); those of `min` depend on the costs, so it has none."""
        steps = curve.shape[-1]
        kind = steps, curve.dtype, curve.device
        if kind not in self._tensors:  # fetched once: copies to a GPU wait for it, and cannot be part of a CUDA graph
            with torch.inference_mode(False):  # for those that want gradients, too
                self._tensors[kind] = self.doubles(steps).to(curve.dtype).to(curve.device)
        return self._tensors[kind]

    def doubles(self, steps: int) -> Tensor:
        """Weights (H',) in double precision."""
        if self.weights == "sum":
            return torch.full((steps,), 1.0 / steps, dtype=torch.float64)
        if self.weights == "exp":
            powers = self.decay ** torch.arange(steps - 1, -1, -1, dtype=torch.float64)
            return powers / powers.sum()
        if isinstance(self.weights, str):
            raise InputError(f"weights={self.weights} are no fixed numbers")
        if len(self.weights) != steps:
            raise InputError(f"{len(self.weights)} weights for a trajectory of {steps} steps; give one to each")
        return torch.tensor(self.weights, dtype=torch.float64)


class Prefix:
    """The cost of a trajectory's first `steps` predicted steps alone, such as those that are carried out before the
    next plan. The curve is that of the whole horizon.

    Raises `ValueError` for no steps at all, and, when asked for a cost, for more steps than there are.
    """

    def __init__(self, objective: Objective, steps: int) -> None:
        self.objective = objective
        self.steps = checks.integer("steps", steps, 1)

    def cost(self, trajectory: Any, actions: Tensor) -> Any:
        """(B, K) of a trajectory (B, K, H', ...)."""
        return self.objective.cost(self._first(trajectory, actions), actions)

    def residuals(self, trajectory: Any, actions: Tensor) -> Tensor | None:
        """(B, K, R), if the objective has some."""
        return residuals_of(self.objective, self._first(trajectory, actions), actions)

    def curve(self, trajectory: Any, actions: Tensor) -> Any:
        """(B, K, H'), if the objective has one."""
        curve = getattr(self.objective, "curve", None)
        return None if curve is None else curve(trajectory, actions)

    def _first(self, trajectory: Any, actions: Tensor) -> Tensor:
        latents = as_tensor(trajectory, actions.device)
        if latents.shape[2] < self.steps:
            raise InputError(f"{self.steps} steps shall count, but a trajectory has {latents.shape[2]}")
        return latents[:, :, : self.steps]
