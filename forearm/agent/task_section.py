"""What a task's config says for one planner, in a section of that planner's name."""

from collections.abc import Mapping
from typing import Any

from forearm.errors import ForearmError, did_you_mean


def task_section(task: Mapping[str, Any], name: str, usual: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a task's section `name`, with the `usual` ones where it says nothing.

    Raises `ForearmError` for settings that there are not.
    """
    given = dict(task.get(name) or {})
    for key in given:
        if key not in usual:
            raise ForearmError(f"{task['name']}.{name} has no setting '{key}'{did_you_mean(str(key), usual)}")
    return {**usual, **given}
