"""A diagonal Gaussian over the search variables, and what every planner that has one shares."""

from dataclasses import dataclass

import torch
from torch import Tensor

from forearm.planner import checks
from forearm.planner.sampling import arrays
from forearm.planner.sampling.action_space import ActionSpace
from forearm.planner.sampling.arrays import Rows
from forearm.planner.sampling.noise import Noise
from forearm.planner.search.evaluation import row_numbers
from forearm.planner.search.planner import Distribution, SearchConfig


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

    initial_std: float | tuple[float, ...] = 0.5
    min_std: float | tuple[float, ...] = 0.05
    noise_beta: float = 2.0

    def __post_init__(self) -> None:
        """Check the settings; raises `ValueError`."""
        super().__post_init__()
        object.__setattr__(self, "initial_std", checks.reals("initial_std", self.initial_std, least=0.0))
        object.__setattr__(self, "min_std", checks.reals("min_std", self.min_std, least=0.0))
        object.__setattr__(self, "noise_beta", checks.real("noise_beta", self.noise_beta, least=0.0, most=10.0))
        initial, least = per_dimension(self.initial_std), per_dimension(self.min_std)
        if len(initial) > 1 and len(least) > 1 and len(initial) != len(least):
            raise ValueError(f"initial_std has {len(initial)} numbers but min_std has {len(least)}")
        size = max(len(initial), len(least))
        if any(a < b for a, b in zip(spread(initial, size), spread(least, size), strict=True)):
            raise ValueError(f"min_std ({self.min_std}) is larger than initial_std ({self.initial_std})")


def per_dimension(setting: float | tuple[float, ...]) -> tuple[float, ...]:
    """A setting as a tuple of one number for all dimensions, or of one number each."""
    return setting if isinstance(setting, tuple) else (setting,)


def spread(setting: tuple[float, ...], size: int) -> tuple[float, ...]:
    """Repeat a single number `size` times."""
    return setting * size if len(setting) == 1 else setting


def std_in_commands(name: str, setting: float | tuple[float, ...], space: ActionSpace) -> Tensor:
    """A configured spread in the units of the commands, (A,); `ValueError` when it does not fit A."""
    fractions = per_dimension(setting)
    std: Tensor | None = space.memo.get(fractions)
    if std is None:
        if len(fractions) not in (1, space.dims):
            raise ValueError(f"{name} has {len(fractions)} numbers but an action has {space.dims} dimensions")
        scale = torch.tensor(fractions, dtype=space.low.dtype, device=space.low.device)
        std = space.memo[fractions] = space.half_range * scale
    return std


def std_row(name: str, setting: float | tuple[float, ...], space: ActionSpace) -> Rows:
    """The same for all variables in a row, (N,), as formulas want it."""
    key = "row", setting
    found = space.memo.get(key)
    if found is None:
        found = space.memo[key] = arrays.row(std_in_commands(name, setting, space), space.variables)
    return found


def initial_gaussian(config: GaussianConfig, space: ActionSpace, mean: Tensor) -> Gaussian:
    """The Gaussian a search starts from: the proposed `mean` (B, V, A) with the configured spread around
    it.
    """
    std = std_in_commands("initial_std", config.initial_std, space)
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


def relative_spread(std: Tensor, space: ActionSpace) -> Tensor:
    """The largest standard deviation of each problem (B,), in halves of a command's range.

    A command without a range cannot be spread; what rounding leaves of it does not count.
    """
    half = space.half_range
    return torch.where(half > 0, std / half.clamp(min=torch.finfo(std.dtype).tiny), 0.0).amax(dim=(1, 2))


def choose(values: Tensor, index: Tensor) -> Tensor:
    """Of values (B, N, ...), those with numbers `index` (B, E): (B, E, ...)."""
    if values.shape[0] == 1:
        return values.index_select(1, index.view(-1))
    return values[row_numbers(values.shape[0], values.device)[:, None], index]


def moved(now: Rows, before: Rows, kept: float) -> Rows:
    """From `now` back towards `before` by a share `kept`."""
    return now + (before - now) * kept if kept else now
