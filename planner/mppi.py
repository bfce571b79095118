"""Model predictive path integral control.

Williams et al., "Information Theoretic MPC for Model-Based Reinforcement Learning", ICRA 2017, alg. 1 and
2, the control-cost term optional; repeated, with the spread fitted to the weighted candidates, as in
Hansen et al., "Temporal Difference Learning for Model Predictive Control" (TD-MPC), ICML 2022, eqs. 4 and
5.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from planner import checks
from planner.actions import ActionSpace
from planner.gaussian import (
    Gaussian,
    GaussianConfig,
    by_problem,
    draw,
    initial_gaussian,
    relative_spread,
    std_in_commands,
)
from planner.noise import Noise
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

    def sample(self, dist: Gaussian, space: ActionSpace, noise: Noise, iteration: int) -> Tensor:
        """Draw x = mean + std * noise."""
        return draw(dist, noise, self.config.samples, self.config.noise_beta)

    def update(self, dist: Gaussian, space: ActionSpace, samples: Tensor, costs: Tensor) -> Gaussian:
        """W = softmax(-cost / temperature), mean = sum w x, variance = sum w (x - mean)^2."""
        mean, std = by_problem(self._fit, samples, costs, dist.mean - space.middle, dist.mean, dist.std)
        if not self.config.adapt_std:
            return Gaussian(mean, std)
        return Gaussian(mean, torch.maximum(std, std_in_commands("min_std", self.config.min_std, space)))

    def _fit(
        self, samples: Tensor, costs: Tensor, from_rest: Tensor, mean: Tensor, std: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Weighted mean and standard deviation (1, V, A)."""
        config = self.config
        toll = config.control_cost * control_cost(from_rest, mean, std, samples) if config.control_cost else None
        weights = softmin(costs, config.temperature, toll).to(samples.dtype)
        new = average(weights, samples)
        if not config.adapt_std:
            return new, std
        return new, average(weights, (samples - new.unsqueeze(1)).square_()).sqrt_()

    def spread(self, dist: Gaussian, space: ActionSpace) -> Tensor:
        """The largest standard deviation."""
        return relative_spread(dist.std, space)


def control_cost(from_rest: Tensor, mean: Tensor, std: Tensor, samples: Tensor) -> Tensor:
    """The sum over time of u' S^-1 (x - m), with the mean m, which is u away from rest, and covariance S (Williams et
    al., alg. 2): (1, K) of samples (1, K, V, A), the others (1, V, A). A variable without spread costs nothing.
    """
    precision = torch.where(std > 0, 1.0 / std.square(), 0.0).nan_to_num(posinf=0.0)
    return ((from_rest * precision).unsqueeze(1) * (samples - mean.unsqueeze(1))).sum(dim=(2, 3))


def average(weights: Tensor, values: Tensor) -> Tensor:
    """Sum over K of weights (B, K) times values (B, K, V, A): (B, V, A)."""
    return torch.bmm(weights.unsqueeze(1), values.flatten(2)).view(-1, *values.shape[2:])


def softmin(costs: Tensor, temperature: float, toll: Tensor | None = None) -> Tensor:
    """Weights (B, K) that sum to one, with the temperature in standard deviations of each row of finite
    `costs`; `toll` (B, K) is added in units of the temperature.

    A flat row gives equal weights; a row with numbers near the limits of the float type does not overflow.
    """
    # In double precision, where the squares of single precision's largest numbers are finite.
    wide = costs.double().clamp(-1e150, 1e150)
    lowest = wide.amin(dim=1, keepdim=True)
    above = wide - lowest
    # Differences below the rounding of the costs themselves are flat.
    rounding = lowest.abs().mul_(8.0 * torch.finfo(costs.dtype).eps).clamp_(min=1e-300)
    spread = torch.maximum(above.std(dim=1, correction=0, keepdim=True), rounding)
    exponent = above.div_(spread.mul_(-temperature))
    return torch.softmax(exponent if toll is None else exponent - toll, dim=1).to(costs.dtype)
