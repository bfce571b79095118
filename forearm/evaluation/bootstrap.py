"""Intervals of what has no formula: times, distances, and success over several tasks.

Agarwal et al., "Deep Reinforcement Learning at the Edge of the Statistical Precipice", NeurIPS 2021 (rliable): the
interquartile mean and the probability of improvement, with episodes resampled within each task.
"""

from collections.abc import Callable, Sequence

import numpy as np

DRAWS = 2000
"""Times that episodes are drawn again."""


def interval(
    strata: Sequence[np.ndarray],
    statistic: Callable[[Sequence[np.ndarray]], np.ndarray],
    confidence: float,
    draws: int = DRAWS,
) -> tuple[float, float]:
    """Percentile interval of a statistic (Efron 1979) whose values are drawn again within each stratum.

    Args:
        strata: values (n,), n its own in each.
        statistic: from values (draws, n) of each stratum to (draws,).
        confidence: such as 0.95.
        draws: more are finer.
    """
    rng = np.random.default_rng(0)  # the same results give the same interval
    drawn = [values[rng.integers(len(values), size=(draws, len(values)))] for values in strata]
    tail = 50 * (1 - confidence)
    low, high = np.percentile(statistic(drawn), [tail, 100 - tail])
    return float(low), float(high)


def mean_difference(a: Sequence[float], b: Sequence[float], confidence: float) -> dict[str, object] | None:
    """How much more a is than b on the same episodes, on average: `difference`, `ci95`, and `n` episodes in which both
    are finite. None where there are none.
    """
    pairs = np.stack([np.asarray(a, np.float64), np.asarray(b, np.float64)])
    pairs = pairs[:, np.isfinite(pairs).all(axis=0)]
    apart = pairs[0] - pairs[1]
    if not len(apart):
        return None
    found = interval([apart], lambda drawn: drawn[0].mean(axis=1), confidence)
    return {"difference": float(apart.mean()), "ci95": list(found), "n": len(apart)}


def interquartile_mean(scores: np.ndarray) -> np.ndarray:
    """Mean of the middle half of scores (..., N): a quarter of them, rounded down, is left out at either end."""
    from scipy.stats import trim_mean

    return np.asarray(trim_mean(scores, 0.25, axis=-1))


def rates_over_tasks(solved: Sequence[np.ndarray], confidence: float) -> dict[str, object]:
    """Interquartile mean `iqm` of success rates, one for each array (n,) of successes, and its `ci95`."""

    def statistic(drawn: Sequence[np.ndarray]) -> np.ndarray:
        return interquartile_mean(np.stack([values.mean(axis=-1) for values in drawn], axis=-1))

    strata = [np.asarray(values, np.float64) for values in solved]
    return {"iqm": float(statistic(strata)), "ci95": list(interval(strata, statistic, confidence))}


def improvement(a: Sequence[np.ndarray], b: Sequence[np.ndarray], confidence: float) -> dict[str, object]:
    """The `probability` that an episode of a does better than one of b, ties counting half: over the tasks, in each of
    which both have an array (n,) of successes, the mean of Mann and Whitney's U as a share. And its `ci95`.
    """

    def statistic(drawn: Sequence[np.ndarray]) -> np.ndarray:
        shares = [
            0.5 + (x.mean(axis=-1) - y.mean(axis=-1)) / 2  # of successes and failures; U itself is slower
            for x, y in zip(drawn[: len(a)], drawn[len(a) :], strict=True)
        ]
        return np.asarray(np.mean(shares, axis=0))

    strata = [np.asarray(values, np.float64) for values in (*a, *b)]
    return {"probability": float(statistic(strata)), "ci95": list(interval(strata, statistic, confidence))}
