"""What a controller says at each beat."""

from dataclasses import dataclass
from enum import Enum

from forearm.control.trajectories.trajectory import Array


class Status(str, Enum):
    """What the arm is doing, and why."""

    WAITING = "waiting"
    """Where the arm is is not known yet: nothing may be sent to it."""
    IDLE = "idle"
    """At rest, no goal."""
    PLANNING = "planning"
    """At rest, the first plan towards the goal is being made, or a near goal is looked at once more."""
    MOVING = "moving"
    """Following a plan."""
    STOPPING = "stopping"
    """Coming to a stop: the goal is reached, frames are stale, there is a fault, or a new goal was given."""
    STALE = "stale"
    """At rest because no frame is young enough; moves again when frames return."""
    REACHED = "reached"
    """At rest because the goal is reached; moves again when it is clearly left."""
    ENDED = "ended"
    """At rest because the last plan is used up and no new one has come."""
    REFUSED = "refused"
    """At rest because the last plan would have broken a limit from its beginning."""
    FAULT = "fault"
    """At rest because of a fault, where the arm is; only a reset makes it move again."""


MOVING = (Status.MOVING, Status.STOPPING)


@dataclass(frozen=True, eq=False)
class Command:
    """What to send to the arm at `time` s.

    positions (rad), velocities (rad/s), accelerations (rad/s²): (J,) each, of the robot's joints; None while it is not
    known where the arm is (`waiting`, or a `fault` before that is known): then send nothing. gripper: opening of the
    fingers in m, None without a gripper. gripper_velocity: m/s. plan_id: number of the plan that is followed, None for
    none. reason: one line about the status. steady: s of the clock that nobody sets, when this was asked for; None
    where there is no such clock.
    """

    time: float
    positions: Array | None
    velocities: Array | None
    accelerations: Array | None
    status: Status
    gripper: float | None = None
    gripper_velocity: float | None = None
    plan_id: int | None = None
    reason: str = ""
    steady: float | None = None
