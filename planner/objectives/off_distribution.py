"""Costs that keep a search where its model can be believed, and let it see further than its horizon."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from forearm.common import checks
from forearm.errors import InputError
from forearm.planner.objectives.horizon import OverHorizon
from forearm.planner.problem import as_tensor
from forearm.planner.sampling.apart import alone, products, together


class UnlikelyLatents:
    """How unlike the training data the predicted latents are: their squared Mahalanobis distance from its mean, per
    dimension, averaged over the horizon. A search exploits a model where it was never trained; this makes it dear.

    `mean` (D,) and `covariance` (D, D) are those of the training latents; on such latents the distance is 1 on
    average, and as far as `free` it costs nothing. `floor` is added to the covariance's diagonal, as a share of its
    mean diagonal, so that directions without variance do not drown all others. An ensemble-free relative of the
    uncertainty penalties in Chua et al. (PETS), NeurIPS 2018, and Yu et al. (MOPO), NeurIPS 2020; the distance as a
    measure of the unfamiliar: Lee et al., NeurIPS 2018.

    Raises `ValueError` for shapes that do not fit and for a covariance that is none.
    """

    def __init__(self, mean: Tensor, covariance: Tensor, free: float = 2.0, floor: float = 1e-3) -> None:
        if mean.ndim != 1 or covariance.shape != (mean.shape[0], mean.shape[0]):
            raise InputError(
                f"mean and covariance must have shapes (D,) and (D, D), got {tuple(mean.shape)} and "
                f"{tuple(covariance.shape)}"
            )
        self.free = checks.real("free", free, least=0.0)
        floor = checks.real("floor", floor, above=0.0)
        wide = covariance.double()
        if not bool(torch.isfinite(wide).all()) or not torch.allclose(wide, wide.T, rtol=1e-4, atol=1e-8):
            raise InputError("covariance must be finite and symmetric")
        scale = max(float(wide.diagonal().mean()), torch.finfo(torch.float32).tiny)
        factor, failed = torch.linalg.cholesky_ex(wide + floor * scale * torch.eye(len(wide), device=wide.device))
        if int(failed):
            raise InputError("covariance has a negative variance in some direction")
        # Differences times this have unit variance in every direction.
        unit = torch.eye(len(wide), dtype=torch.float64, device=wide.device)
        self.whiten = torch.linalg.solve_triangular(factor, unit, upper=False).T
        self.mean = mean

    def curve(self, trajectory: Any, actions: Tensor) -> Tensor:
        """Distance beyond `free` at each predicted step: trajectory (B, K, H', D) -> (B, K, H')."""
        latents = as_tensor(trajectory, self.mean.device)
        if latents.ndim != 4 or latents.shape[-1] != len(self.mean):
            raise InputError(f"trajectory has shape {tuple(latents.shape)}; expected (B, K, H', {len(self.mean)})")
        difference = latents.float() - self.mean.float()
        white = products(difference, self.whiten.float())
        return (white.square().mean(dim=-1) - self.free).clamp(min=0.0)

    def cost(self, trajectory: Any, actions: Tensor) -> Tensor:
        """The mean over the horizon, (B, K)."""
        return self.curve(trajectory, actions).mean(dim=-1)


class TerminalValue:
    """What is still to come, as a learned function of predicted latents sees it: of the last, unless told otherwise.

    `function(latents, goal)` maps (N, ...) and (N, ...) to (N,), such as predicted steps to the goal; it is called
    once per problem, so that results do not depend on the batch. `goal` (B, ...) may be None: then it is called with
    the latents alone. `weights` and `decay` say which steps count, see `OverHorizon`. A value at the end of the
    horizon: Lowrey et al. (POLO), ICLR 2019; Hansen et al. (TD-MPC), ICML 2022, eq. 3.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        goal: Tensor | None = None,
        weights: str | Sequence[float] = "last",
        decay: float = 0.8,
    ) -> None:
        self.function = function
        self.goal = goal
        self.over = OverHorizon(weights, decay)

    def cost(self, trajectory: Any, actions: Tensor) -> Tensor:
        """The function of those steps of a trajectory (B, K, H', ...) that count: (B, K); `ValueError` for others."""
        device = actions.device if self.goal is None else self.goal.device
        latents = as_tensor(trajectory, device)
        latents = latents[:, :, -1:] if self.over.weights == "last" else latents
        if self.goal is not None and len(self.goal) != len(latents):
            raise InputError(f"trajectory is of {len(latents)} problems, the goal of {len(self.goal)}")
        rows = []
        flat = latents.flatten(1, 2)
        for b in range(len(flat)):
            row = alone(flat, b)
            wanted = () if self.goal is None else (self.goal[b].expand_as(row),)
            values = as_tensor(self.function(row, *wanted), actions.device)
            if values.shape != row.shape[:1]:
                raise InputError(
                    f"the terminal value has shape {tuple(values.shape)}; expected one number for each of the "
                    f"{len(row)} {'candidates' if self.over.weights == 'last' else 'predicted latents'}"
                )
            rows.append(values.unflatten(0, latents.shape[1:3]))
        return self.over.total(together(rows))
