"""Whether a world model and its heads were made for the task that they are wanted for."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from forearm.errors import ForearmError

if TYPE_CHECKING:
    from forearm.world_model.heads.checkpoint import Heads
    from forearm.world_model.heads.ways import Ways
    from forearm.world_model.model.jepa import JEPA


def check_task(model: "JEPA", document: Mapping[str, Any], task: Mapping[str, Any]) -> None:
    """Raise `ForearmError` unless a checkpoint was made for this task and its camera, and knows commands."""
    from forearm.world_model.runtime.checkpoint import tasks_of

    tasks = tasks_of(document)
    found = {
        "task": task["name"] if task["name"] in tasks else " and ".join(tasks) or None,
        "camera": str(document.get("camera", "")).rpartition(".")[2] or "none",
        "resolution": model.config.resolution,
    }
    wanted = {"task": task["name"], "camera": task["camera"], "resolution": task["resolution"]}
    differing = [f"{key} {found[key]}, not {wanted[key]}" for key in wanted if wanted[key] not in (None, found[key])]
    if differing:
        raise ForearmError(
            f"checkpoint '{task['checkpoint']}' was made for {'; '.join(differing)}: "
            f"give another {task['name']}.checkpoint="
        )
    if not model.config.action_dim:
        raise ForearmError(
            f"checkpoint '{task['checkpoint']}' was trained on frames alone and knows no commands, so it cannot "
            f"plan: train one with actions from it, 'forearm train task={task['name']} init={task['checkpoint']} "
            "freeze_encoder=true'"
        )


def check_heads(heads: "Heads", path: Path, task: Mapping[str, Any]) -> None:
    """Raise `ForearmError` unless heads were trained for this task, and have what its objective asks for."""
    # Those of a checkpoint of several tasks know the goals of one.
    if (made_for := heads.document.get("task", task["name"])) != task["name"]:
        raise ForearmError(
            f"{path}: heads were trained for task {made_for}, not {task['name']}: name others, task.heads=FILE, or "
            f"train them with 'forearm train-heads task={task['name']}'"
        )
    if task["objective"].get("features") and heads.prior.slow is None:
        raise ForearmError(
            f"objective.features=true needs a prior with slow features, but that of {path} has none: train it with "
            f"'forearm train-heads task={task['name']} prior.slow=4'"
        )


def check_ranking(document: Mapping[str, Any], path: Path, task: Mapping[str, Any]) -> None:
    """Raise `ForearmError` unless a ranking was trained for this task."""
    if (made_for := document.get("task", task["name"])) != task["name"]:
        raise ForearmError(
            f"{path}: the ranking was trained for task {made_for}, not {task['name']}: name another, "
            f"task.rankings=FILE, or set objective.ranking=0"
        )


def check_subgoal(head: "Ways", document: Mapping[str, Any], path: Path, task: Mapping[str, Any]) -> None:
    """Raise `ForearmError` unless sub-goals were trained for this task, and know the one that its objective names."""
    if (made_for := document.get("task", task["name"])) != task["name"]:
        raise ForearmError(
            f"{path}: sub-goals were trained for task {made_for}, not {task['name']}: name others, task.subgoals=FILE, "
            f"or train them with 'forearm train-heads task={task['name']} parts=[{part_of(path)}]'"
        )
    steps, (least, most) = int(task["objective"]["subgoal"]), (head.frameskip, head.horizon)
    if steps % least or not least <= steps <= most:
        raise ForearmError(
            f"objective.subgoal={steps}: {path} knows every {least} control steps up to {most}: choose one, or "
            f"train others with 'forearm train-heads task={task['name']} parts=[{part_of(path)}] "
            f"{part_of(path)}.horizon={steps}'"
        )


def part_of(path: Path) -> str:
    """The part of `forearm train-heads` that makes such a file of sub-goals."""
    return "recorded" if path.stem.endswith(".recorded") else "subgoal"
