"""Random shooting: try many, keep the best, refine nothing. The weakest planner, and every other one's
floor.

Rao, "A survey of numerical methods for optimal control", 2009; as a planner with a learned model:
Nagabandi et al., ICRA 2018, sec. IV-C.
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
class RandomShootingConfig(SearchConfig):
    """Settings of random shooting.

    Attributes:
        distribution: `uniform` between the bounds, or `gaussian` around their middle.
        initial_std: of `gaussian`, in halves of a command's range; a number, or one per action dimension.
        noise_beta: exponent of its spectrum along time; 0 is white.
    """

    distribution: str = checks.setting("uniform", checks.choice, known=("uniform", "gaussian"))
    initial_std: float | tuple[float, ...] = checks.setting(0.5, checks.reals, least=0.0)
    noise_beta: float = checks.setting(0.0, checks.real, least=0.0, most=10.0)


class RandomShooting(Planner[BestSeen, RandomShootingConfig]):
    """Samples do not depend on what was learned. The best sequence seen is candidate 0 and the next
    plan's proposal.
    """

    name = "random_shooting"
    config_type = RandomShootingConfig

    def initial(self, space: ActionSpace, mean: Tensor) -> BestSeen:
        """Only the proposal."""
        return nothing_seen(mean)

    def sample(self, dist: BestSeen, space: ActionSpace, noise: Noise, iteration: int) -> Tensor:
        """Fresh sequences, every time from the same distribution."""
        config = self.config
        if config.distribution == "uniform":
            fractions = noise.uniform((config.samples, space.variables, space.dims), like=space.low)
            return fractions.mul_(2.0 * space.half_range).add_(space.low)
        std = space.std("initial_std", config.initial_std)
        numbers = noise.normal(config.samples, space.variables, space.dims, config.noise_beta, like=space.low)
        return (numbers * std).add_(space.middle)

    def update(self, dist: BestSeen, space: ActionSpace, samples: Tensor, costs: Tensor) -> BestSeen:
        """Remember the best."""
        return best_of_both(dist, samples, costs)
