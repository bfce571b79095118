"""The improved cross-entropy method.

Pinneri et al., "Sample-efficient Cross-Entropy Method for Real-time Planning", CoRL 2020, sec. 3: noise that is
correlated in time (3.1), elites kept within a plan and, shifted in time, from plan to plan (3.2), a population
that shrinks as the search narrows, and the mean among the candidates of the last iteration (3.3). Here the mean
is a candidate in every iteration.
"""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from forearm.common import checks
from forearm.errors import InputError
from forearm.planner.algorithms.cem import CEM, CEMConfig, EliteGaussian
from forearm.planner.algorithms.gaussian import draw
from forearm.planner.problem import Past
from forearm.planner.sampling.action_space import ActionSpace
from forearm.planner.sampling.noise import Noise


@dataclass(frozen=True, kw_only=True)
class ICEMConfig(CEMConfig):
    """Settings of iCEM, a CEM that remembers; 173 + 139 + 111 + 89 = 512 candidates by default.

    Attributes:
        samples: candidates of the first iteration.
        keep_fraction: share of the elites that stay for the next iteration and the next plan.
        decay: each iteration's candidates are this many times fewer (the paper's gamma), but never below twice the
            elites.
    """

    samples: int = 173
    elites: int = 10
    noise_beta: float = 2.5
    keep_fraction: float = 0.3
    decay: float = checks.setting(1.25, checks.real, least=1.0)

    def __post_init__(self) -> None:
        """Check the settings; raises `ValueError`."""
        super().__post_init__()
        if self.samples < 2 * self.elites:
            raise InputError(f"samples ({self.samples}) is smaller than twice the elites ({self.elites})")

    def population(self, iteration: int) -> int:
        """Candidates in the given iteration, counted from 0."""
        return max(math.ceil(self.samples * self.decay**-iteration - 1e-9), 2 * self.elites)


@dataclass(frozen=True)
class CarriedElites(EliteGaussian):
    """Before the first update, the elites of the previous plan: `shifted` (B, E, V, A) where `shifted_known` (B, E)."""

    shifted: Tensor
    shifted_known: Tensor


class ICEM(CEM):
    """CEM that remembers."""

    name = "icem"
    config_type = ICEMConfig
    config: ICEMConfig

    def initial(self, space: ActionSpace, mean: Tensor) -> CarriedElites:
        """CEM's start, and no previous plan."""
        start = super().initial(space, mean)
        nothing = torch.zeros_like(mean[:, :0, 0], dtype=torch.bool)
        return CarriedElites(
            start.mean, start.std, start.kept, start.kept_costs, shifted=start.kept[:, :0], shifted_known=nothing
        )

    def resume(self, dist: EliteGaussian, past: Past) -> EliteGaussian:
        """Remember the previous plan's elites, as they look now."""
        assert isinstance(dist, CarriedElites)
        count = min(self.keep, self.config.samples - 1)
        return replace(dist, shifted=past.elites[:, :count], shifted_known=past.elites_known[:, :count])

    def sample(self, dist: EliteGaussian, space: ActionSpace, noise: Noise, iteration: int) -> Tensor:
        """A shrinking population of coloured noise; in the first iteration the old elites take their places in it."""
        samples = draw(dist, noise, self.config.population(iteration), self.config.noise_beta)
        if isinstance(dist, CarriedElites):
            count = dist.shifted.shape[1]
            known = dist.shifted_known[..., None, None]
            samples[:, 1 : 1 + count] = torch.where(known, dist.shifted, samples[:, 1 : 1 + count])
        return samples

    def hand_on(self, dist: EliteGaussian) -> tuple[Tensor, Tensor] | None:
        """The elites that stayed, for the next plan."""
        return dist.kept, dist.kept_costs
