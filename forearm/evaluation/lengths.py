"""Lengths of episodes in seconds, made control steps of by the period of a task's simulator."""

from collections.abc import Mapping, Sequence
from typing import Any

from forearm.common import checks
from forearm.common.durations import in_steps, seconds, told_in_seconds
from forearm.errors import ForearmError
from forearm.evaluation.env_pool import check_simulator, environment


def period_of(task: Mapping[str, Any]) -> float:
    """The control period (s) of a task's simulator; raises `ForearmError` where there is none."""
    check_simulator(task["name"], "a length in seconds")
    return environment(task["name"], task["camera"], task["resolution"]).control_period


def steps_of(name: str, length: Any, task: Mapping[str, Any]) -> int:
    """The control steps, at least one, of a length that may be in seconds of a task's simulator; `name` is for errors.

    Raises `InputError` for what is no length, and what `period_of` raises.
    """
    if seconds(length) is not None:
        length = in_steps(name, length, period_of(task))
    return checks.whole(name, length, least=1)


def lengths_in_steps(
    tasks: Sequence[Mapping[str, Any]], protocol: Mapping[str, Any]
) -> tuple[list[Mapping[str, Any]], Mapping[str, Any]]:
    """Configs of tasks and of a protocol, with their lengths in control steps.

    Raises `ForearmError` for a length of a protocol in seconds, where it is another number of steps in each task.
    """
    if told_in_seconds(protocol):
        found = [_settled(protocol, "protocol.", period_of(task)) for task in tasks]
        if any(one != found[0] for one in found):
            raise ForearmError(
                "a protocol in seconds is another number of control steps in each of these tasks: run them one by one"
            )
        protocol = found[0]
    return [_of_task(task) for task in tasks], protocol


def _of_task(task: Mapping[str, Any]) -> Mapping[str, Any]:
    lengths = {"max_steps": task.get("max_steps")}
    recording = dict(task.get("collect") or {})
    if not told_in_seconds(lengths, recording):
        return task
    period = period_of(task)
    found = {**task, **_settled(lengths, f"{task['name']}.", period)}
    return {**found, "collect": _settled(recording, f"{task['name']}.collect.", period)} if recording else found


def _settled(config: Mapping[str, Any], named: str, period: float) -> dict[str, Any]:
    return {
        key: value if seconds(value) is None else in_steps(f"{named}{key}", value, period)
        for key, value in config.items()
    }
