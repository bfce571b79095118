"""The cross-entropy method.

Rubinstein and Kroese, "The Cross-Entropy Method", 2004; as a planner: Chua et al., NeurIPS 2018 (PETS),
sec. 5. Coloured noise and elites kept from one iteration to the next: Pinneri et al., CoRL 2020 (iCEM),
sec. 3.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

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
class CEMConfig(GaussianConfig):
    """Settings of CEM.

    `elites`: how many of the best candidates the Gaussian is fitted to. `alpha`: momentum, the share of
    the old mean and standard deviation that is kept in each update, in [0, 1). `keep_fraction`: share of
    the elites that stay in the running, with their known costs, in the next iteration.
    """

    elites: int = 16
    alpha: float = 0.1
    keep_fraction: float = 0.25

    def __post_init__(self) -> None:
        """Check the settings; raises `ValueError`."""
        super().__post_init__()
        object.__setattr__(self, "elites", checks.integer("elites", self.elites, 1))
        if self.elites > self.samples:
            raise ValueError(f"elites ({self.elites}) is larger than samples ({self.samples})")
        object.__setattr__(self, "alpha", checks.real("alpha", self.alpha, least=0.0, below=1.0))
        object.__setattr__(self, "keep_fraction", checks.real("keep_fraction", self.keep_fraction, least=0.0, most=1.0))


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
        kept = mean[:, None].expand(-1, self.keep, -1, -1)
        return EliteGaussian(start.mean, start.std, kept, torch.full_like(kept[..., 0, 0], torch.inf))

    @property
    def keep(self) -> int:
        """E', how many elites stay."""
        return math.ceil(self.config.keep_fraction * self.config.elites)

    def sample(
        self, dist: EliteGaussian, space: ActionSpace, generators: Sequence[Generator], iteration: int
    ) -> Tensor:
        """Draw x = mean + std * noise."""
        return self.draw(dist, generators, self.config.samples - 1)

    def draw(self, dist: EliteGaussian, generators: Sequence[Generator], count: int) -> Tensor:
        """`count` samples (B, count, V, A) of the Gaussian."""
        return draw(dist, generators, count, self.config.noise_beta)

    def update(self, dist: EliteGaussian, space: ActionSpace, samples: Tensor, costs: Tensor) -> EliteGaussian:
        """Mean and standard deviation move to those of the elites; the best of them stay for the next
        round.
        """
        config = self.config
        pool = torch.cat((dist.kept, samples), dim=1)
        pool_costs = torch.cat((dist.kept_costs.to(costs.dtype), costs), dim=1)
        # A stable sort, unlike topk, says which of two equal candidates goes first.
        order = pool_costs.argsort(dim=1, stable=True)[:, : config.elites]
        rows = torch.arange(len(order), device=order.device)[:, None]
        elites = pool[rows, order]
        count = elites.shape[1]
        mean = sum_candidates(elites) / count
        std = (sum_candidates((elites - mean[:, None]).square()) / count).sqrt()
        return replace(
            dist,
            mean=config.alpha * dist.mean + (1.0 - config.alpha) * mean,
            std=torch.maximum(
                config.alpha * dist.std + (1.0 - config.alpha) * std,
                std_in_commands("min_std", config.min_std, space),
            ),
            kept=elites[:, : self.keep],
            kept_costs=pool_costs[rows, order[:, : self.keep]],
        )

    def spread(self, dist: EliteGaussian, space: ActionSpace) -> Tensor:
        """The largest standard deviation."""
        return relative_spread(dist.std, space)
