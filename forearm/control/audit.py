"""Commands that were sent, gone through afterwards: each by itself, and every step from one to the next."""

from collections.abc import Sequence

import numpy as np

from forearm.control.command import Command, Status
from forearm.control.robots.robot import Robot
from forearm.control.timing import GAP
from forearm.control.trajectories.limits import LimitReport, Violation

SLACK = 1e-4
"""Share of a limit that the differences of rounded numbers may use up."""
ROUNDING = 1e-6
"""s by which a time between two commands may seem longer than it was."""


def audit(sent: Sequence[Command], robot: Robot, gap: float = GAP) -> LimitReport:
    """What commands broke, judged by the times at which they were sent: position, velocity and acceleration as they
    say and as their differences say, jerk by differences, velocities that are not those of the positions, workspace
    and clearances. The worst of each axis and kind; commands without positions are left out. Times are those of the
    clock that nobody sets, where all commands have them.

    After more than `gap` s commands must begin again at rest, and not further from the last place than a robot may be
    off where it was told to be. A clock that went back is taken to have gone on by a usual beat. What a `fault` at rest
    tells is where the arm is, wherever that is; that it asks for no motion is all that is asked of it.
    """
    known = [command for command in sent if command.positions is not None]
    if not known:
        return LimitReport()
    times, position, velocity, acceleration = _stacked(known, robot)
    fault = np.array([command.status is Status.FAULT for command in known])
    limits, names, units = robot.limits, robot.limits.names, robot.limits.units
    found: list[Violation] = []

    def over(kind: str, values: np.ndarray, bound: np.ndarray, unit: str, moments: np.ndarray, sign: int = 1) -> None:
        if not len(values):
            return
        excess = sign * (values - bound) - SLACK * np.maximum(1.0, abs(bound))
        for axis in map(int, np.flatnonzero((excess > 0).any(axis=0))):
            row = int(excess[:, axis].argmax())
            worst = float(values[row, axis])
            limit = float(bound[axis] if bound.ndim == 1 else bound[row, axis])
            found.append(Violation(kind, names[axis], float(moments[row]), worst, limit, units[axis] + unit))

    over("position low", position[~fault], limits.low, "", times[~fault], -1)
    over("position high", position[~fault], limits.high, "", times[~fault])
    over("velocity", abs(velocity), limits.velocity, "/s", times)
    over("acceleration", abs(acceleration), limits.acceleration, "/s²", times)
    over("velocity of a fault", abs(velocity[fault]), np.zeros(robot.axes), "/s", times[fault])
    gaps = np.diff(times)
    usual = gaps[(gaps > 0) & (gaps <= gap)]
    gaps[gaps < 0] = float(np.median(usual)) if len(usual) else 1.0 / robot.rate
    going, broken = (gaps > 0) & (gaps <= gap + ROUNDING), gaps > gap + ROUNDING
    placed = fault[1:] & (abs(np.diff(position, axis=0)) > ROUNDING).any(axis=1)  # a fault follows the arm, not a path
    going &= ~placed
    later, dt = times[1:][going], gaps[going][:, None]
    steps = abs(np.diff(position, axis=0))
    for kind, values, bound, unit, rounding in (
        ("velocity by differences", position, limits.velocity, "/s", 1e-6),
        ("acceleration by differences", velocity, limits.acceleration, "/s²", 1e-5),
        ("jerk by differences", acceleration, limits.jerk, "/s³", 1e-3),
    ):
        differences = np.maximum(abs(np.diff(values, axis=0))[going] - rounding, 0.0) / dt
        over(kind, differences, bound, unit, later)
    # The mean of both ends is off by no more than a jerk that changes once in between.
    middle = (velocity[1:] + velocity[:-1])[going] / 2.0
    astray = abs(np.diff(position, axis=0)[going] / dt - middle)
    over("velocity that is not its positions'", astray, limits.jerk * dt**2 / 4.0 + 1e-5, "/s", later)
    after = times[1:][broken]
    over("velocity after a pause", abs(velocity[1:][broken]), np.zeros(robot.axes), "/s", after)
    over("acceleration after a pause", abs(acceleration[1:][broken]), np.zeros(robot.axes), "/s²", after)
    moved = broken & ~placed
    watched = np.where(np.isfinite(robot.following_error), robot.following_error, np.inf)
    over("step after a pause", steps[moved], watched, "", times[1:][moved])
    again = np.flatnonzero(gaps == 0)
    over("step at one moment", steps[again[~placed[again]]], np.zeros(robot.axes), "", times[1:][again[~placed[again]]])
    return LimitReport(tuple(found)) + robot.geometry.check(times[~fault], position[~fault], *robot.workspace)


def _stacked(known: Sequence[Command], robot: Robot) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Times (N,), positions, velocities, accelerations (N, D); the acceleration of a gripper, not sent, is 0 here."""
    gripped = robot.axes > len(robot.joints)
    steady = [command.steady for command in known if command.steady is not None]
    times = np.array(steady if len(steady) == len(known) else [command.time for command in known])
    parts = []
    for name, extra in (("positions", "gripper"), ("velocities", "gripper_velocity"), ("accelerations", None)):
        rows = np.array([getattr(command, name) for command in known])
        if gripped:
            last = np.zeros(len(known)) if extra is None else [getattr(command, extra) for command in known]
            rows = np.column_stack([rows, last])
        parts.append(rows)
    return times, parts[0], parts[1], parts[2]
