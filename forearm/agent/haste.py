"""Whether plans look further ahead than it takes to make them."""

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from forearm.planner.plan import Plan

logger = logging.getLogger(__name__)

IN_A_ROW = 2
"""Plans that must take too long; the first one of a process alone may."""


def too_short(plan: "Plan", period: float) -> str:
    """What to say of a plan for commands every `period` s that took longer than it looks ahead; empty for others."""
    timings = getattr(plan, "timings_ms", None) or {}  # a plan source of one's own need not tell
    took, ahead = 1e-3 * float(timings.get("total", 0.0)), len(plan.actions) * period
    if took <= ahead:
        return ""
    return (
        f"a plan took {took:.2g} s and looks only {ahead:.2g} s ahead, so it is over before it is there: "
        f"give it a longer horizon, such as planner.horizon={2 * took:.1f}s, or less time, planner.deadline_ms="
    )


class Haste:
    """Warns once, in the log, where plans keep taking longer than they look ahead. `period`: s between commands."""

    def __init__(self, period: float) -> None:
        self.period, self._slow = period, 0

    def note(self, plan: "Plan") -> None:
        """A plan was made."""
        said = too_short(plan, self.period)
        self._slow = 0 if not said and self._slow < IN_A_ROW else self._slow + bool(said)
        if said and self._slow == IN_A_ROW:
            logger.warning("%s", said)
