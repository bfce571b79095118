"""`model=`: the tasks of a command on other world models than their own, by checkpoint or by `module:function`."""

from typing import Any

from forearm.errors import ForearmError
from forearm.settings.compose import Settings
from forearm.settings.words import items


def task_of(chosen: Settings) -> dict[str, Any]:
    """The only task of a command, on the model that was chosen; raises `ForearmError` for several of either."""
    named = _named(chosen)
    if len(named) > 1:
        raise ForearmError(f"'{chosen.command}' takes one model, not {len(named)}; 'forearm compare' takes several")
    return {**chosen.one("task"), **({"checkpoint": named[0]} if named else {})}


def tasks_of(chosen: Settings) -> list[dict[str, Any]]:
    """Every task of a command, on each model that was chosen; raises `ForearmError` for one that is named twice."""
    tasks, named = list(chosen.all("task").values()), _named(chosen)
    if not named:
        return tasks
    return [{**task, "checkpoint": name} for task in tasks for name in named]


def _named(chosen: Settings) -> list[str]:
    named = items(str(chosen["model"] or "").strip())
    if not all(named) or len(set(named)) < len(named):
        raise ForearmError(f"model={chosen['model']}: name one, or several in brackets, each once")
    return named
