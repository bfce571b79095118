from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forearm.evaluation.bootstrap import improvement, interquartile_mean, interval, mean_difference, rates_over_tasks
from forearm.evaluation.power import detectable, episodes_needed, paired_power
from forearm.evaluation.statistics import (
    compare_pairs,
    exact_paired_p,
    exact_unpaired_p,
    holm,
    rate_bound,
    wilson,
)


def test_wilson_against_published_values() -> None:
    # Newcombe 1998, table I: 81 of 263 and 0 of 20, without continuity correction.
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)


@settings(deadline=None)
@given(st.integers(1, 200).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_holds_the_rate_and_stays_within_bounds(counts: tuple[int, int]) -> None:
    low, high = wilson(*counts)
    assert 0 <= low <= counts[0] / counts[1] + 1e-12
    assert counts[0] / counts[1] - 1e-12 <= high <= 1


def test_wilson_refuses_what_cannot_be() -> None:
    with pytest.raises(ValueError):
        wilson(3, 2)
    with pytest.raises(ValueError):
        wilson(1, 2, 95)
    assert wilson(0, 0) == (0.0, 1.0)


def test_the_paired_test_counts_only_episodes_that_one_of_two_solved() -> None:
    assert exact_paired_p(0, 0) == 1.0
    assert exact_paired_p(0, 5) == pytest.approx(2 * 0.5**5)
    assert exact_paired_p(3, 3) == 1.0
    assert exact_paired_p(1, 9) == exact_paired_p(9, 1) == pytest.approx(2 * 11 * 0.5**10)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_never_lowers_a_p_value_nor_changes_the_order(p: list[float]) -> None:
    adjusted = holm(p)
    assert all(a >= b and a <= 1 for a, b in zip(adjusted, p, strict=True))
    order = sorted(range(len(p)), key=lambda i: p[i])
    assert all(adjusted[i] <= adjusted[j] for i, j in pairwise(order))


def test_better_is_said_only_when_the_corrected_test_says_so() -> None:
    good, bad = [True] * 6, [False] * 6
    (pair,) = compare_pairs([("t", "x", "y", good, bad)])
    assert (pair.only_a, pair.only_b, pair.verdict) == (6, 0, "a better")
    assert pair.p == pair.p_holm == pytest.approx(2 * 0.5**6)
    # The same split among two tests no longer suffices.
    both = compare_pairs([("t", "x", "y", good, bad), ("t", "x", "z", bad, good)])
    assert [pair.verdict for pair in both] == ["no difference shown"] * 2
    (pair,) = compare_pairs([("t", "x", "y", bad, good)])
    assert pair.verdict == "b better"


def test_different_episodes_cannot_be_paired() -> None:
    with pytest.raises(ValueError, match="paired"):
        compare_pairs([("t", "x", "y", [True], [True, False])])


@pytest.mark.parametrize(
    "events, time, bound", [(0, 1.0, 2.9957), (0, 3.2, 0.9362), (1, 1.0, 4.7439), (3, 2.0, 3.8768)]
)
def test_a_rate_is_bounded_by_few_events(events: int, time: float, bound: float) -> None:
    from scipy.stats import poisson

    found = rate_bound(events, time)
    assert found == pytest.approx(bound, abs=1e-3) and poisson.cdf(events, found * time) == pytest.approx(0.05)


def test_the_unpaired_test_against_published_values() -> None:
    # R's package Exact, exact.test(method="Boschloo", tsmethod="central"): one-sided 0.009886142 and 0.0001615562, as
    # SciPy's tests have them. The central two-sided test takes twice that.
    assert exact_unpaired_p(2, 10, 7, 9) == pytest.approx(2 * 0.009886142, abs=1e-7)
    assert exact_unpaired_p(43, 53, 40, 79) == pytest.approx(2 * 0.0001615562, abs=1e-7)
    assert exact_unpaired_p(2, 9, 7, 15) == pytest.approx(exact_unpaired_p(7, 15, 2, 9))
    assert exact_unpaired_p(0, 5, 0, 9) == exact_unpaired_p(5, 5, 9, 9) == 1.0


def test_the_unpaired_test_is_more_than_fishers() -> None:
    from scipy.stats import fisher_exact

    for a, b in ((7, 2), (9, 4), (1, 6)):
        assert exact_unpaired_p(a, 10, b, 10) < fisher_exact([[a, b], [10 - a, 10 - b]]).pvalue


def test_an_unpaired_pair_says_so_and_is_of_the_family() -> None:
    paired, unpaired = compare_pairs(
        [("t", "x", "y", [True] * 9, [False] * 9), ("t", "x", "z", [True] * 9, [False] * 5)], unpaired=[1]
    )
    assert (paired.test, unpaired.test) == ("mcnemar", "boschloo")
    assert unpaired.only_a is None and unpaired.n == (9, 5) and unpaired.difference == 1.0
    assert unpaired.p_holm == pytest.approx(2 * min(paired.p, unpaired.p)) or unpaired.p_holm >= unpaired.p
    assert unpaired.verdict == "a better" and unpaired.more_episodes == 0


def test_holm_against_scipy_where_all_are_the_smallest() -> None:
    # Holm 1979, sec. 3, table: four tests at 0.05, of which the first two are rejected.
    adjusted = holm([0.01, 0.015, 0.03, 0.04])
    assert [p <= 0.05 for p in adjusted] == [True, True, False, False]
    assert adjusted == pytest.approx([0.04, 0.045, 0.06, 0.06])


def test_the_power_of_the_paired_test_against_a_published_value() -> None:
    # G*Power 3.1 manual, "Proportions: inequality, two dependent groups (McNemar)", its example (after O'Brien 2002):
    # one-sided at 0.05, so two-sided at 0.1, 50 pairs, 8 and 32 % discordant: power 0.839343, actual level 0.032578.
    assert paired_power(50, 0.08, 0.32, 0.1) == pytest.approx(0.839343, abs=1e-4)
    assert paired_power(50, 0.2, 0.2, 0.1) == pytest.approx(2 * 0.032578, abs=1e-5)
    assert paired_power(50, 0.0, 0.0, 0.05) == 0.0


def test_the_power_is_how_often_the_test_comes_out() -> None:
    rng = np.random.default_rng(1)
    drawn = rng.multinomial(40, [0.3, 0.1, 0.6], size=4000)
    often = np.mean([exact_paired_p(int(a), int(b)) <= 0.05 for a, b, _ in drawn])
    assert paired_power(40, 0.3, 0.1, 0.05) == pytest.approx(often, abs=0.025)


def test_what_can_be_shown_and_how_many_episodes_it_takes() -> None:
    shown = [detectable(n, 0.05) for n in (50, 100, 300)]
    assert shown == [0.31, 0.21, 0.12]
    assert detectable(4, 0.05) is None  # four episodes on one side are no surprise
    assert all(fewer < more for fewer, more in pairwise([0.21, detectable(100, 0.01) or 0.0]))
    needed = episodes_needed(0.3, 0.1, 0.05)
    assert needed is not None and paired_power(needed, 0.3, 0.1, 0.05) >= 0.8 > paired_power(needed - 1, 0.3, 0.1, 0.05)
    # Connor 1987, whose normal approximation gives 79 for 15 and 5 %, at 0.05 with power 0.8 and no correction; the
    # exact test takes somewhat more.
    assert 0 <= (episodes_needed(0.15, 0.05, 0.05) or 0) - 155 < 25
    assert episodes_needed(0.2, 0.2, 0.05) is None and episodes_needed(0.2001, 0.2, 0.05) is None


def test_a_pair_says_how_many_more_episodes_would_tell_it_apart() -> None:
    a, b = [True] * 30 + [False] * 20, [True] * 22 + [False] * 28
    (pair,) = compare_pairs([("t", "x", "y", a, b)])
    assert pair.more_episodes == 0  # 8 to 0
    (pair,) = compare_pairs([("t", "x", "y", a[4:] + [False] * 4, b)])
    needed = episodes_needed(pair.only_a / 50, pair.only_b / 50, 0.05)
    assert pair.verdict == "no difference shown" and needed is not None and pair.more_episodes == max(needed - 50, 1)
    (pair,) = compare_pairs([("t", "x", "y", a, a)])
    assert pair.more_episodes is None


def test_the_bootstrap_against_scipys() -> None:
    from scipy.stats import bootstrap

    rng = np.random.default_rng(0)
    a, b = rng.normal(3.0, 1.0, 60), rng.normal(2.0, 2.0, 60)
    found = mean_difference(a, b, 0.95)
    theirs = bootstrap((a - b,), np.mean, n_resamples=20000, method="percentile").confidence_interval
    assert found is not None and found["difference"] == pytest.approx((a - b).mean()) and found["n"] == 60
    assert found["ci95"] == pytest.approx([theirs.low, theirs.high], abs=0.06)
    assert mean_difference(a, b, 0.95) == found
    assert mean_difference([np.inf], [1.0], 0.95) is None
    assert mean_difference([np.inf, 2.0], [np.inf, 1.0], 0.95) == {"difference": 1.0, "ci95": [1.0, 1.0], "n": 1}


def test_the_interquartile_mean_leaves_a_quarter_out_at_either_end() -> None:
    # rliable's metrics.aggregate_iqm is SciPy's trim_mean(scores, 0.25) over all scores.
    assert interquartile_mean(np.array([0.0, 0.1, 0.2, 0.3, 0.5, 0.6, 0.9, 1.0])) == pytest.approx(0.4)
    assert interquartile_mean(np.array([[0.0, 1.0, 1.0], [0.3, 0.6, 0.0]])) == pytest.approx([2 / 3, 0.3])


def test_rates_over_tasks_are_resampled_within_each_task() -> None:
    sure = [np.ones(20), np.zeros(20), np.ones(20), np.zeros(20)]
    assert rates_over_tasks(sure, 0.95) == {"iqm": 0.5, "ci95": [0.5, 0.5]}  # no task is drawn again, only episodes
    found = rates_over_tasks([np.arange(100) < 50] * 2, 0.95)
    # The mean of two rates of one half: a standard deviation of 0.5 / sqrt(200).
    assert found["iqm"] == 0.5 and found["ci95"] == pytest.approx([0.5 - 0.069, 0.5 + 0.069], abs=0.012)


def test_the_probability_of_improvement_is_mann_and_whitneys() -> None:
    from scipy.stats import mannwhitneyu

    rng = np.random.default_rng(2)
    a, b = [rng.random(30) < 0.7, rng.random(20) < 0.4], [rng.random(25) < 0.5, rng.random(20) < 0.6]
    wanted = np.mean(
        [
            mannwhitneyu(x.astype(float), y.astype(float)).statistic / (len(x) * len(y))
            for x, y in zip(a, b, strict=True)
        ]
    )
    found, back = improvement(a, b, 0.95), improvement(b, a, 0.95)
    assert found["probability"] == pytest.approx(wanted) and back["probability"] == pytest.approx(1 - wanted)
    low, high = found["ci95"]
    assert low < wanted < high and low > 0.3 and high < 0.8


def test_an_interval_covers_as_often_as_it_says() -> None:
    rng = np.random.default_rng(3)
    covered = 0
    for _ in range(200):
        low, high = interval([rng.normal(size=50)], lambda drawn: drawn[0].mean(axis=1), 0.9, draws=500)
        covered += low < 0.0 < high
    assert 0.82 <= covered / 200 <= 0.97
