"""Whether the goal is reached: near enough, also at rest, and until it is clearly left again."""

from dataclasses import dataclass

ENTER, LEAVE = 2, 3
"""Frames in a row that must say so."""
CLOSE = 0.4
"""Share of the radius within which the goal counts as reached at once."""
PATIENCE = 3.0
"""s from the first frame within the radius, until being within it is enough: so long the arm may still get nearer."""


@dataclass(eq=False)
class Arrival:
    """Hysteresis on a distance from the goal.

    The distance is a share of the radius within which the goal counts as reached: 1 is its edge. An arm that comes near
    is stopped, and looked at again when it stands: it may have gone too far. leave: share beyond which the goal counts
    as left. `here` says whether the arm shall hold still, `sure` whether frames at rest have shown the goal.
    """

    leave: float = 2.5
    here: bool = False
    sure: bool = False
    _run: int = 0
    _since: float | None = None

    def see(self, time: float, distance: float | None, still: bool) -> bool:
        """A frame of `time` s shows this distance (None: nobody can say), `still` of an arm at rest; whether `here` has
        changed.
        """
        if distance is None:
            self._run = 0
            return False
        if self._since is None and distance <= 1.0:
            self._since = time
        if not self.here:
            return self._after(ENTER, distance <= self._edge(time), True)
        if self.sure:
            return self._after(LEAVE, distance > self.leave, False)
        if still and distance <= self._edge(time):
            self.sure, self._run = True, 0
            return False
        return self._after(ENTER, still, False)

    def _edge(self, time: float) -> float:
        waited = 0.0 if self._since is None else (time - self._since) / PATIENCE
        return CLOSE + (1.0 - CLOSE) * min(1.0, waited)

    def _after(self, frames: int, other: bool, here: bool) -> bool:
        """After so many frames in a row that say so, `here` is as they say."""
        self._run = self._run + 1 if other else 0
        if self._run < frames:
            return False
        if self.sure:
            self._since = None
        self.here, self.sure, self._run = here, False, 0
        return True
