"""The arm's own time: it begins with the first beat, and stands still while nobody asks."""

import numpy as np

ROUNDING = 1e-6
"""s by which a gap may seem longer than it was."""


class ArmTime:
    """Turns a caller's time into the arm's own. Not thread-safe: its owner holds a lock.

    The arm's time begins at 0 with the first beat, whatever the caller's zero is: in seconds since 1970, neighbouring
    floats are a quarter of a microsecond apart, and trajectories are cut finer than that.

    Args:
        max_gap: s between two beats, beyond which the arm's time stands still if the arm moves.
    """

    def __init__(self, max_gap: float) -> None:
        self.max_gap = max_gap
        self.now: float | None = None
        """The caller's, of the last beat; None before the first."""
        self._behind = 0.0
        self._stood_until = -np.inf

    def beat(self, now: float, moving: bool) -> str:
        """The caller's time goes on to `now`; what was wrong with it, as the name of a count, or nothing.

        It never goes back, and is never NaN or infinite: such a beat is taken to be at the moment of the last one.
        """
        if not np.isfinite(now) or (self.now is not None and now < self.now):
            return "clock_went_back"
        before, self.now = self.now, now
        if before is None:
            self._behind = now
            return ""
        gap = now - before
        if gap <= self.max_gap + ROUNDING:
            return ""
        if moving:
            self._behind += gap - self.max_gap
            self._stood_until = now - self.max_gap
        return "missed_beats"

    def own(self, moment: float) -> float:
        """The arm's time at a moment of the caller's."""
        return moment - self._behind

    @property
    def last(self) -> float:
        """The arm's time of the last beat, 0 before the first."""
        return 0.0 if self.now is None else self.own(self.now)

    def knows(self, moment: float) -> bool:
        """Whether a moment of the caller's lies after the last pause; before it, the arm's time is another."""
        return moment >= self._stood_until
