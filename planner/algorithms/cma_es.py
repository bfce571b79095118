"""CMA-ES: a Gaussian that learns which variables go together.

Hansen, "The CMA Evolution Strategy: A Tutorial", arXiv 1604.00772. The algorithm is that of the `cma` library
(Hansen, Akimoto and Baudis, pycma), with one evolution path, covariance and step size per problem; this module
gives it the search space, the random stream and the costs. Bounds are kept by the library's own smooth
transformation, which the search sees through.
"""

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from forearm.common import checks
from forearm.errors import InputError
from forearm.planner.sampling.action_space import ActionSpace
from forearm.planner.sampling.noise import Noise
from forearm.planner.search.config import SearchConfig
from forearm.planner.search.distribution import Distribution
from forearm.planner.search.planner import Planner

LEAST_POPULATION = 4


@cache
def blas() -> Any:
    """NumPy's linear algebra. With matrices of a plan's size, more of its threads than one gain nothing, and wait in a
    busy loop that takes the cores from the model's next rollout: with two threads, a plan took twice as long.
    """
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")


@dataclass(frozen=True, kw_only=True)
class CMAESConfig(SearchConfig):
    """Settings of CMA-ES.

    Attributes:
        initial_std: first standard deviation, in halves of a command's range; a number, or one per action dimension.
        diagonal: learn variances only, which is faster where there are many variables.
    """

    samples: int = 16
    iterations: int = 32
    initial_std: float | tuple[float, ...] = checks.setting(0.5, checks.reals, least=0.0)
    diagonal: bool = checks.setting(False, checks.flag)

    def __post_init__(self) -> None:
        """Check the settings; raises `ValueError`."""
        super().__post_init__()
        drawn = self.samples - 1 - round(self.prior_share * (self.samples - 1))
        if drawn < LEAST_POPULATION:
            least = LEAST_POPULATION + 1
            raise InputError(f"samples must leave at least {least} to cma_es, got {drawn + 1} after prior_share")


class Strategy:
    """One problem's evolution strategy, in variables of half a range each; lives as long as one plan.

    `mean` (N,) and `std` (N,) start it, `population` candidates make an iteration.
    """

    def __init__(self, mean: NDArray[np.float64], std: NDArray[np.float64], population: int, diagonal: bool) -> None:
        try:
            import cma

            self.blas = blas()
        except ImportError as error:
            name = error.name or "cma"
            raise InputError(f"planner 'cma_es' needs the package {name}: pip install {name}") from None
        self.generator: Generator | None = None
        self.size = len(mean)
        self.asked: list[NDArray[np.float64]] = []
        # The library wants two variables at least; a second one that nothing depends on does no harm.
        pad = max(2 - self.size, 0)
        options: dict[str, Any] = {
            "popsize": population,
            "bounds": [-1.0, 1.0],
            "CMA_stds": np.append(np.maximum(std / max(std.max(), 1e-9), 1e-3), np.ones(pad)),
            "CMA_diagonal": diagonal,
            "randn": self._noise,
            "seed": np.nan,
            "verbose": -9,
            "verb_log": 0,
            "verb_disp": 0,
        }
        start = np.append(np.clip(mean, -1.0, 1.0), np.zeros(pad))
        self.search: Any = cma.CMAEvolutionStrategy(start, max(float(std.max()), 1e-9), options)

    def _noise(self, *shape: int) -> NDArray[np.float64]:
        """Standard normal numbers from the problem's own stream."""
        assert self.generator is not None
        return np.asarray(torch.randn(shape, generator=self.generator, dtype=torch.float64).numpy())

    def ask(self, generator: Generator) -> NDArray[np.float64]:
        """Candidates (population, N) within [-1, 1]."""
        self.generator = generator
        with self.blas.limit(limits=1):
            self.asked = self.search.ask()
        return np.stack(self.asked)[:, : self.size]

    def tell(self, costs: NDArray[np.float64]) -> None:
        """Learn from the costs (population,) of what was asked; flat costs teach nothing."""
        if costs.min() < costs.max():
            with self.blas.limit(limits=1):
                self.search.tell(self.asked, costs.tolist())

    @property
    def mean(self) -> NDArray[np.float64]:
        """The centre (N,) of the search, within [-1, 1]."""
        return np.asarray(self.search.result.xfavorite, dtype=np.float64)[: self.size]

    @property
    def spread(self) -> float:
        """The largest standard deviation."""
        return float(np.max(self.search.stds))


@dataclass(frozen=True)
class Strategies(Distribution):
    """The centres as `mean`, `std` (B,) the largest spreads, and one strategy per problem, which change in place: a
    plan makes its own and drops them at its end.
    """

    std: Tensor
    strategies: tuple[Strategy, ...]


class CMAES(Planner[Strategies, CMAESConfig]):
    """Ask, roll out, tell."""

    name = "cma_es"
    config_type = CMAESConfig

    def initial(self, space: ActionSpace, mean: Tensor) -> Strategies:
        """A strategy per problem, around the proposal."""
        others = self.config.samples - 1
        population = others - self.proposed(others)
        half = space.half_range
        std = space.std("initial_std", self.config.initial_std) / half.clamp(min=1e-30)
        fractions = std.double().cpu().numpy()[None].repeat(space.variables, axis=0).ravel()
        units = ((mean - space.middle) / half.clamp(min=1e-30)).double().cpu().numpy()
        strategies = tuple(Strategy(row.ravel(), fractions, population, self.config.diagonal) for row in units)
        return Strategies(mean, torch.full_like(mean[:, 0, 0], torch.inf), strategies)

    def sample(self, dist: Strategies, space: ActionSpace, noise: Noise, iteration: int) -> Tensor:
        """The mean, what the strategies ask for, and the mean again in the places that proposals will take."""
        asked = np.stack([s.ask(g) for s, g in zip(dist.strategies, noise.generators, strict=True)])
        candidates = self._commands(asked, space)
        rest = self.config.samples - 1 - candidates.shape[1]
        mean = dist.mean[:, None]
        return torch.cat((mean, candidates, mean.expand(-1, rest, -1, -1)), dim=1)

    def update(self, dist: Strategies, space: ActionSpace, samples: Tensor, costs: Tensor) -> Strategies:
        """Tell each strategy the costs of what it asked for."""
        told = costs.double().cpu().numpy()
        for strategy, row in zip(dist.strategies, told, strict=True):
            strategy.tell(row[1 : 1 + len(strategy.asked)])
        mean = self._commands(np.stack([s.mean for s in dist.strategies]), space)
        spread = torch.tensor([s.spread for s in dist.strategies]).to(dist.std)
        return replace(dist, mean=space.clip(mean), std=spread)

    def spread(self, dist: Strategies, space: ActionSpace) -> Tensor:
        """The largest standard deviation of the strategy's Gaussian."""
        return dist.std

    def _commands(self, units: NDArray[np.float64], space: ActionSpace) -> Tensor:
        """Variables (..., N) in [-1, 1] as (..., V, A) in the units of the commands."""
        shaped = torch.as_tensor(units.reshape(*units.shape[:-1], space.variables, space.dims)).to(space.low)
        return shaped * space.half_range + space.middle
