"""Error bars and paired tests: what a comparison may say and what it may not."""

from collections.abc import Sequence
from dataclasses import dataclass

from forearm.common import checks


def wilson(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a success rate (Wilson 1927), as fractions; (0, 1) when nothing was tried.

    Raises ValueError for successes outside [0, trials] or a confidence outside (0, 1).
    """
    if not 0 <= successes <= trials:
        raise ValueError(f"{successes} successes in {trials} trials is impossible")
    checks.real("confidence", confidence, above=0.0, below=1.0)
    if trials == 0:
        return 0.0, 1.0
    from scipy.stats import binomtest

    interval = binomtest(successes, trials).proportion_ci(confidence, method="wilson")
    return float(interval.low), float(interval.high)


def exact_paired_p(only_a: int, only_b: int) -> float:
    """Two-sided exact McNemar test: how surprising is this split of the episodes that only one of two solved?

    Under the null hypothesis each such episode falls to either side with probability 1/2 (McNemar 1947,
    exact form).
    """
    if only_a + only_b == 0:
        return 1.0
    from scipy.stats import binomtest

    return float(binomtest(only_a, only_a + only_b, 0.5).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """P values adjusted for testing several hypotheses at once (Holm 1979, step-down), in the given order."""
    adjusted = [0.0] * len(p_values)
    running = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = running
    return adjusted


@dataclass(frozen=True)
class Pair:
    """Two planners on the same episodes of one task: `only_a` episodes were solved by a alone."""

    task: str
    a: str
    b: str
    only_a: int
    only_b: int
    p: float
    p_holm: float
    verdict: str


def compare_pairs(
    outcomes: Sequence[tuple[str, str, str, Sequence[bool], Sequence[bool]]], alpha: float = 0.05
) -> list[Pair]:
    """Test each (task, a, b, successes of a, successes of b); Holm's correction runs over all of them
    together.

    The verdict is "a better" or "b better" only when the corrected p is below `alpha`, else "no difference
    shown". Raises ValueError when two lists of successes differ in length: then they are not the same
    episodes.
    """
    counts = []
    for task, a, b, of_a, of_b in outcomes:
        if len(of_a) != len(of_b):
            raise ValueError(f"{task}: {a} has {len(of_a)} episodes and {b} has {len(of_b)}: they cannot be paired")
        only_a = sum(x and not y for x, y in zip(of_a, of_b, strict=True))
        only_b = sum(y and not x for x, y in zip(of_a, of_b, strict=True))
        counts.append((task, a, b, only_a, only_b, exact_paired_p(only_a, only_b)))
    corrected = holm([count[-1] for count in counts])
    pairs = []
    for (task, a, b, only_a, only_b, p), p_holm in zip(counts, corrected, strict=True):
        verdict = "no difference shown"
        if p_holm < alpha:
            verdict = "a better" if only_a > only_b else "b better"
        pairs.append(Pair(task, a, b, only_a, only_b, p, p_holm, verdict))
    return pairs


def rate_bound(events: int, time: float, confidence: float = 0.95) -> float:
    """The greatest rate at which so few `events` of a Poisson process in `time` are no surprise: exact, one-sided.

    Where there were none, that is about 3 / `time`.
    """
    from scipy.stats import chi2

    return float(chi2.ppf(confidence, 2 * events + 2)) / 2.0 / time
