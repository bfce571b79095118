"""Frames that show the one before them again, counted by whether they are odd or even.

An encoder with a key frame every second frame may leave the frames between as copies, where motion is slow: SVT-AV1 at
LeRobot's settings does. Every second frame then shows the past beside the present's commands.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from forearm.world_model.data.images import Pixels

SHARE = 0.2
"""How much larger the share of repeated frames must be in one phase than in the other to come from the encoder."""
FEWEST = 8
"""Repeated frames below which nothing is said."""
REMEDY = "encode the recorded pictures anew (H.264 at crf 10 keeps slow motion)"

Pair = tuple[int, int]


@dataclass(frozen=True)
class Repeats:
    """How many frames equal the one before, of how many that have one, each as (even, odd).

    Attributes:
        repeated, frames: by their numbers in their episode, as LeRobot encodes a recording.
        film_repeated, film_frames: by their numbers in their video file, as tools that encode a file anew do.
    """

    repeated: Pair = (0, 0)
    frames: Pair = (0, 0)
    film_repeated: Pair = (0, 0)
    film_frames: Pair = (0, 0)

    def __add__(self, other: "Repeats") -> "Repeats":
        return repeats_from([a + b for a, b in zip(self.numbers, other.numbers, strict=True)])

    @property
    def numbers(self) -> list[int]:
        """All counts in a row, for JSON; ``repeats_from`` takes them back."""
        return [*self.repeated, *self.frames, *self.film_repeated, *self.film_frames]

    @property
    def frozen(self) -> str | None:
        """Which frames an encoder left as copies: the "odd" or "even" ones of episodes, or "every second" of a file.

        None where repeats come in both alike: an arm that stands still repeats frames of either kind, and is no fault.
        """
        if (phase := _phase(self.repeated, self.frames)) is not None:
            return phase
        return None if _phase(self.film_repeated, self.film_frames) is None else "every second"

    def __str__(self) -> str:
        if self.frozen == "every second":
            (even, odd), where = _shares(self.film_repeated, self.film_frames), "the video file"
        else:
            (even, odd), where = _shares(self.repeated, self.frames), "their episode"
        return (
            f"{sum(self.repeated)} of {sum(self.frames)} frames show the one before again: {odd:.0%} of those with odd "
            f"numbers in {where}, {even:.0%} of those with even ones"
        )


class RepeatCounter:
    """Counts over the frames of an episode, as they come.

    ``first`` is the number of the episode's first frame in its video file.
    """

    def __init__(self, first: int = 0) -> None:
        self._before: Pixels | None = None
        self._number, self._first = 0, first
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
        turn = -1 if self._first % 2 else 1
        return repeats_from([*self._repeated, *self._frames, *self._repeated[::turn], *self._frames[::turn]])


def repeats_from(numbers: Sequence[int]) -> Repeats:
    """``Repeats.numbers`` as ``Repeats``; raises ValueError for others."""
    a, b, c, d, e, f, g, h = (int(number) for number in numbers)
    return Repeats((a, b), (c, d), (e, f), (g, h))


def _shares(repeated: Pair, frames: Pair) -> tuple[float, float]:
    even, odd = (n / max(1, of) for n, of in zip(repeated, frames, strict=True))
    return even, odd


def _phase(repeated: Pair, frames: Pair) -> str | None:
    even, odd = _shares(repeated, frames)
    if abs(odd - even) < SHARE or max(repeated) < FEWEST:
        return None
    return "odd" if odd > even else "even"
