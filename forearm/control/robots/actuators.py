"""What a machine moves that is no arm: valves, heaters, pumps, each within its bounds and no faster than it may."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from forearm.control.action_adapter import Observation
from forearm.control.robots.robot import Robot
from forearm.control.timing import Timing
from forearm.control.trajectories.limits import LimitReport, Limits
from forearm.control.trajectories.trajectory import Array, Trajectory
from forearm.errors import InputError

BEATS = 10
"""Commands in a control period, as motions are divided."""
EASE = 0.1
"""Share of a control period in which an actuator comes to its speed, and again in which it comes to that."""
REMEMBERED = 64.0
"""Control periods of the past that a motion keeps."""


class Actuators(Robot):
    """The actuators of a machine in the place of an arm's joints; they touch nothing, and are in no space.

    Args:
        names: of the actuators.
        low, high: (A,) their bounds, in units of their own.
        period: s, of the world model's commands.
        velocity: (A,) units per s at most; None: from one bound to the other in one period.
        units: (A,) what they are told in, in messages.

    Raises InputError for bounds and speeds that cannot be.
    """

    def __init__(
        self,
        names: Sequence[str],
        low: Any,
        high: Any,
        period: float,
        velocity: Any = None,
        units: Sequence[str] | None = None,
    ) -> None:
        if not (np.isfinite(period) and period > 0):
            raise InputError(f"period must be above 0 s, not {period}")
        self.name, self.rate, self.memory = "actuators", BEATS / period, REMEMBERED * period
        self.joints, self.fingers, self.tool, self.adapter = [str(name) for name in names], [], "", None
        bottom, top = np.asarray(low, np.float64), np.asarray(high, np.float64)
        fastest = (top - bottom) / period if velocity is None else np.asarray(velocity, np.float64)
        self.limits = Limits(
            self.joints,
            bottom,
            top,
            fastest,
            fastest / (EASE * period),
            fastest / (EASE * period) ** 2,
            tuple(units or ("units",) * len(self.joints)),
        )
        self.following_error = np.full(len(self.joints), np.inf)

    def check_space(self, path: Trajectory) -> LimitReport:
        """There is none."""
        return LimitReport()


class ActuatorAdapter:
    """An `ActionAdapter` for commands that say where actuators shall be from their beginning on.

    Observations say where they are now as `actuators` (A,): what is read of them, or else what was last sent.
    """

    holds = True

    def __init__(self, machine: Actuators, period: float) -> None:
        limits = machine.limits
        self.low, self.high, self.period = limits.low, limits.high, period
        self.names: Sequence[str] | None = tuple(limits.names)
        self.axes, self.units = tuple(limits.names), tuple(limits.units)
        self._step = limits.velocity * period

    def read(self, observation: Observation) -> Array:
        """(A,) where the actuators are; raises InputError where it is not said, or beyond their bounds."""
        given = observation.get("actuators")
        if given is None:
            raise InputError(f"nothing says where the actuators are: expected `actuators`, {', '.join(self.axes)}")
        found = np.asarray(given, np.float64)
        if found.shape != (len(self.axes),) or not np.isfinite(found).all():
            raise InputError(f"actuators: expected {len(self.axes)} finite numbers, {', '.join(self.axes)}")
        return found

    def targets(self, start: Array, actions: Array) -> Array:
        """See `ActionAdapter`; within bounds, and no faster than an actuator goes."""
        here, found = np.asarray(start, np.float64), np.empty((len(actions), len(self.axes)))
        for i, wanted in enumerate(np.clip(actions, self.low, self.high)):
            found[i] = here = np.clip(wanted, here - self._step, here + self._step)
        return found

    def actions(self, path: Array) -> Array:
        """See `ActionAdapter`; where they are at the beginning of each period."""
        return np.clip(path[:-1], self.low, self.high)


def timing_of(period: float) -> Timing:
    """When what is done where a command comes every `period` s: a plan each, from the newest readings."""
    return Timing(replan_every=1, ahead=1, max_frame_age=3.5 * period, max_gap=1.5 * period, max_pause=100.0 * period)
