from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forearm.evaluation.statistics import compare_pairs, exact_paired_p, holm, rate_bound, wilson


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
