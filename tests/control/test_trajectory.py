import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from forearm.control.trajectories.spline import spline
from forearm.control.trajectories.trajectory import Trajectory, joined

numbers = st.floats(-3, 3, width=32)


def curve(points: np.ndarray) -> Trajectory:
    return spline(points, 0.0, 0.1)


@settings(deadline=None)
@given(arrays(np.float64, (9, 2), elements=numbers))
def test_extremes_are_those_of_a_dense_sampling(points: np.ndarray) -> None:
    path = curve(points)
    seen = path.extremes()
    for piece in range(len(path.position)):
        times = np.linspace(path.times[piece], path.times[piece + 1] - 1e-12, 200)
        dense = path.sample(times)
        scale = 1 + abs(dense.acceleration).max()
        assert np.all(dense.position >= seen.position_low[piece] - 1e-9)
        assert np.all(dense.position <= seen.position_high[piece] + 1e-9)
        assert np.allclose(dense.position.max(0), seen.position_high[piece], atol=1e-4 * scale)
        assert np.allclose(abs(dense.velocity).max(0), seen.velocity[piece], atol=1e-3 * scale)
        assert np.allclose(abs(dense.acceleration).max(0), seen.acceleration[piece], atol=1e-2 * scale)


@settings(deadline=None)
@given(arrays(np.float64, (8, 3), elements=numbers))
def test_a_spline_is_smooth_stays_in_its_hull_and_is_no_faster_than_its_points(points: np.ndarray) -> None:
    path = curve(points)
    ends = path.times[1:-1]
    before, after = path.sample(ends - 1e-9), path.sample(ends + 1e-9)
    assert np.allclose(before.position, after.position, atol=1e-6)
    assert np.allclose(before.velocity, after.velocity, atol=1e-4)
    assert np.allclose(before.acceleration, after.acceleration, atol=1e-3)
    seen = path.extremes()
    assert np.all(seen.position_low >= points.min(0) - 1e-9) and np.all(seen.position_high <= points.max(0) + 1e-9)
    assert np.all(seen.velocity.max(0) <= abs(np.diff(points, axis=0)).max(0) / 0.1 + 1e-9)


def test_equal_points_are_rest() -> None:
    path = curve(np.array([[0.0], [0.0], [0.0], [1.0], [1.0], [1.0]]))
    first, last = path.at(path.start), path.at(path.end)
    assert first.position == pytest.approx(0) and last.position == pytest.approx(1)
    for state in (first, last):
        assert state.velocity == pytest.approx(0) and state.acceleration == pytest.approx(0)


def test_outside_its_time_it_stands_still() -> None:
    path = curve(np.array([[0.0], [0.0], [1.0], [3.0], [2.0]]))
    for moment in (path.start - 1, path.end + 1):
        state = path.at(moment)
        assert state.velocity == 0 and state.acceleration == 0
        assert np.array_equal(path.sample(np.array([moment])).velocity, [[0.0]])
    assert path.at(path.end + 1).position == pytest.approx(path.at(path.end).position)


def test_parts_make_the_whole_again() -> None:
    path = curve(np.random.default_rng(0).normal(size=(10, 2)))
    parts = [path.between(0.1, 0.234), path.between(0.234, 0.3), path.between(0.3, 9.0)]
    whole = joined([part for part in parts if part is not None])
    times = np.linspace(path.start, path.end, 77)
    assert np.allclose(whole.sample(times).position, path.sample(times).position, atol=1e-12)
    assert path.between(0.5, 0.5) is None and path.between(5.0, 6.0) is None
    with pytest.raises(ValueError, match="begins at"):
        joined([path, path])


def test_shapes_and_times_are_checked() -> None:
    one = np.zeros((1, 2))
    with pytest.raises(ValueError, match="rise"):
        Trajectory(np.array([1.0, 1.0]), one, one, one, one)
    with pytest.raises(ValueError, match="one time more"):
        Trajectory(np.array([1.0]), one, one, one, one)
    with pytest.raises(ValueError, match="one shape"):
        Trajectory(np.array([0.0, 1.0]), one, one, one, np.zeros((1, 3)))
    with pytest.raises(ValueError, match="four"):
        spline(np.zeros((3, 1)), 0.0, 0.1)
