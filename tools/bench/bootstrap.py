"""What repeated timings allow to be said: medians, ratios, and intervals from resampling in pairs."""

from collections.abc import Callable, Sequence
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

    def text(self, digits: int = 2) -> str:
        """`1.23 [1.10, 1.40]`."""
        return f"{self.value:.{digits}f} [{self.low:.{digits}f}, {self.high:.{digits}f}]"

    def to_dict(self) -> dict[str, float]:
        """As plain numbers."""
        return asdict(self)


def median(values: ArrayLike, seed: int = 0) -> Interval:
    """The median of `values` (N,) with its interval."""
    return _bootstrap([_column(values)], lambda columns: np.median(columns[0], axis=-1), seed)


def ratio_of_medians(ours: ArrayLike, theirs: ArrayLike, seed: int = 0) -> Interval:
    """Median of `ours` (N,) over median of `theirs` (N,); the two are resampled together, round by round."""
    columns = _paired(ours, theirs)
    return _bootstrap(columns, lambda c: np.median(c[0], axis=-1) / np.median(c[1], axis=-1), seed)


def mean_ratio(ours: ArrayLike, theirs: ArrayLike, seed: int = 0) -> Interval:
    """Geometric mean of the ratios `ours[i] / theirs[i]`, problem by problem; raises ValueError unless all are
    positive.
    """
    a, b = _paired(ours, theirs)
    if (a <= 0).any() or (b <= 0).any():
        raise ValueError("a geometric mean needs positive numbers")
    return _bootstrap([np.log(a / b)], lambda columns: np.exp(columns[0].mean(axis=-1)), seed)


def _column(values: ArrayLike) -> Array:
    column = np.asarray(values, dtype=np.float64)
    if column.ndim != 1 or not len(column):
        raise ValueError(f"expected numbers in one row, got shape {column.shape}")
    return column


def _paired(ours: ArrayLike, theirs: ArrayLike) -> list[Array]:
    columns = [_column(ours), _column(theirs)]
    if len(columns[0]) != len(columns[1]):
        raise ValueError(f"{len(columns[0])} and {len(columns[1])} numbers cannot be paired")
    return columns


def _bootstrap(columns: Sequence[Array], statistic: Callable[[Sequence[Array]], Array], seed: int) -> Interval:
    """Percentile bootstrap (Efron 1979) over the rows that all columns share."""
    rows = len(columns[0])
    drawn = np.random.default_rng(seed).integers(0, rows, (RESAMPLES, rows))
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = np.nanpercentile(statistic([column[drawn] for column in columns]), [2.5, 97.5])
        value = statistic([column[None] for column in columns])[0]
    return Interval(float(value), float(low), float(high))
