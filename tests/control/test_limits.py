import numpy as np
import pytest

from forearm.control.trajectories.limits import LimitReport, Limits, Violation, check, keeps
from forearm.control.trajectories.trajectory import Trajectory


def limits(**other: object) -> Limits:
    bounds = {"low": [-1, -1], "high": [1, 1], "velocity": [1, 1], "acceleration": [5, 5], "jerk": [100, 100]}
    return Limits(["elbow", "gripper"], **{**bounds, **other}, units=["rad", "m"])  # type: ignore[arg-type]


def piece(p: float, v: float, a: float, j: float) -> Trajectory:
    def row(value: float) -> np.ndarray:
        return np.array([[value, 0.0]])

    return Trajectory(np.array([2.0, 2.1]), row(p), row(v), row(a), row(j))


@pytest.mark.parametrize(
    ("values", "kind", "said"),
    [
        ((0.99, 0.9, 0, 0), "position high", "elbow: position 1.08 rad is above 1 rad at 2.000 s"),
        ((-0.99, -0.9, 0, 0), "position low", "elbow: position -1.08 rad is below -1 rad at 2.000 s"),
        ((0, 0.9, 4, 0), "velocity", "elbow: velocity 1.3 rad/s is above 1 rad/s at 2.000 s"),
        ((0, -0.2, 0, 90), "acceleration", "elbow: acceleration 9 rad/s² is above 5 rad/s² at 2.000 s"),
        ((0, 0, 0, -101), "jerk", "elbow: jerk 101 rad/s³ is above 100 rad/s³ at 2.000 s"),
    ],
)
def test_each_kind_of_violation_is_found_and_said(values: tuple, kind: str, said: str) -> None:
    report = check(piece(*values), limits())
    assert said in str(report).splitlines()
    assert not report.ok and not report.of(kind).ok
    assert not keeps(piece(*values), limits())[0]


def test_a_peak_between_the_ends_of_a_piece_counts() -> None:
    path = piece(0.9, 1.0, -20.0, 0.0)  # comes back, but has been at 0.925
    report = check(path, limits(high=[0.92, 1], acceleration=[50, 5])).of("position")
    assert report.violations[0].value == pytest.approx(0.925)


def test_what_keeps_the_limits_is_said_to() -> None:
    report = check(piece(0.5, 0.5, 1, 10), limits())
    assert report.ok and str(report) == "within all limits" and report.first == np.inf


def test_reports_add_up_and_move_in_time() -> None:
    one = Violation("velocity", "elbow", 3.0, 2.0, 1.0, "rad/s")
    two = Violation("clearance", "hand and world", 1.0, -0.01, 0.005, "m")
    report = (LimitReport((one,)) + LimitReport((two,))).shifted(0.5)
    assert report.first == 1.5
    assert str(report).splitlines()[0] == "hand and world: clearance -0.01 m is below 0.005 m at 1.500 s"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [({"low": [1, 0]}, "elbow: nothing is left"), ({"jerk": [0, 1]}, "above 0"), ({"velocity": [1]}, "expected 2")],
)
def test_bounds_that_cannot_be_are_refused(wrong: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        limits(**wrong)
