"""Commands that were sent, gone through afterwards: each by itself, and every step from one to the next."""

from collections.abc import Sequence

import numpy as np

from forearm.control.command import Command
from forearm.control.limits import Report, Violation
from forearm.control.robot import Robot

SLACK = 1e-4
"""Share of a limit that the differences of rounded numbers may use up."""


def audit(sent: Sequence[Command], robot: Robot) -> Report:
    """What commands broke: position, velocity and acceleration as they say and as their differences say, jerk by
    differences, workspace and clearances. The worst of each axis and kind; commands without positions are left out.
    """
    known = [command for command in sent if command.positions is not None]
    if not known:
        return Report()
    times, position, velocity, acceleration = _stacked(known, robot)
    limits, names, units = robot.limits, robot.limits.names, robot.limits.units
    found: list[Violation] = []

    def over(kind: str, values: np.ndarray, bound: np.ndarray, unit: str, moments: np.ndarray, sign: int = 1) -> None:
        excess = sign * (values - bound) - SLACK * np.maximum(1.0, abs(bound))
        for axis in map(int, np.flatnonzero((excess > 0).any(axis=0))):
            row = int(excess[:, axis].argmax())
            worst = float(values[row, axis])
            found.append(
                Violation(kind, names[axis], float(moments[row]), worst, float(bound[axis]), units[axis] + unit)
            )

    over("position low", position, limits.low, "", times, -1)
    over("position high", position, limits.high, "", times)
    over("velocity", abs(velocity), limits.velocity, "/s", times)
    over("acceleration", abs(acceleration), limits.acceleration, "/s²", times)
    dt = np.diff(times)[:, None]
    moving = dt[:, 0] > 0
    later, dt = times[1:][moving], dt[moving]
    for kind, values, bound, unit, rounding in (
        ("velocity by differences", position, limits.velocity, "/s", 1e-6),
        ("acceleration by differences", velocity, limits.acceleration, "/s²", 1e-5),
        ("jerk by differences", acceleration, limits.jerk, "/s³", 1e-3),
    ):
        steps = np.maximum(abs(np.diff(values, axis=0))[moving] - rounding, 0.0) / dt
        over(kind, steps, bound, unit, later)
    return Report(tuple(found)) + robot.geometry.check(times, position, *robot.workspace)


def _stacked(known: Sequence[Command], robot: Robot) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Times (N,), positions, velocities, accelerations (N, D); the acceleration of a gripper, not sent, is 0 here."""
    gripped = robot.axes > len(robot.joints)
    times = np.array([command.time for command in known])
    parts = []
    for name, extra in (("positions", "gripper"), ("velocities", "gripper_velocity"), ("accelerations", None)):
        rows = np.array([getattr(command, name) for command in known])
        if gripped:
            last = np.zeros(len(known)) if extra is None else [getattr(command, extra) for command in known]
            rows = np.column_stack([rows, last])
        parts.append(rows)
    return times, parts[0], parts[1], parts[2]
