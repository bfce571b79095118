"""What a paired test of so many episodes can show: its power, the least difference, and how many episodes it takes."""

from functools import cache

import numpy as np

POWER = 0.8
"""Chance of being shown that counts as enough."""
MOST_EPISODES = 20_000
"""Beyond which more episodes are no answer."""


def paired_power(episodes: int, only_a: float, only_b: float, alpha: float) -> float:
    """Chance that the exact two-sided McNemar test of `statistics.exact_paired_p` comes out at `alpha` or below.

    Unconditional and exact: over how many of the `episodes` only one of two solves (binomial), and how these split.
    An episode is solved by a alone with chance `only_a`, by b alone with chance `only_b`.
    """
    from scipy.stats import binom

    discordant = only_a + only_b
    if discordant <= 0:
        return 0.0
    low, high = binom.ppf([1e-12, 1 - 1e-12], episodes, discordant)
    counts = np.arange(int(low), int(high) + 1)
    # The most episodes on one side for which the test comes out; -1 where it never does.
    most = binom.ppf(alpha / 2, counts, 0.5)
    most = np.where(binom.cdf(most, counts, 0.5) > alpha / 2, most - 1, most)
    share = only_a / discordant
    shown = binom.cdf(most, counts, share) + binom.cdf(most, counts, 1 - share)
    return float((binom.pmf(counts, episodes, discordant) * shown).sum())


@cache
def detectable(episodes: int, alpha: float, power: float = POWER) -> float | None:
    """The least difference of two success rates, in steps of 0.01, that is shown with chance `power`; None: there is
    none.

    Assumes rates on either side of one half, where differences are hardest to show, and rows whose successes do not go
    together; where they do, less is shown as well.
    """
    for hundredths in range(1, 101):
        half = hundredths / 200
        if paired_power(episodes, (0.5 + half) ** 2, (0.5 - half) ** 2, alpha) >= power:
            return hundredths / 100
    return None


@cache
def episodes_needed(only_a: float, only_b: float, alpha: float, power: float = POWER) -> int | None:
    """Episodes with which a difference is shown with chance `power`; None: more than `MOST_EPISODES`, or there is no
    difference.

    `only_a` and `only_b` are as in `paired_power`. To within the steps in which the power of an exact test rises.
    """
    if only_a == only_b or paired_power(MOST_EPISODES, only_a, only_b, alpha) < power:
        return None
    low, high = 0, MOST_EPISODES
    while high - low > 1:
        middle = (low + high) // 2
        if paired_power(middle, only_a, only_b, alpha) < power:
            low = middle
        else:
            high = middle
    return high
