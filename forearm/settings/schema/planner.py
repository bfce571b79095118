"""What a planner's config says: the settings of its class in `forearm.planner`, with what a task decides left open."""

from dataclasses import is_dataclass
from functools import cache
from typing import Any

from forearm.common.dotted import is_dotted, named
from forearm.errors import ForearmError
from forearm.settings.schema.fields import derived

UNDER_ANOTHER_NAME = {"guided": "mppi", "hierarchical": "cem", "fast": "cem"}
"""Planners that are another one with settings of their own."""
OF_THE_TASK = {"horizon": "the task's plan.horizon", "action_repeat": "the task's plan.action_repeat"}
"""Settings that are null unless they are given, and what is taken then."""
DURATIONS = ("horizon", "action_repeat")
"""Settings in control steps that may be given in seconds."""
OF_ANOTHER = {
    "guided": {
        "horizon": "the task's guided.horizon",
        "action_repeat": "1",
        "temperature": "the task's guided.temperature",
    },
    "hierarchical": OF_THE_TASK | {"horizon": "the task's hierarchical.horizon"},
}
"""The same for those."""


def planner_config(name: str) -> type[Any] | None:
    """The dataclass of the config of planner `name`, or of one's own, `module:Class`; None for one that is not known.

    Raises `ForearmError` for a class of one's own that is no planner.
    """
    if is_dotted(name):
        return derived(own_planner(name)[1], named="of the planner", left_open=OF_THE_TASK)
    return _shipped(name)


def own_planner(name: str) -> tuple[type[Any], type[Any]]:
    """The class that `module:Class` names, and that of its config; raises `ForearmError` if it is no planner."""
    found = named(name, f"planner={name}")
    config = getattr(found, "config_type", None)
    lacking = [
        what
        for what, there in (
            ("method plan(problem, generators, ...)", callable(getattr(found, "plan", None))),
            ("config_type, a dataclass", is_dataclass(config)),
            ("config_type with a horizon", "horizon" in getattr(config, "__dataclass_fields__", ())),
        )
        if not there
    ]
    if not isinstance(found, type) or lacking:
        reason = f"has no {lacking[0]}" if lacking else "is no class"
        raise ForearmError(f"planner={name}: {found!r} {reason}: derive it from forearm.planner.Planner")
    return found, config  # type: ignore[return-value]


@cache
def _shipped(name: str) -> type[Any] | None:
    from forearm.planner import PLANNERS

    algorithm = UNDER_ANOTHER_NAME.get(name, name)
    if algorithm not in PLANNERS:
        return None
    left_open = OF_ANOTHER.get(name, OF_THE_TASK)
    return derived(PLANNERS[algorithm][1], named="of the planner", left_open=left_open, seconds=DURATIONS)
