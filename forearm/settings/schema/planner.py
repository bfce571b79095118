"""What a planner's config says: the settings of its class in `forearm.planner`, with what a task decides left open."""

from functools import cache
from typing import Any

from forearm.settings.schema.fields import derived

UNDER_ANOTHER_NAME = {"guided": "mppi"}
"""Planners that are another one with settings of their own."""
OF_THE_TASK = {"horizon": "the task's plan.horizon", "action_repeat": "the task's plan.action_repeat"}
"""Settings that are null unless they are given, and what is taken then."""
DURATIONS = ("horizon", "action_repeat")
"""Settings in control steps that may be given in seconds."""
OF_GUIDED = {
    "horizon": "the task's guided.horizon",
    "action_repeat": "1",
    "temperature": "the task's guided.temperature",
}
"""The same for `guided`."""


@cache
def planner_config(name: str) -> type[Any] | None:
    """The dataclass of the config of planner `name`; None for one that this package does not know."""
    from forearm.planner import PLANNERS

    algorithm = UNDER_ANOTHER_NAME.get(name, name)
    if algorithm not in PLANNERS:
        return None
    left_open = OF_THE_TASK if algorithm == name else OF_GUIDED
    return derived(PLANNERS[algorithm][1], named="of the planner", left_open=left_open, seconds=DURATIONS)
