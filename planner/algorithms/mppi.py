"""Model predictive path integral control.

Williams et al., "Information Theoretic MPC for Model-Based Reinforcement Learning", ICRA 2017, alg. 1 and
2, the control-cost term optional; repeated, with the spread fitted to the weighted candidates, as in
Hansen et al., "Temporal Difference Learning for Model Predictive Control" (TD-MPC), ICML 2022, eqs. 4 and
5.
"""

from dataclasses import dataclass

from torch import Tensor

from forearm.common import checks
from forearm.planner.algorithms.gaussian import Gaussian, GaussianConfig, draw, initial_gaussian
from forearm.planner.sampling import arrays
from forearm.planner.sampling.action_space import ActionSpace
from forearm.planner.sampling.arrays import Rows
from forearm.planner.sampling.noise import Noise
from forearm.planner.search.planner import Planner

TINY = 1e-18
"""What counts as no spread: its square is a number still."""


@dataclass(frozen=True, kw_only=True)
class MPPIConfig(GaussianConfig):
    """Settings of MPPI.

    Attributes:
        temperature: in standard deviations of the candidates' costs, whatever their scale: 1 weighs mildly, 0.1 follows
            the few best.
        adapt_std: fit the spread to the weighted candidates after each iteration; else it stays as it began.
        control_cost: the paper's 1 - alpha, in [0, 1]: how much the mean's own distance from the middle of the bounds,
            the command at rest, speaks against candidates that lie further out. 0 forgets it, as most implementations.
    """

    temperature: float = checks.setting(0.4, checks.real, above=0.0)
    adapt_std: bool = checks.setting(True, checks.flag)
    control_cost: float = checks.setting(0.0, checks.real, least=0.0, most=1.0)


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
        config = self.config
        least = space.std_row("min_std", config.min_std)
        rest = arrays.row(space.middle, space.variables) if config.control_cost else None
        mean, std = arrays.fit(self._fit, samples, costs, (dist.mean, dist.std), least, rest)
        return Gaussian(mean, std)

    def _fit(
        self, samples: Rows, costs: Rows, mean: Rows, std: Rows, least: Rows, rest: Rows | None
    ) -> tuple[Rows, Rows]:
        """Weighted mean and standard deviation (..., N), at least `least` (N,); `rest` (N,) is the command at rest."""
        config = self.config
        toll = None if rest is None else config.control_cost * control_cost(mean - rest, mean, std, samples)
        weights = softmin(costs, config.temperature, toll, like=samples)
        if not config.adapt_std:
            return weights @ samples, std
        new, deviation = arrays.moments(samples, weights)
        return new, arrays.at_least(deviation, least)

    def spread(self, dist: Gaussian, space: ActionSpace) -> Tensor:
        """The largest standard deviation."""
        return space.relative_spread(dist.std)


def control_cost(from_rest: Rows, mean: Rows, std: Rows, samples: Rows) -> Rows:
    """The sum over time of u' S^-1 (x - m), with the mean m, which is u away from rest, and covariance S (Williams et
    al., alg. 2): (..., K) of samples (..., K, N), the others (..., N). A variable without spread costs nothing.
    """
    precision = (std > TINY) / arrays.at_least(std, TINY) ** 2
    return (from_rest * precision) @ (samples - mean).swapaxes(-1, -2)


def softmin(costs: Rows, temperature: float, toll: Rows | None = None, like: Rows | None = None) -> Rows:
    """Weights (..., K) that sum to one, with the temperature in standard deviations of each row of finite
    `costs`; `toll` (..., K) is added in units of the temperature. In the type of `like`, or that of the costs.

    A flat row gives equal weights; a row with numbers near the limits of the float type does not overflow.
    """
    above, spread = arrays.above_lowest(costs)
    exponent = above / (-temperature * spread)
    if toll is not None:
        exponent = -arrays.above_lowest(toll - exponent)[0]
    return arrays.softmax(exponent, costs if like is None else like)
