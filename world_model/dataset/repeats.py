"""Frames that show the one before them again, counted by whether they are odd or even in their episode.

An encoder with a key frame every second frame may leave the frames between as copies, where motion is slow: SVT-AV1 at
LeRobot's settings does. Every second frame then shows the past beside the present's commands.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .images import Pixels

SHARE = 0.2
"""How much larger the share of repeated frames must be in one phase than in the other to come from the encoder."""
FEWEST = 8
"""Repeated frames below which nothing is said."""


@dataclass(frozen=True)
class Repeats:
    """Frames that equal the one before, and frames in all that have one before: (even, odd) in their episodes."""

    repeated: tuple[int, int] = (0, 0)
    frames: tuple[int, int] = (0, 0)

    def __add__(self, other: "Repeats") -> "Repeats":
        pairs = zip(self.repeated + self.frames, other.repeated + other.frames, strict=True)
        even, odd, evens, odds = (a + b for a, b in pairs)
        return Repeats((even, odd), (evens, odds))

    @property
    def shares(self) -> tuple[float, float]:
        """Share of repeated frames among the even and the odd ones."""
        even, odd = (n / max(1, of) for n, of in zip(self.repeated, self.frames, strict=True))
        return even, odd

    @property
    def frozen(self) -> str | None:
        """Which frames an encoder left as copies, "odd" or "even"; None where repeats come in both alike.

        An arm that stands still repeats frames of both phases, and is no fault.
        """
        even, odd = self.shares
        if abs(odd - even) < SHARE or max(self.repeated) < FEWEST:
            return None
        return "odd" if odd > even else "even"

    def __str__(self) -> str:
        even, odd = self.shares
        return (
            f"{sum(self.repeated)} of {sum(self.frames)} frames show the one before again: {odd:.0%} of those with odd "
            f"numbers in their episode, {even:.0%} of those with even ones"
        )


class RepeatCounter:
    """Counts over the frames of an episode, as they come."""

    def __init__(self) -> None:
        self._before: Pixels | None = None
        self._number = 0
        self._repeated, self._frames = [0, 0], [0, 0]

    def see(self, frame: Pixels) -> None:
        """The next frame (H, W, 3) uint8 of the episode."""
        if self._before is not None:
            self._frames[self._number % 2] += 1
            self._repeated[self._number % 2] += bool(np.array_equal(frame, self._before))
        self._before, self._number = frame, self._number + 1

    @property
    def found(self) -> Repeats:
        """What was counted so far."""
        return Repeats((self._repeated[0], self._repeated[1]), (self._frames[0], self._frames[1]))


def repeats_from(numbers: Sequence[int]) -> Repeats:
    """The four numbers (even, odd, frames even, frames odd) as ``Repeats``; raises ValueError for others."""
    even, odd, evens, odds = (int(number) for number in numbers)
    return Repeats((even, odd), (evens, odds))
