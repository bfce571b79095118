"""How widely a plan is searched for: the nearer the goal, the smaller the commands that lead there."""

import math
from typing import Any

NEAR = 4.0, 16.0
"""Nearness, as a share of the radius, within which searches narrow: at least, and at most."""
WAY = 0.1
"""Share of the farthest nearness of a goal, within which they do, between those two."""
LEAST = 0.2
"""Share of a search's spread that is left at the goal."""
STEPS = 10
"""Shares are of so many steps, so that as many planners will do."""
SPREADS = ("initial_std", "min_std", "std")
"""Settings of planners that say how far around their mean they look."""


def share_of(nearness: float, farthest: float) -> float:
    """Of a search's spread, `nearness` away from a goal that was `farthest` away at most.

    Nearness goes with the square of a distance. So does what is near: an object that is to be moved a little has to be
    pushed from all sides.
    """
    within = min(max(WAY * farthest, NEAR[0]), NEAR[1])
    if not nearness < within:
        return 1.0
    return max(LEAST, math.ceil(STEPS * math.sqrt(nearness / within)) / STEPS)


def narrowed(config: Any, share: float) -> dict[str, Any]:
    """The spreads of a planner's `config` times `share`, as changes of it; none where it is the whole."""
    found = {key: getattr(config, key) for key in SPREADS if share < 1.0 and hasattr(config, key)}
    return {key: _times(spread, share) for key, spread in found.items()}


def _times(spread: Any, share: float) -> Any:
    return tuple(share * each for each in spread) if isinstance(spread, tuple) else share * spread
