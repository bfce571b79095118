"""When surprise is an alarm: a threshold that normal motion seldom passes, and how often it may."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from forearm.errors import ForearmError
from forearm.surprise.prediction import Array

SMOOTH = 0.5
"""Weight of a new frame in the mean over time."""
BLOCK = 1.0
"""s of which the greatest level counts: each such second above the threshold is a false alarm of its own."""
KEPT = 200
"""Greatest levels that a calibration keeps."""
CONFIDENCE = 0.95


def most_per_hour(count: int, hours: float) -> float:
    """The rate an hour that `count` events in so many hours bound from above, with 95 % confidence (Poisson)."""
    from scipy.stats import chi2

    return float(chi2.ppf(CONFIDENCE, 2 * (count + 1)) / 2 / hours)


def check_hours(hours: float, rate: float) -> None:
    """Raise `ForearmError` where so many hours are too few to say that there are at most `rate` false alarms in one."""
    if most_per_hour(0, hours) > rate:
        raise ForearmError(
            f"{hours:.2g} hours of held-out motion are too few for {rate:g} false alarms an hour: "
            f"calibrate on {most_per_hour(0, 1.0) / rate:.2g} hours at least, or ask for "
            f"{np.ceil(100 * most_per_hour(0, hours)) / 100:g}"
        )


@dataclass(frozen=True, eq=False)
class FalseAlarms:
    """levels (N,): the greatest that held-out motion reached in seconds of its `hours`, falling."""

    levels: Array
    hours: float

    @classmethod
    def of(cls, episodes: "Sequence[Array]", period: float) -> "FalseAlarms":
        """Of the levels (L,) of episodes, a frame each `period` s; NaN where nothing was expected."""
        size, known = max(1, round(BLOCK / period)), [levels[~np.isnan(levels)] for levels in episodes]
        blocks = [levels[i : i + size].max() for levels in known for i in range(0, len(levels), size)]
        return cls(np.sort(blocks)[::-1][:KEPT], sum(map(len, known)) * period / 3600)

    def threshold(self, rate: float) -> float:
        """The least level that is passed at most `rate` times an hour, with 95 % confidence.

        Raises `ForearmError` where the hours are too few to say so.
        """
        check_hours(self.hours, rate)
        allowed = 0
        while allowed + 1 < len(self.levels) and most_per_hour(allowed + 1, self.hours) <= rate:
            allowed += 1
        return float(self.levels[allowed])

    def passed(self, threshold: float) -> int:
        """In how many seconds the level was greater."""
        return int((self.levels > threshold).sum())
