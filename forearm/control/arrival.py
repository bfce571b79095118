"""Whether the goal is reached: near enough for a while, and until it is clearly left again."""

from dataclasses import dataclass

ENTER, LEAVE = 2, 3
"""Frames in a row that must say so."""


@dataclass(eq=False)
class Arrival:
    """Hysteresis on a distance from the goal.

    The distance is a share of the radius within which the goal counts as reached: 1 is its edge. leave: share beyond
    which the goal counts as left. `here` says whether it is reached.
    """

    leave: float = 2.5
    here: bool = False
    _run: int = 0

    def see(self, distance: float | None) -> bool:
        """A frame shows this distance (None: nobody can say); whether `here` has changed."""
        if distance is None:
            self._run = 0
            return False
        other = distance > self.leave if self.here else distance <= 1.0
        self._run = self._run + 1 if other else 0
        if self._run < (LEAVE if self.here else ENTER):
            return False
        self.here, self._run = not self.here, 0
        return True
