"""What people watch plants with: principal components of readings and commands, T^2 within them and Q beside them.

Hotelling's T^2 and the squared prediction error Q of Jackson and Mudholkar (Technometrics 21, 1979); with lags it is
dynamic PCA (Ku, Storer and Georgakis, Chemometrics and Intelligent Laboratory Systems 30, 1995).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Pca:
    """mean, std (F,); components (F, C) and their variances (C,); lags: moments before the present that are seen."""

    mean: np.ndarray
    std: np.ndarray
    components: np.ndarray
    variances: np.ndarray
    lags: int

    @classmethod
    def fit(cls, runs: Sequence[np.ndarray], lags: int, share: float) -> "Pca":
        """Of runs (L, V) of normal operation; the components hold this share of the variance."""
        rows = np.concatenate([_lagged(run, lags) for run in runs])
        mean, std = rows.mean(0), np.maximum(rows.std(0), 1e-9)
        variances, vectors = np.linalg.eigh(np.cov(((rows - mean) / std).T))
        order = np.argsort(-variances)
        count = int(np.searchsorted(np.cumsum(variances[order]) / variances.sum(), share)) + 1
        kept = order[:count]
        return cls(mean, std, vectors[:, kept], variances[kept], lags)

    def scores(self, run: np.ndarray) -> np.ndarray:
        """(L, 2) T^2 and Q of a run (L, V); NaN before there are as many moments as it sees."""
        rows = (_lagged(run, self.lags) - self.mean) / self.std
        along = rows @ self.components
        beside = rows - along @ self.components.T
        found = np.stack([(along**2 / self.variances).sum(1), (beside**2).sum(1)], axis=1)
        return np.concatenate([np.full((self.lags, 2), np.nan), found])


def _lagged(run: np.ndarray, lags: int) -> np.ndarray:
    return np.concatenate([run[lag : len(run) - lags + lag] for lag in range(lags + 1)], axis=1)
