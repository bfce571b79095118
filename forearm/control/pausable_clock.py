"""The arm's own time: it goes on from beat to beat, whatever the caller's clock does.

A clock that goes back, stands still or says no number, and a loop that was not called for a while, are told apart
here. The arm's time never goes back, so that what is sent stays the derivative of what was sent before.
"""

from dataclasses import dataclass
from enum import Enum

import numpy as np

ROUNDING = 1e-6
"""s by which a gap may seem longer than it was."""
SAME = 1e-3
"""s by which a clock may go back and still mean the same moment: two threads read it one after the other."""
STANDING = 20
"""Calls in a row at one moment, after which a clock counts as standing still; several at a time bring observations."""


class Pace(Enum):
    """How a beat came."""

    ON_TIME = ""
    SAME = "same_moment"
    STANDING = "clock_stands_still"
    BACK = "clock_went_back"
    LATE = "missed_beats"


@dataclass(frozen=True)
class Tick:
    """How a beat came, and by how many s it was late or went back."""

    pace: Pace
    seconds: float = 0.0
    number: bool = True
    """Whether the clock said a finite number."""


class PausableClock:
    """Turns a caller's time into the arm's own. Not thread-safe: its owner holds a lock.

    The arm's time begins at 0 with the first beat, whatever the caller's zero is: in seconds since 1970, neighbouring
    floats are a quarter of a microsecond apart, and trajectories are cut finer than that.

    Args:
        max_gap: s between two beats, beyond which the second is late, and by which the arm's time then goes on.
        usual: s from one beat to the next, until two have come.
    """

    def __init__(self, max_gap: float, usual: float = 0.01) -> None:
        self.max_gap = max_gap
        self.now: float | None = None
        """The caller's, of the last beat; None before the first."""
        self._usual = min(usual, max_gap)
        self._behind = 0.0
        self._known_from = -np.inf
        self._stood = 0

    def beat(self, now: float) -> Tick:
        """The caller's time is `now`. Where it went back, the arm's time goes on by one usual beat; where it stands
        or is no number, by nothing.
        """
        before = self.now
        if not np.isfinite(now) or (before is not None and before - SAME <= now <= before):
            self._stood += 1
            stands = self._stood > STANDING and before is not None
            return Tick(Pace.STANDING if stands else Pace.SAME, number=bool(np.isfinite(now)))
        self._stood, self.now = 0, now
        if before is None:
            self._behind = now
            return Tick(Pace.ON_TIME)
        gap, own = now - before, before - self._behind
        if gap < 0:
            self._anchor(now, own + self._usual, now)
            return Tick(Pace.BACK, -gap)
        if gap <= self.max_gap + ROUNDING:
            self._usual = gap
            return Tick(Pace.ON_TIME, gap)
        self._anchor(now, own + self.max_gap, now - self.max_gap)
        return Tick(Pace.LATE, gap)

    def _anchor(self, now: float, own: float, known_from: float) -> None:
        """From now on, the caller's `now` is the arm's `own`."""
        self._behind, self._known_from = now - own, known_from

    def own(self, moment: float) -> float:
        """The arm's time at a moment of the caller's."""
        return moment - self._behind

    @property
    def last(self) -> float:
        """The arm's time of the last beat, 0 before the first."""
        return 0.0 if self.now is None else self.own(self.now)

    def knows(self, moment: float) -> bool:
        """Whether a moment of the caller's lies after the last break; before it, the arm's time is another."""
        return moment >= self._known_from - ROUNDING
