"""The arm's own time: it goes on from beat to beat, whatever the caller's clock does.

A clock that goes back, stands still or says no number, and a loop that was not called for a while, are told apart
here. The arm's time never goes back, so that what is sent stays the derivative of what was sent before.
"""

from collections import deque
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np

ROUNDING = 1e-6
"""s by which a gap may seem longer than it was."""
SAME = 1e-3
"""s by which a clock may go back and still mean the same moment: two threads read it one after the other."""
STANDING = 20
"""Calls in a row at one moment, after which a clock counts as standing still; several at a time bring observations."""
GUARD = 0.25
"""s by which a caller's clock may differ from one that nobody sets, where that only guards against jumps."""
RECENT, OFTEN = 8, 3
"""Of so many beats, how many may be late before it is the loop that is slow."""


def told(moment: Any) -> float:
    """What a clock says, as a number: a moment, or what is called for one; NaN where it raises or says none."""
    try:
        return float(moment() if callable(moment) else moment)
    except Exception:  # of a clock of the caller's own: the arm must come to rest, not its loop
        return float("nan")


class Pace(Enum):
    """How a beat came."""

    ON_TIME = ""
    SAME = "same_moment"
    STANDING = "clock_stands_still"
    BACK = "clock_went_back"
    AHEAD = "clock_went_ahead"
    LATE = "missed_beats"


@dataclass(frozen=True)
class Tick:
    """How a beat came, and by how many s it was late, or the clock went back or ahead."""

    pace: Pace
    seconds: float = 0.0
    number: bool = True
    """Whether the clock said a finite number."""
    jumped: bool = False
    """Whether the clock jumped as well, while a late beat was waited for."""


class PausableClock:
    """Turns a caller's time into the arm's own. Not thread-safe: its owner holds a lock.

    The arm's time begins at 0 with the first beat, whatever the caller's zero is: in seconds since 1970, neighbouring
    floats are a quarter of a microsecond apart, and trajectories are cut finer than that.

    Where beats are told with a second clock that nobody sets, the arm's time is that clock's. Only then is a caller's
    clock that jumps or stands told from a loop that paused.

    Args:
        max_gap: s between two beats, beyond which the second is late, and by which the arm's time then goes on.
        usual: s from one beat to the next, until two have come.
    """

    def __init__(self, max_gap: float, usual: float = 0.01) -> None:
        self.max_gap = max_gap
        self.now: float | None = None
        """The caller's, of the last beat; None before the first."""
        self._usual = min(usual, max_gap)
        self._late: deque[bool] = deque(maxlen=RECENT)
        self.steady: float | None = None
        """Of the clock that nobody sets, at the last beat; None without one."""
        self._behind = 0.0
        self._known_from = -np.inf
        self._stood = 0

    @property
    def slow(self) -> bool:
        """Whether beats come late again and again: a loop that is slower than it may be, not one that paused."""
        return sum(self._late) >= OFTEN

    def beat(self, now: float, steady: float | None = None, room: float = 0.0) -> Tick:
        """The caller's time is `now`, that of a clock which nobody sets `steady`, if there is one.

        The arm's time goes by `steady` unless the two have gone on alike, up to `room` s, since the last beat.

        Without it: where the caller's time went back, the arm's goes on by one usual beat; where it stands or is no
        number, by nothing.
        """
        tick = self._next(now, steady, room)
        if tick.pace in (Pace.ON_TIME, Pace.LATE):
            self._late.append(tick.pace is Pace.LATE)
        return tick

    def _next(self, now: float, steady: float | None, room: float) -> Tick:
        steady = steady if steady is not None and np.isfinite(steady) else None
        before, earlier = self.now, self.steady
        self.steady = steady
        passed = None if steady is None or earlier is None else max(0.0, steady - earlier)
        number = bool(np.isfinite(now))
        if before is None:
            if not number:
                return Tick(Pace.SAME, number=False)
            self.now, self._behind = now, now
            return Tick(Pace.ON_TIME)
        own = before - self._behind
        now = now if number else before
        gap = now - before
        if passed is not None and abs(gap - passed) <= room:
            passed = None
        jump = 0.0 if passed is None else gap - passed
        if passed is not None and passed > self.max_gap + ROUNDING:
            jumped = abs(jump) > self.max_gap / 2
            self._anchor(now, own + self.max_gap, now if jumped else now - self.max_gap)
            return Tick(Pace.LATE, passed, number, jumped)
        if -SAME <= gap <= 0:
            if passed is not None:
                self._behind = before - (own + passed)
            self._stood += passed is None or passed > SAME
            return Tick(Pace.STANDING if self._stood > STANDING else Pace.SAME, number=number)
        if gap < 0:
            self._anchor(now, own + (self._usual if passed is None else passed), now)
            return Tick(Pace.BACK, -gap if passed is None else -jump)
        if passed is not None and jump > self.max_gap / 2:
            self._anchor(now, own + passed, now)
            return Tick(Pace.AHEAD, jump)
        if gap <= self.max_gap + ROUNDING:
            self._stood, self.now = 0, now
            self._behind += jump  # a caller's clock need not be as even as the arm must be
            if passed is None:
                self._usual = gap
            return Tick(Pace.ON_TIME, gap)
        self._anchor(now, own + self.max_gap, now - self.max_gap)
        return Tick(Pace.LATE, gap)

    def _anchor(self, now: float, own: float, known_from: float) -> None:
        """From now on, the caller's `now` is the arm's `own`."""
        self._stood, self.now = 0, now
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
