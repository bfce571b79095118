"""What a controller remembers on the way to one goal."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from forearm.control.arrival import Arrival
from forearm.control.trajectories.trajectory import Array

WAITING_FRAMES = 16
"""Frames that may wait to be seen; beyond that the oldest are skipped."""


@dataclass(frozen=True, eq=False)
class Frame:
    """An observation with a frame, the arm's time at which it was made, and the positions (D,) of the axes then."""

    time: float
    observation: Mapping[str, Any]
    position: Array


@dataclass(eq=False)
class Attempt:
    """The way to one goal.

    begun: whether the plan source knows the goal. frames: what it has not seen yet. asked: when the frame was taken
    from which the last plan was asked for, None if the next frame is to lead to one. last_start: when the last plan
    that was made begins. stale: whether the newest frame is too old. refused: why the last plan could not be used.
    planned: whether a plan was followed. doubt: why the newest frame is not believed. arrival: whether the goal is
    reached.
    paused: why the arm rests since the loop came late, until a plan is followed again.
    """

    goal: Any = None
    begun: bool = False
    frames: deque[Frame] = field(default_factory=lambda: deque(maxlen=WAITING_FRAMES))
    asked: float | None = None
    last_start: float | None = None
    stale: bool = False
    refused: str = ""
    planned: bool = False
    doubt: str = ""
    arrival: Arrival = field(default_factory=Arrival)
    paused: str = ""


@dataclass(frozen=True, eq=False)
class PlanningJob:
    """What there is to see and to plan, taken from an attempt so that it can be worked on without a lock.

    epoch: changes with every stop and goal; what was begun before is of no use after. begin: whether the plan source
    must be told the goal. start: when a plan would begin.
    """

    attempt: Attempt
    epoch: int
    begin: bool
    frames: list[Frame]
    start: float


class Sent:
    """What was sent in the last seconds, to compare readings with."""

    def __init__(self) -> None:
        self._sent: deque[tuple[float, Array]] = deque(maxlen=1024)

    def note(self, time: float, position: Array) -> None:
        """Positions (D,) were sent at `time` s."""
        self._sent.append((time, position))

    @property
    def empty(self) -> bool:
        """Whether nothing was sent."""
        return not self._sent

    def at(self, time: float) -> Array | None:
        """The positions (D,) that had last been sent at `time` s; None if nothing had."""
        for moment, position in reversed(self._sent):
            if moment <= time + 1e-9:
                return position
        return self._sent[0][1] if self._sent else None

    def forget(self) -> None:
        """Nothing was sent."""
        self._sent.clear()
