"""How rare a value is among those of normal motion: conformal p-values, and how strange what lies beyond them all is.

A p-value is (1 + number of held-out values that are at least as great) / (1 + their number), rounded up to a level of
the table (Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World, 2005). It holds for a frame drawn by
chance from episodes like the held-out ones; frames of one episode are alike, which `alarm.py` minds, not this.
"""

from dataclasses import dataclass

import numpy as np

from forearm.surprise.prediction import Array

LEVELS = np.concatenate([[1.0, 0.8, 0.6, 0.5, 0.4, 0.3], 10.0 ** -np.arange(0.625, 6.0, 0.125)])
"""Levels of p-values, falling."""
TAIL = 0.05
"""Share of the greatest values, from which on how they fall off is fitted."""
STRANGEST = 20.0
"""Beyond which one value is not stranger than another."""
LEAST = 200
"""Held-out values that a table is made of at least."""


@dataclass(frozen=True, eq=False)
class Table:
    """Held-out values of one measure.

    levels (Q,), falling; values (Q,), which a value must exceed to be as rare as the level. tail: the value that a
    share `TAIL` exceeds; slope: mean of the logarithm of what exceeds it, over it (Hill, Annals of Statistics 3, 1975).
    """

    levels: Array
    values: Array
    tail: float
    slope: float

    @classmethod
    def of(cls, values: Array) -> "Table":
        """Of values (N,), all positive."""
        falling = np.sort(values)[::-1]
        count = len(falling)
        levels = LEVELS[LEVELS * (count + 1) >= 1.0]
        above = np.floor(levels * (count + 1) - 1 + 1e-9).astype(int)
        table = np.where(above >= count, -np.inf, falling[np.minimum(above, count - 1)])
        table[0] = 0.0
        most = falling[: max(2, int(TAIL * count))]
        return cls(levels, np.maximum(table, 0.0), float(most[-1]), float(max(np.log(most / most[-1]).mean(), 1e-3)))

    def p(self, value: Array) -> Array:
        """(N,) p-values of values (N,); NaN for NaN."""
        rank = np.searchsorted(self.values, np.asarray(value), side="left") - 1
        found = self.levels[np.clip(rank, 0, len(self.levels) - 1)]
        return np.asarray(np.where(np.isnan(value), np.nan, found))

    def strangeness(self, value: Array) -> Array:
        """(N,) how far values (N,) lie in the tail: 0 up to its beginning, and 1 more where it is e times as rare."""
        with np.errstate(divide="ignore", invalid="ignore"):
            beyond = np.log(np.asarray(value) / self.tail) / self.slope
        return np.clip(beyond, 0.0, STRANGEST)
