import numpy as np
import pytest

from forearm.control import Command, Status
from forearm.control.audit import audit
from forearm.control.robots.robot import Robot

from .conftest import START


def command(time: float, position: np.ndarray = START, speed: float = 0.0, push: float = 0.0) -> Command:
    velocity, acceleration = np.zeros(7), np.zeros(7)
    velocity[2], acceleration[2] = speed, push
    return Command(time, position[:7].copy(), velocity, acceleration, Status.MOVING, float(position[7]), 0.0)


def moved(axis: int, by: float) -> np.ndarray:
    found = START.copy()
    found[axis] += by
    return found


def test_standing_still_breaks_nothing(robot: Robot) -> None:
    assert audit([command(0.0), command(0.01)], robot).ok
    assert audit([], robot).ok
    assert audit([Command(0.0, None, None, None, Status.WAITING)], robot).ok


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ([command(0.0, moved(2, 3.0))], "joint3: position 3"),
        ([command(0.0, moved(2, -3.0))], "joint3: position -3"),
        ([command(0.0, speed=2.5)], "joint3: velocity 2.5"),
        ([command(0.0, push=-40.0)], "joint3: acceleration 40"),
        ([command(0.0), command(0.01, moved(2, 0.1))], "joint3: velocity 10 rad/s"),
        ([command(0.0), command(0.01, speed=0.5)], "joint3: acceleration 50 rad/s²"),
        ([command(0.0), command(0.01, push=8.9)], "joint3: jerk 889.9 rad/s³"),
        ([command(0.0), command(0.01, moved(7, 0.03))], "gripper: velocity 3 m/s"),
        ([command(0.0, moved(1, 0.4))], "clearance"),
        ([command(0.0, moved(1, 0.4))], "tool z: workspace"),
    ],
)
def test_each_thing_that_is_broken_is_said(sent: list[Command], said: str, robot: Robot) -> None:
    assert said in str(audit(sent, robot))
