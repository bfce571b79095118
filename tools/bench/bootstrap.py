"""What repeated timings allow to be said: medians, ratios, and intervals from resampling in pairs."""

from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
RESAMPLES = 4000


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float

    def to_dict(self, factor: float = 1.0) -> dict[str, float]:
        """As plain numbers, times a factor (1000: seconds as milliseconds)."""
        return {key: factor * value for key, value in asdict(self).items()}


def median(values: ArrayLike, seed: int = 0) -> Interval:
    """The median of `values` (N,) with its interval."""
    return _bootstrap(lambda x, axis=-1: np.median(x, axis), seed, _column(values))


def ratio_of_medians(ours: ArrayLike, theirs: ArrayLike, seed: int = 0) -> Interval:
    """Median of `ours` (N,) over median of `theirs` (N,); the two are resampled together, round by round."""
    a, b = _paired(ours, theirs)
    return _bootstrap(lambda x, y, axis=-1: np.median(x, axis) / np.median(y, axis), seed, a, b)


def mean_ratio(ours: ArrayLike, theirs: ArrayLike, seed: int = 0) -> Interval:
    """Geometric mean of the ratios `ours[i] / theirs[i]`, problem by problem; raises ValueError unless all are
    positive.
    """
    a, b = _paired(ours, theirs)
    if (a <= 0).any() or (b <= 0).any():
        raise ValueError("a geometric mean needs positive numbers")
    return _bootstrap(lambda x, axis=-1: np.exp(x.mean(axis)), seed, np.log(a / b))


def _column(values: ArrayLike) -> Array:
    column = np.asarray(values, dtype=np.float64)
    if column.ndim != 1 or not len(column):
        raise ValueError(f"expected numbers in one row, got shape {column.shape}")
    return column


def _paired(ours: ArrayLike, theirs: ArrayLike) -> tuple[Array, Array]:
    a, b = _column(ours), _column(theirs)
    if len(a) != len(b):
        raise ValueError(f"{len(a)} and {len(b)} numbers cannot be paired")
    return a, b


def _bootstrap(statistic: Callable[..., Array], seed: int, *columns: Array) -> Interval:
    """Percentile bootstrap (Efron 1979) over the rows that all columns share; of a single row, no width."""
    from scipy.stats import bootstrap

    value = float(statistic(*columns))
    if len(columns[0]) == 1:
        return Interval(value, value, value)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = bootstrap(
            columns, statistic, n_resamples=RESAMPLES, paired=True, vectorized=True, method="percentile",
            random_state=np.random.default_rng(seed),
        )  # fmt: skip
    return Interval(value, float(found.confidence_interval.low), float(found.confidence_interval.high))
