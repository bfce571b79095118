import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from forearm.control.trajectories.limits import Limits, check
from forearm.control.trajectories.shaping import Shaper
from forearm.control.trajectories.spline import spline
from forearm.control.trajectories.trajectory import State, Trajectory

LIMITS = Limits(["a", "b"], [-1, -2], [1, 2], [1, 2], [6, 8], [400, 600])  # type: ignore[arg-type]
SHAPER = Shaper(LIMITS)


def rest_to_rest(points: np.ndarray) -> Trajectory:
    return spline(np.concatenate([np.repeat(points[:1], 3, 0), points, np.repeat(points[-1:], 3, 0)]), -0.1, 0.1)


def continuous(path: Trajectory) -> bool:
    """Whether nothing jumps from one piece to the next."""
    ends = path.times[1:-1]
    before, after = path.sample(ends - 1e-9), path.sample(ends + 1e-9)
    return all(
        np.allclose(getattr(before, name), getattr(after, name), atol=tolerance)
        for name, tolerance in (("position", 1e-6), ("velocity", 1e-5), ("acceleration", 2e-3))
    )


@settings(deadline=None, max_examples=100)
@given(arrays(np.float64, (8, 2), elements=st.floats(-1, 1, width=32)))
def test_any_curve_becomes_a_motion_within_the_limits_that_ends_where_it_ends(points: np.ndarray) -> None:
    curve = rest_to_rest(points)
    start = State.at_rest(points[0])
    path = SHAPER.follow(start, 0.0, curve)
    assert path is not None
    assert check(path, LIMITS).ok and continuous(path)
    assert path.start == 0.0
    assert np.allclose(path.at(path.end).position, points[-1], atol=1e-6)
    assert np.allclose(path.at(path.end - 1e-9).velocity, 0, atol=1e-4)


def test_a_curve_is_left_before_its_limits_cannot_be_kept_any_more() -> None:
    """Just before the jump it has 0.997 of the highest velocity, and an acceleration that would take it beyond."""
    points = np.full((8, 2), -0.16015625)
    points[4, 0], points[7, 0] = 0.0, -0.025390625
    path = SHAPER.follow(State.at_rest(points[0]), 0.0, rest_to_rest(points))
    assert path is not None and check(path, LIMITS).ok and continuous(path)
    assert np.allclose(path.at(path.end).position, points[-1], atol=1e-6)


def test_a_curve_within_the_limits_is_followed_to_the_letter() -> None:
    points = np.array([[0, 0], [0.02, 0.05], [0.06, 0.1], [0.08, 0.1]], float)
    curve = rest_to_rest(points)
    assert check(curve, LIMITS).ok
    path = SHAPER.follow(State.at_rest(points[0]), curve.start, curve)
    assert path is not None and path.end == curve.end
    times = np.linspace(curve.start, curve.end, 99)
    assert np.allclose(path.sample(times).position, curve.sample(times).position, atol=1e-12)


def test_where_a_curve_is_too_fast_it_is_left_and_joined_again() -> None:
    points = np.concatenate([np.linspace(0, 0.1, 5), [0.3], np.full(8, 0.3)])[:, None] * [1, 1]
    curve = rest_to_rest(points)
    assert not check(curve, LIMITS).ok
    path = SHAPER.follow(State.at_rest(points[0]), curve.start, curve)
    assert path is not None and check(path, LIMITS).ok
    early, late = np.linspace(curve.start, 0.3, 20), np.linspace(curve.end - 0.2, curve.end, 20)
    for times in (early, late):
        assert np.allclose(path.sample(times).position, curve.sample(times).position, atol=1e-6)


@settings(deadline=None, max_examples=100)
@given(st.floats(-1, 1), st.floats(-0.9, 0.9), st.floats(-5, 5))
def test_a_stop_is_within_the_limits_or_refused(position: float, velocity: float, acceleration: float) -> None:
    start = State(np.array([position, 0.0]), np.array([velocity, 0.1]), np.array([acceleration, 0.0]))
    path = SHAPER.stop(start, 3.0)
    if path is None:  # only where it could not be done in the room that is left
        assert abs(position) > 0.5 or abs(velocity) > 0.5
        return
    assert check(path, LIMITS).ok
    end = path.at(path.end)
    assert np.allclose(end.velocity, 0, atol=1e-6) and np.allclose(end.acceleration, 0, atol=1e-4)
    assert path.end - path.start < 0.5


def test_a_stop_that_would_leave_the_limits_is_refused() -> None:
    start = State(np.array([0.99, 0.0]), np.array([0.9, 0.0]), np.zeros(2))
    assert SHAPER.stop(start, 0.0) is None


def test_a_target_beyond_the_limits_or_out_of_reach_in_time_is_refused() -> None:
    rest = State.at_rest(np.zeros(2))
    far = State.at_rest(np.array([0.9, 0.0]))
    assert SHAPER.bridge(rest, 0.0, far, 0.1) is None
    assert SHAPER.bridge(rest, 0.0, far, 2.0) is not None
    fast = State(np.zeros(2), np.array([5.0, 0.0]), np.zeros(2))
    assert SHAPER.bridge(rest, 0.0, fast, None) is None


def test_a_slow_bridge_takes_its_time() -> None:
    path = SHAPER.bridge(State.at_rest(np.zeros(2)), 1.0, State.at_rest(np.array([0.1, -0.1])), 2.5)
    assert path is not None and path.end == pytest.approx(2.5)
