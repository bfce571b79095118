"""Error bars and paired tests: what a comparison may say and what it may not."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from forearm.common import checks
from forearm.evaluation.power import episodes_needed

MCNEMAR, BOSCHLOO = "mcnemar", "boschloo"


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


def exact_unpaired_p(solved_a: int, of_a: int, solved_b: int, of_b: int) -> float:
    """Two-sided test of two success rates on episodes that have nothing to do with each other (Boschloo 1970)."""
    from scipy.stats import boschloo_exact

    table = [[solved_a, solved_b], [of_a - solved_a, of_b - solved_b]]
    if 0 in (sum(table[0]), sum(table[1])):  # all were solved, or none
        return 1.0
    return min(1.0, float(boschloo_exact(table).pvalue))


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
    """Two planners on one task, on the same episodes: `only_a` of them were solved by a alone.

    `test` says by which test; of `boschloo`, on different episodes, `only_a` and `only_b` are None. `n`: episodes of
    each. `difference`: of the success rates, a's less b's. `more_episodes`: further ones with which the paired test
    would tell the two apart with chance 0.8, if they go on as they did; 0 where it does, None where that is not known.
    """

    task: str
    a: str
    b: str
    only_a: int | None
    only_b: int | None
    p: float
    p_holm: float
    verdict: str
    test: str = MCNEMAR
    n: tuple[int, int] = (0, 0)
    difference: float = 0.0
    more_episodes: int | None = None


def compare_pairs(
    outcomes: Sequence[tuple[str, str, str, Sequence[bool], Sequence[bool]]],
    alpha: float = 0.05,
    unpaired: Collection[int] = (),
) -> list[Pair]:
    """Test each (task, a, b, successes of a, successes of b); Holm's correction runs over all of them
    together.

    Those whose place is in `unpaired` are on different episodes. The verdict is "a better" or "b better" only when the
    corrected p is below `alpha`, else "no difference shown". Raises ValueError when two lists of successes differ in
    length: then they are not the same episodes.
    """
    pairs = []
    for place, (task, a, b, of_a, of_b) in enumerate(outcomes):
        difference = sum(of_a) / max(len(of_a), 1) - sum(of_b) / max(len(of_b), 1)
        if place in unpaired:
            p = exact_unpaired_p(sum(of_a), len(of_a), sum(of_b), len(of_b))
            pairs.append(Pair(task, a, b, None, None, p, 1.0, "", BOSCHLOO, (len(of_a), len(of_b)), difference))
            continue
        if len(of_a) != len(of_b):
            raise ValueError(f"{task}: {a} has {len(of_a)} episodes and {b} has {len(of_b)}: they cannot be paired")
        only_a = sum(x and not y for x, y in zip(of_a, of_b, strict=True))
        only_b = sum(y and not x for x, y in zip(of_a, of_b, strict=True))
        n = (len(of_a), len(of_b))
        pairs.append(Pair(task, a, b, only_a, only_b, exact_paired_p(only_a, only_b), 1.0, "", MCNEMAR, n, difference))
    corrected = holm([pair.p for pair in pairs])
    return [_judged(pair, p_holm, alpha, len(pairs)) for pair, p_holm in zip(pairs, corrected, strict=True)]


def _judged(pair: Pair, p_holm: float, alpha: float, tests: int) -> Pair:
    """With the corrected p and what it says."""
    shown = p_holm < alpha
    verdict = "no difference shown" if not shown else "a better" if pair.difference > 0 else "b better"
    more = 0 if shown else None
    if not shown and pair.only_a is not None and pair.only_b is not None and pair.n[0]:
        n = pair.n[0]
        # Holm's first step, the hardest: what passes it is shown whatever the other tests say.
        needed = episodes_needed(pair.only_a / n, pair.only_b / n, alpha / tests)
        more = None if needed is None else max(needed - n, 1)
    return replace(pair, p_holm=p_holm, verdict=verdict, more_episodes=more)


def rate_bound(events: int, time: float, confidence: float = 0.95) -> float:
    """The greatest rate at which so few `events` of a Poisson process in `time` are no surprise: exact, one-sided.

    Where there were none, that is about 3 / `time`.
    """
    from scipy.stats import chi2

    return float(chi2.ppf(confidence, 2 * events + 2)) / 2.0 / time
