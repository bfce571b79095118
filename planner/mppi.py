"""Model predictive path integral control.

Williams et al., "Information Theoretic MPC for Model-Based Reinforcement Learning", ICRA 2017, alg. 1 and
2, the control-cost term optional; repeated, with the spread fitted to the weighted candidates, as in
Hansen et al., "Temporal Difference Learning for Model Predictive Control" (TD-MPC), ICML 2022, eqs. 4 and
5.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from planner import checks
from planner.actions import ActionSpace
from planner.gaussian import (
    Gaussian,
    GaussianConfig,
    draw,
    initial_gaussian,
    relative_spread,
    std_in_commands,
    sum_candidates,
)
from planner.search import Planner


@dataclass(frozen=True, kw_only=True)
class MPPIConfig(GaussianConfig):
    """Settings of MPPI.

    `temperature` is in standard deviations of the candidates' costs, so that it means the same whatever the
    costs' scale: 1 weighs mildly, 0.1 follows the few best. `adapt_std` fits the spread to the weighted
    candidates after each iteration; without it the spread stays as it began. `control_cost`, in [0, 1], is the
    paper's 1 - alpha: how much the mean's own distance from the middle of the bounds, the command at rest,
    speaks against candidates that lie further out. 0 forgets it, as most implementations do.
    """

    temperature: float = 0.4
    adapt_std: bool = True
    control_cost: float = 0.0

    def __post_init__(self) -> None:
        """Check the settings; raises `ValueError`."""
        super().__post_init__()
        object.__setattr__(self, "temperature", checks.real("temperature", self.temperature, above=0.0))
        checks.flag("adapt_std", self.adapt_std)
        object.__setattr__(self, "control_cost", checks.real("control_cost", self.control_cost, least=0.0, most=1.0))


class MPPI(Planner[Gaussian, MPPIConfig]):
    """Move to the average of all candidates, weighted by exp(-cost / temperature)."""

    name = "mppi"
    config_type = MPPIConfig

    def initial(self, space: ActionSpace, mean: Tensor) -> Gaussian:
        """The configured spread around the proposal."""
        return initial_gaussian(self.config, space, mean)

    def sample(self, dist: Gaussian, space: ActionSpace, generators: Sequence[Generator], iteration: int) -> Tensor:
        """Draw x = mean + std * noise."""
        return draw(dist, generators, self.config.samples - 1, self.config.noise_beta)

    def update(self, dist: Gaussian, space: ActionSpace, samples: Tensor, costs: Tensor) -> Gaussian:
        """W = softmax(-cost / temperature), mean = sum w x, variance = sum w (x - mean)^2."""
        toll = self.config.control_cost * control_cost(dist, space, samples) if self.config.control_cost else None
        weights = softmin(costs, self.config.temperature, toll).to(samples.dtype)[..., None, None]
        mean = sum_candidates(weights * samples)
        if not self.config.adapt_std:
            return Gaussian(mean, dist.std)
        variance = sum_candidates(weights * (samples - mean[:, None]).square())
        least = std_in_commands("min_std", self.config.min_std, space)
        return Gaussian(mean, torch.maximum(variance.sqrt(), least))

    def spread(self, dist: Gaussian, space: ActionSpace) -> Tensor:
        """The largest standard deviation."""
        return relative_spread(dist.std, space)


def control_cost(dist: Gaussian, space: ActionSpace, samples: Tensor) -> Tensor:
    """The sum over time of u' S^-1 (x - u), with mean u from the middle and covariance S (Williams et al., alg. 2):
    (B, K) of samples (B, K, V, A). A variable without spread costs nothing.
    """
    precision = torch.where(dist.std > 0, 1.0 / dist.std.square(), 0.0).nan_to_num(posinf=0.0)
    products = ((dist.mean - space.middle) * precision)[:, None] * (samples - dist.mean[:, None])
    return sum_candidates(products.flatten(2).transpose(1, 2))


def softmin(costs: Tensor, temperature: float, toll: Tensor | None = None) -> Tensor:
    """Weights (B, K) that sum to one, with the temperature in standard deviations of each row of finite
    `costs`; `toll` (B, K) is added in units of the temperature.

    A flat row gives equal weights; a row with numbers near the limits of the float type does not overflow.
    """
    tiny = torch.finfo(costs.dtype).tiny
    scaled = costs / costs.abs().amax(dim=1, keepdim=True).clamp(min=tiny)
    above = scaled - scaled.amin(dim=1, keepdim=True)
    centred = above - sum_candidates(above)[:, None] / costs.shape[1]
    spread = (sum_candidates(centred.square()) / costs.shape[1]).sqrt()
    # Differences below the rounding of the costs themselves are flat.
    spread = spread.clamp(min=8.0 * torch.finfo(costs.dtype).eps)
    exponent = -above / (temperature * spread[:, None])
    return torch.softmax(exponent if toll is None else exponent - toll, dim=1)
