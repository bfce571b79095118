"""A diagonal Gaussian over the search variables, and what every planner that has one shares."""

from dataclasses import dataclass

from torch import Tensor

from forearm.common import checks
from forearm.common.checks import per_dimension
from forearm.errors import InputError
from forearm.planner.sampling.action_space import ActionSpace
from forearm.planner.sampling.arrays import Rows
from forearm.planner.sampling.noise import Noise
from forearm.planner.search.config import SearchConfig
from forearm.planner.search.distribution import Distribution


@dataclass(frozen=True)
class Gaussian(Distribution):
    """Mean and standard deviation, both (B, V, A), in the units of the commands."""

    std: Tensor


@dataclass(frozen=True, kw_only=True)
class GaussianConfig(SearchConfig):
    """Settings of a search that samples a Gaussian.

    Attributes:
        initial_std: first standard deviation, in halves of a command's range; a number, or one per action dimension.
            Between bounds of -1 and 1 it is simply a standard deviation.
        min_std: the least that it shrinks to, alike.
        noise_beta: exponent of the noise's spectrum along time; 0 is white.
    """

    initial_std: float | tuple[float, ...] = checks.setting(0.5, checks.reals, least=0.0)
    min_std: float | tuple[float, ...] = checks.setting(0.05, checks.reals, least=0.0)
    noise_beta: float = checks.setting(2.0, checks.real, least=0.0, most=10.0)

    def __post_init__(self) -> None:
        """Check the settings; raises `ValueError`."""
        super().__post_init__()
        initial, least = per_dimension(self.initial_std), per_dimension(self.min_std)
        if len(initial) > 1 and len(least) > 1 and len(initial) != len(least):
            raise InputError(f"initial_std has {len(initial)} numbers but min_std has {len(least)}")
        size = max(len(initial), len(least))
        if any(a < b for a, b in zip(spread(initial, size), spread(least, size), strict=True)):
            raise InputError(f"min_std ({self.min_std}) is larger than initial_std ({self.initial_std})")


def spread(setting: tuple[float, ...], size: int) -> tuple[float, ...]:
    """Repeat a single number `size` times."""
    return setting * size if len(setting) == 1 else setting


def initial_gaussian(config: GaussianConfig, space: ActionSpace, mean: Tensor) -> Gaussian:
    """The Gaussian a search starts from: the proposed `mean` (B, V, A) with the configured spread around
    it.
    """
    std = space.std("initial_std", config.initial_std)
    return Gaussian(mean=mean, std=std.expand_as(mean))


def draw(dist: Gaussian, noise: Noise, count: int, beta: float) -> Tensor:
    """`count` samples per problem (B, count, V, A) with noise of exponent `beta` along time; not clipped."""
    _, variables, dims = dist.mean.shape
    numbers = noise.normal(count, variables, dims, beta, like=dist.mean)
    return spread_out(numbers, dist.mean, dist.std)


def spread_out(numbers: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Samples mean + std * numbers, of numbers (B, K, V, A) and the others (B, V, A)."""
    if len(mean) > 1:
        mean, std = mean.unsqueeze(1), std.unsqueeze(1)
    # Multiplied before added: a fused multiply-add would round differently from row to row.
    return (numbers * std).add_(mean)


def moved(now: Rows, before: Rows, kept: float) -> Rows:
    """From `now` back towards `before` by a share `kept`."""
    return now + (before - now) * kept if kept else now
