"""`planner=guided`: plans out of what a task's learned prior proposes, weighed by where the world model says it leads.

MPPI's average of one round of proposals (`planner.execute=mean`), judged by the learned distance at the end of the
horizon. How far it looks, how often it plans anew and how boldly it takes the prior differs from task to task more than
for other planners, so a task's config says so, under `guided`.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from forearm.agent.hierarchical import sub_goals, way_cost
from forearm.agent.task_section import task_section
from forearm.settings.schema.task import GuidedConfig

GUIDED, PRIOR = "guided", "prior"
USUAL: dict[str, Any] = asdict(GuidedConfig())
"""Of tasks that say nothing."""


def is_guided(planner: Mapping[str, Any]) -> bool:
    """Whether a planner's config is that of `guided`."""
    return bool(planner["name"] == GUIDED)


def guided_task(task: Mapping[str, Any], planner: Mapping[str, Any]) -> dict[str, Any]:
    """A task's config for `guided`, with its pace, its proposals and its cost, or for the policy `prior`, which is the
    same without a search: with pace and proposals.

    Raises `ForearmError` for settings of `guided` that there are not.
    """
    chosen = task_section(task, GUIDED, USUAL)
    # The policy weighs nothing, so it needs no distance.
    told = {
        "weights": "last",
        **{key: chosen[key] for key in ("terminal", "terminal_weights", "until", "features", "subgoal")},
    }
    if told["subgoal"] is not None:  # in place of the learned distance, and judged as where they lead alone
        told |= {"terminal": 0.0, **way_cost(task, told["subgoal"])}
        task = {**task, **sub_goals(task)}
    cost = told if is_guided(planner) else {}
    return {
        **task,
        GUIDED: chosen,
        "plan": {"horizon": chosen["horizon"], "action_repeat": 1, "replan_every": chosen["replan_every"]},
        "proposals": [PRIOR],
        **{key: chosen[key] for key in ("prior_spread", "prior_gain") if task.get(key) is None},
        "objective": {**task["objective"], **cost},
    }


def gate_of(task: Mapping[str, Any]) -> float | None:
    """The margin of a task's config for `guided`; None for none. Raises ValueError for what is none."""
    from forearm.planner.search.gate import margin_of

    return margin_of(f"{task['name']}.{GUIDED}.gate", task[GUIDED]["gate"])
