"""Whether the goal is reached: near enough and no longer getting nearer, and until it is clearly left again."""

from collections import deque
from dataclasses import dataclass, field

ENTER, LEAVE = 2, 3
"""Frames in a row that must say so."""
PATIENCE = 1.0
"""s for which an arm that is near may go on if it gets nearer meanwhile."""
NEARER = 0.9
"""Share of the least distance of that time, below which it does."""
CLOSE = 0.1
"""Share of the radius within which an arm need not get nearer."""


@dataclass(eq=False)
class Arrival:
    """Hysteresis on a distance from the goal.

    The distance is a share of the radius within which the goal counts as reached: 1 is its edge. An arm that passes the
    edge goes on as long as that brings it nearer. leave: share beyond which the goal counts as left. `here` says
    whether it is reached.
    """

    leave: float = 2.5
    here: bool = False
    _run: int = 0
    _near: deque[tuple[float, float]] = field(default_factory=deque)

    def see(self, time: float, distance: float | None) -> bool:
        """A frame of `time` s shows this distance (None: nobody can say); whether `here` has changed."""
        if distance is None:
            self._run = 0
            return False
        other = distance > self.leave if self.here else self._settled(time, distance)
        self._run = self._run + 1 if other else 0
        if self._run < (LEAVE if self.here else ENTER):
            return False
        self.here, self._run = not self.here, 0
        self._near.clear()
        return True

    def _settled(self, time: float, distance: float) -> bool:
        """Whether this is near, and no nearer than the arm has been for a while."""
        if distance > 1.0:
            self._near.clear()
            return False
        waited = bool(self._near) and self._near[0][0] <= time - PATIENCE
        while self._near and self._near[0][0] < time - PATIENCE:
            self._near.popleft()
        least = min((each for _, each in self._near), default=distance)
        self._near.append((time, distance))
        return distance <= CLOSE or (waited and distance >= NEARER * least)
