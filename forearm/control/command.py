"""What a controller says at each beat."""

from dataclasses import dataclass
from enum import Enum

from forearm.control.trajectory import Array


class Status(str, Enum):
    """What the arm is doing, and why."""

    WAITING = "waiting"
    """Where the arm is is not known yet: nothing may be sent to it."""
    IDLE = "idle"
    """At rest, no goal."""
    PLANNING = "planning"
    """At rest, the first plan towards the goal is being made."""
    MOVING = "moving"
    """Following a plan."""
    STOPPING = "stopping"
    """Coming to a stop: frames are stale, the arm is off its path, or a new goal was given."""
    STALE = "stale"
    """At rest because no frame is young enough; moves again when frames return."""
    ENDED = "ended"
    """At rest because the last plan is used up and no new one has come."""
    REFUSED = "refused"
    """At rest because the last plan would have broken a limit from its beginning."""
    FAULT = "fault"
    """At rest because the arm is not where it was told to be, or stands outside its limits."""


MOVING = (Status.MOVING, Status.STOPPING)


@dataclass(frozen=True, eq=False)
class Command:
    """What to send to the arm at `time` s.

    positions (rad), velocities (rad/s), accelerations (rad/s²): (J,) each, of the robot's joints; None while it is not
    known where the arm is (`waiting`, or a `fault` at the start): then send nothing. gripper: opening of the fingers in
    m, None without a gripper. gripper_velocity: m/s. plan_id: number of the plan that is followed, None for none.
    reason: one line about the status.
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
