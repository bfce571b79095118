"""Costs that keep a search where its model can be believed, and let it see further than its horizon."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from planner import checks
from planner.apart import alone, products, together
from planner.evaluation import as_tensor


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
            raise ValueError(
                f"mean and covariance must have shapes (D,) and (D, D), got {tuple(mean.shape)} and "
                f"{tuple(covariance.shape)}"
            )
        self.free = checks.real("free", free, least=0.0)
        floor = checks.real("floor", floor, above=0.0)
        wide = covariance.double()
        if not bool(torch.isfinite(wide).all()) or not torch.allclose(wide, wide.T, rtol=1e-4, atol=1e-8):
            raise ValueError("covariance must be finite and symmetric")
        scale = max(float(wide.diagonal().mean()), torch.finfo(torch.float32).tiny)
        factor, failed = torch.linalg.cholesky_ex(wide + floor * scale * torch.eye(len(wide), device=wide.device))
        if int(failed):
            raise ValueError("covariance has a negative variance in some direction")
        # Differences times this have unit variance in every direction.
        unit = torch.eye(len(wide), dtype=torch.float64, device=wide.device)
        self.whiten = torch.linalg.solve_triangular(factor, unit, upper=False).T
        self.mean = mean

    def curve(self, trajectory: Any, actions: Tensor) -> Tensor:
        """Distance beyond `free` at each predicted step: trajectory (B, K, H', D) -> (B, K, H')."""
        latents = as_tensor(trajectory, self.mean.device)
        if latents.ndim != 4 or latents.shape[-1] != len(self.mean):
            raise ValueError(f"trajectory has shape {tuple(latents.shape)}; expected (B, K, H', {len(self.mean)})")
        difference = latents.float() - self.mean.float()
        white = products(difference, self.whiten.float())
        return (white.square().mean(dim=-1) - self.free).clamp(min=0.0)

    def cost(self, trajectory: Any, actions: Tensor) -> Tensor:
        """The mean over the horizon, (B, K)."""
        return self.curve(trajectory, actions).mean(dim=-1)


class TerminalValue:
    """What is still to come after the horizon, as a learned function of its last latents sees it.

    `function(latents, goal)` maps (K, ...) and (K, ...) to (K,), such as predicted steps to the goal; it is called
    once per problem, so that results do not depend on the batch. `goal` (B, ...) may be None: then it is called with
    the latents alone. A value at the end of the horizon: Lowrey et al. (POLO), ICLR 2019; Hansen et al. (TD-MPC),
    ICML 2022, eq. 3.
    """

    def __init__(self, function: Callable[..., Any], goal: Tensor | None = None) -> None:
        self.function = function
        self.goal = goal

    def cost(self, trajectory: Any, actions: Tensor) -> Tensor:
        """The function of the last step of a trajectory (B, K, H', ...): (B, K); `ValueError` for anything else."""
        device = actions.device if self.goal is None else self.goal.device
        last = as_tensor(trajectory, device)[:, :, -1]
        if self.goal is not None and len(self.goal) != len(last):
            raise ValueError(f"trajectory is of {len(last)} problems, the goal of {len(self.goal)}")
        rows = []
        for b in range(len(last)):
            latents = alone(last, b)
            wanted = () if self.goal is None else (self.goal[b].expand_as(latents),)
            values = as_tensor(self.function(latents, *wanted), actions.device)
            if values.shape != latents.shape[:1]:
                raise ValueError(
                    f"the terminal value has shape {tuple(values.shape)}; expected one number for each of the "
                    f"{len(latents)} candidates"
                )
            rows.append(values)
        return together(rows)
