"""`planner=fast`: CEM with few candidates, which the checkpoint's student predicts: plans in a part of the time."""

from collections.abc import Mapping
from typing import Any

from forearm.agent.checkpoint_reading import BESIDE_IT

FAST = "fast"


def is_fast(planner: Mapping[str, Any]) -> bool:
    """Whether a planner's config is that of `fast`."""
    return bool(planner["name"] == FAST)


def wants_student(task: Mapping[str, Any], planner: Mapping[str, Any]) -> bool:
    """Whether a planner of a task predicts with a student."""
    return is_fast(planner) or bool(task.get("student"))


def fast_task(task: Mapping[str, Any]) -> dict[str, Any]:
    """A task's config for `fast`: with the student beside the checkpoint, unless it names one."""
    return {**task, "student": task.get("student") or BESIDE_IT}
