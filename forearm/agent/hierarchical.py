"""`planner=hierarchical`: CEM toward learned sub-goals, which a head proposes on the way to the goal.

Two levels, both in latents: the head says through which states the way to the goal leads, and the search, what commands
lead there in the world model. Nothing proposes commands. How far the sub-goals look differs from task to task, so a
task's config says so, under `hierarchical`. Planning on two levels of a latent world model: Hierarchical Planning with
Latent World Models, arXiv 2604.03208.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from forearm.agent.checkpoint_reading import file_beside
from forearm.agent.task_section import task_section
from forearm.common import checks
from forearm.settings.schema.task import HierarchicalConfig

HIERARCHICAL = "hierarchical"
SOURCES = LEARNED_SOURCE, RECORDED_SOURCE = ("learned", "recorded")
USUAL_HIERARCHY: dict[str, Any] = asdict(HierarchicalConfig())
"""Of tasks that say nothing."""


def is_hierarchical(planner: Mapping[str, Any]) -> bool:
    """Whether a planner's config is that of `hierarchical`."""
    return bool(planner["name"] == HIERARCHICAL)


def hierarchical_task(task: Mapping[str, Any]) -> dict[str, Any]:
    """A task's config for `hierarchical`: as far as its sub-goals, at its pace, with the cost of its own.

    Raises `ForearmError` for settings of `hierarchical` that there are not.
    """
    chosen = task_section(task, HIERARCHICAL, USUAL_HIERARCHY)
    pace = {"horizon": chosen["horizon"], "replan_every": chosen["replan_every"]}
    return {
        **task,
        HIERARCHICAL: chosen,
        **sub_goals(task),
        "plan": {**(task.get("plan") or {}), **pace},
        "objective": {**task["objective"], **way_cost(task, chosen["horizon"])},
    }


def way_cost(task: Mapping[str, Any], steps: int | str) -> dict[str, Any]:
    """What an objective says that leads along the way to the sub-goal `steps` control steps ahead; raises as above."""
    chosen = task_section(task, HIERARCHICAL, USUAL_HIERARCHY)
    return {"subgoal": steps, "subgoal_weights": chosen["weights"], "subgoal_slowness": chosen["slowness"]}


def sub_goals(task: Mapping[str, Any]) -> dict[str, Any]:
    """Which file of sub-goals a task's config means: its own, or that of recorded ways; raises as above."""
    chosen = task_section(task, HIERARCHICAL, USUAL_HIERARCHY)
    source = checks.choice(f"{task['name']}.{HIERARCHICAL}.source", chosen["source"], SOURCES)
    if source == LEARNED_SOURCE:
        return {"subgoals": task.get("subgoals")}
    from forearm.world_model.heads.subgoal_checkpoint import recorded_path

    return {"subgoals": chosen["data"] or str(file_beside({**task, "subgoals": None}, "subgoals", recorded_path))}
