"""What is known of sensors at one moment: the value that each had when it was last measured, and how long ago that was.

A sensor that is slower than the others, or whose value is missing, is met so and not dropped: its last value is held,
and its age is an input beside it.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from forearm.errors import InputError

Moments = npt.NDArray[np.float32]
"""(..., P, 2): value, NaN before it was ever measured, and age in control steps, 0 where it was measured just now."""


class SensorHold:
    """Makes moments (P, 2) of readings (P,) that come one a control step, NaN where a sensor was not measured."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self.begin()

    def begin(self) -> None:
        """Nothing was measured yet."""
        self._held = np.full(len(self.names), np.nan, np.float32)
        self._age = np.zeros(len(self.names), np.float32)

    def see(self, readings: npt.ArrayLike, steps: float = 1.0) -> Moments:
        """The moment `steps` control steps after the last one; raises InputError for readings that are none."""
        given = readings_of(readings, self.names)
        missing = np.isnan(given)
        self._age = np.where(missing, self._age + np.float32(steps), np.float32(0))
        self._held = np.where(missing, self._held, given)
        return np.stack([self._held, self._age], axis=-1)


def readings_of(given: npt.ArrayLike, names: Sequence[str], key: str = "readings") -> npt.NDArray[np.float32]:
    """(P,) readings, NaN or None where one is missing; raises InputError for another number of them, and infinity."""
    try:
        found = np.asarray(given, np.float32)
    except (TypeError, ValueError):
        raise InputError(f"{key}: expected {len(names)} numbers, {', '.join(names)}") from None
    if found.shape != (len(names),):
        raise InputError(f"{key}: shape {found.shape}, expected ({len(names)},): {', '.join(names)}")
    if np.isinf(found).any():
        raise InputError(f"{key}: {names[int(np.isinf(found).argmax())]} is infinite")
    return found


def moments_of(readings: npt.ArrayLike, names: Sequence[str]) -> Moments:
    """(L, P, 2) of the readings (L, P) of one episode."""
    hold = SensorHold(names)
    return np.stack([hold.see(row) for row in np.asarray(readings)])
