"""The cross-entropy method.

Rubinstein and Kroese, "The Cross-Entropy Method", 2004; as a planner: Chua et al., NeurIPS 2018 (PETS),
sec. 5. Coloured noise and elites kept from one iteration to the next: Pinneri et al., CoRL 2020 (iCEM),
sec. 3.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from forearm.common import checks
from forearm.errors import InputError
from forearm.planner.algorithms.gaussian import Gaussian, GaussianConfig, draw, initial_gaussian, moved
from forearm.planner.sampling import arrays
from forearm.planner.sampling.action_space import ActionSpace
from forearm.planner.sampling.arrays import Rows
from forearm.planner.sampling.noise import Noise
from forearm.planner.search.planner import Planner


@dataclass(frozen=True, kw_only=True)
class CEMConfig(GaussianConfig):
    """Settings of CEM.

    Attributes:
        elites: best candidates that the Gaussian is fitted to.
        alpha: momentum: share of the old mean and standard deviation kept in an update, in [0, 1).
        keep_fraction: share of the elites that stay, with their known costs, for the next iteration.
    """

    elites: int = checks.setting(16, checks.integer, least=1)
    alpha: float = checks.setting(0.1, checks.real, least=0.0, below=1.0)
    keep_fraction: float = checks.setting(0.25, checks.real, least=0.0, most=1.0)

    def __post_init__(self) -> None:
        """Check the settings; raises `ValueError`."""
        super().__post_init__()
        if self.elites > self.samples:
            raise InputError(f"elites ({self.elites}) is larger than samples ({self.samples})")


@dataclass(frozen=True)
class EliteGaussian(Gaussian):
    """A Gaussian and the elites in hand: `kept` (B, E', V, A) with `kept_costs` (B, E'), best first."""

    kept: Tensor
    kept_costs: Tensor


class CEM(Planner[EliteGaussian, CEMConfig]):
    """Fit a diagonal Gaussian to the elites, again and again."""

    name = "cem"
    config_type = CEMConfig

    def initial(self, space: ActionSpace, mean: Tensor) -> EliteGaussian:
        """The configured spread around the proposal, and no elites: places for them, at infinite cost."""
        start = initial_gaussian(self.config, space, mean)
        places = space.memo.get(("places", self.keep))
        if places is None:
            kept = mean.new_zeros(space.batch, self.keep, space.variables, space.dims)
            costs = mean.new_full((space.batch, self.keep), torch.inf)
            places = space.memo["places", self.keep] = kept, costs
        return EliteGaussian(start.mean, start.std, *places)

    @cached_property
    def keep(self) -> int:
        """E', how many elites stay."""
        return math.ceil(self.config.keep_fraction * self.config.elites)

    def sample(self, dist: EliteGaussian, space: ActionSpace, noise: Noise, iteration: int) -> Tensor:
        """Draw x = mean + std * noise."""
        return draw(dist, noise, self.config.samples, self.config.noise_beta)

    def update(self, dist: EliteGaussian, space: ActionSpace, samples: Tensor, costs: Tensor) -> EliteGaussian:
        """Mean and standard deviation move to those of the elites; the best of them stay for the next
        round.
        """
        old = (dist.mean, dist.std, dist.kept, dist.kept_costs)
        least = space.std_row("min_std", self.config.min_std)
        return EliteGaussian(*arrays.fit(self._fit, samples, costs, old, least))

    def _fit(
        self, samples: Rows, costs: Rows, mean: Rows, std: Rows, kept: Rows, kept_costs: Rows, least: Rows
    ) -> tuple[Rows, Rows, Rows, Rows]:
        """Mean and standard deviation (..., N) of the elites, with momentum, and those that stay, with their costs."""
        alpha, keep = self.config.alpha, self.keep
        pool = arrays.joined((kept, kept_costs), (samples, costs)) if keep else (samples, costs)
        elites, their_costs = arrays.lowest_first(*pool, self.config.elites)
        new, deviation = arrays.moments(elites, arrays.equal_weights(elites))
        deviation = arrays.at_least(moved(deviation, std, alpha), least)
        return moved(new, mean, alpha), deviation, elites[..., :keep, :], their_costs[..., :keep]

    def spread(self, dist: EliteGaussian, space: ActionSpace) -> Tensor:
        """The largest standard deviation."""
        return space.relative_spread(dist.std)
