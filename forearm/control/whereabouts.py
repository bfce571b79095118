"""Where the arm is, as its readings say, compared with where it was told to be."""

import numpy as np

from forearm.control.trajectories.limits import Limits
from forearm.control.trajectories.trajectory import Array

SURE = 2
"""Readings in a row that must be off before the arm counts as off; one alone may be a damaged message."""
FASTER = 1.5
"""Times its limit that an arm may move from one reading to the next; faster, and a reading is not to be trusted."""
STILL = 0.2
"""Share of the following error that is allowed, by which an arm may be off and still stand where it was told to."""
NOISE = 0.02
"""Share of it that readings vary by while the arm stands."""
CHASE, CHASES = 0.15, 3
"""Share by which two steps in a row may differ and count as the same, and how many small ones make a chase."""


class Whereabouts:
    """Readings of one arm, one after the other. Not thread-safe: its owner holds a lock.

    Args:
        limits: of the axes.
        allowed: (D,) rad or m that each axis may be off; infinite for one that is not watched, such as a gripper that
            may hold something.

    Attributes:
        place: (D,) positions of the last reading, None before the first.
        steady: whether an arm can have come there from the reading before.
        misled: whether readings follow the command that follows them: that would be a chase.
    """

    def __init__(self, limits: Limits, allowed: Array) -> None:
        self.limits, self.allowed = limits, np.asarray(allowed, np.float64)
        self.watched = np.isfinite(self.allowed)
        self.place: Array | None = None
        self.steady, self.misled = True, False
        self._time = -np.inf
        self._off, self._chases = 0, 0
        self._set: tuple[Array, Array] | None = None  # where a command was set to, and by how much

    def forget(self) -> None:
        """The arm may be anywhere; an operator said so, or nobody looked for a while."""
        self.place, self.steady, self.misled = None, True, False
        self._off, self._chases, self._set, self._time = 0, 0, None, -np.inf

    def read(self, time: float, position: Array) -> None:
        """A reading of the arm's time `time` s."""
        before, gap = self.place, max(0.0, time - self._time)
        self.place, self._time = np.asarray(position, np.float64), time
        if before is None or not np.isfinite(gap):
            self.steady = True
            return
        room = FASTER * self.limits.velocity * gap + np.where(self.watched, 0.5 * self.allowed, np.inf)
        self.steady = bool((self.limits.apart(self.place, before) <= room).all())

    def off(self, told: Array) -> str:
        """Why the arm is not where it was `told` (D,) to be; empty where it is, and after one reading alone."""
        assert self.place is not None
        apart = self.limits.apart(self.place, told)
        share = np.where(self.watched, apart / self.allowed, 0.0)
        worst = int(share.argmax())
        self._off = self._off + 1 if share[worst] > 1.0 else 0
        if not self._off or (self._off < SURE and not self.steady):
            return ""
        name, unit = self.limits.names[worst], self.limits.units[worst]
        return (
            f"the arm is not where it was told to be: {name} is {apart[worst]:.3g} {unit} off, "
            f"of which {self.allowed[worst]:.3g} {unit} are allowed"
        )

    def beyond(self, slack: float) -> str:
        """Why the arm stands outside its position limits by more than `slack` rad or m; empty where it does not."""
        assert self.place is not None
        limits = self.limits
        over = np.maximum(self.place - limits.high, limits.low - self.place)
        worst = int(over.argmax())
        if over[worst] <= slack or not self.steady:
            return ""
        return (
            f"the arm stands outside its limits: {limits.names[worst]} is at {self.place[worst]:.3g} "
            f"{limits.units[worst]}, {over[worst]:.3g} {limits.units[worst]} beyond"
        )

    def moved_from(self, command: Array, share: float) -> Array | None:
        """(D,) where a command at rest should be set to, so that it is where the arm is; None where it is, or where the
        readings are not to be trusted. `share`: of the allowed error that does not matter.

        Axes that are not watched keep their command: fingers that hold something go on holding it.
        """
        if self.place is None or not self.steady or self.misled:
            return None
        if (self.limits.apart(self.place, command) <= share * self.allowed)[self.watched].all():
            return None
        there = np.clip(self.limits.near(self.place, command), self.limits.low, self.limits.high)
        place = np.where(self.watched, there, command)
        self._notice_a_chase(command, place)
        if self.misled:
            return None
        self._set = place, place - command
        return place

    def _notice_a_chase(self, command: Array, place: Array) -> None:
        """A joint that reads a constant too much goes on by just as much when its command is set to what it reads."""
        if self._set is None or not np.array_equal(self._set[0], command):
            self._chases = 0
            return
        step = self._set[1]
        same = abs(place - command - step).max() <= CHASE * abs(step).max()
        self._chases = self._chases + 1 if same else 0
        large = (abs(step) > self.allowed)[self.watched].any()
        self.misled = self._chases >= (1 if large else CHASES)
