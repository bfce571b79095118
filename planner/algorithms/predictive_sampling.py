"""Predictive sampling: perturb the best sequence known, keep the best of all.

Howell et al., "Predictive Sampling: Real-time Behaviour Synthesis with MuJoCo", arXiv 2212.00541, alg. 1. The paper
does one round per plan on spline knots (`iterations=1 knots=...`) and relies on replanning to improve.
"""

from dataclasses import dataclass

from torch import Tensor

from forearm.common import checks
from forearm.planner.sampling.action_space import ActionSpace
from forearm.planner.sampling.noise import Noise
from forearm.planner.search.config import SearchConfig
from forearm.planner.search.distribution import BestSeen, best_of_both, nothing_seen
from forearm.planner.search.planner import Planner


@dataclass(frozen=True, kw_only=True)
class PredictiveSamplingConfig(SearchConfig):
    """Settings of predictive sampling.

    Attributes:
        std: of the perturbation, in halves of a command's range; a number, or one per action dimension.
        noise_beta: exponent of its spectrum along time; 0 is white.
    """

    std: float | tuple[float, ...] = checks.setting(0.25, checks.reals, least=0.0)
    noise_beta: float = checks.setting(2.0, checks.real, least=0.0, most=10.0)


class PredictiveSampling(Planner[BestSeen, PredictiveSamplingConfig]):
    """Gaussian perturbations of one fixed size around the best sequence seen."""

    name = "predictive_sampling"
    config_type = PredictiveSamplingConfig

    def initial(self, space: ActionSpace, mean: Tensor) -> BestSeen:
        """The proposal, the nominal sequence."""
        return nothing_seen(mean)

    def sample(self, dist: BestSeen, space: ActionSpace, noise: Noise, iteration: int) -> Tensor:
        """Draw x = nominal + std * noise."""
        config = self.config
        std = space.std("std", config.std)
        numbers = noise.normal(config.samples, space.variables, space.dims, config.noise_beta, like=dist.mean)
        return (numbers * std).add_(dist.mean[:, None])

    def update(self, dist: BestSeen, space: ActionSpace, samples: Tensor, costs: Tensor) -> BestSeen:
        """The best becomes the nominal."""
        return best_of_both(dist, samples, costs)
