"""How far is looked ahead and how often is planned, in control steps, whatever they were told in."""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

from forearm.agent.checkpoint import LoadedCheckpoint
from forearm.agent.checkpoint_reading import CPU
from forearm.agent.guided import GUIDED
from forearm.agent.hierarchical import HIERARCHICAL
from forearm.common import checks
from forearm.common.durations import in_steps, seconds, told_in_seconds
from forearm.settings.schema.task import PaceConfig

PACE: dict[str, Any] = asdict(PaceConfig())
"""Of tasks that say nothing."""


def in_control_steps(
    task: Mapping[str, Any],
    planner: Mapping[str, Any],
    replan_every: int | str | None,
    oracle: bool,
    checkpoint: str | Path | LoadedCheckpoint | None,
    device: str = CPU,
) -> tuple[dict[str, Any], Mapping[str, Any], int | None]:
    """The same in control steps: what is in seconds, by the period of the world model, which is read to a torch
    `device`, or of the simulator.

    Horizons become multiples of the model's steps. Raises `InputError` for what is neither.
    """
    sections = {key: dict(task.get(key) or {}) for key in ("plan", GUIDED, HIERARCHICAL, "objective")}
    every = {"replan_every": replan_every}
    if not told_in_seconds(planner, every, *sections.values()):
        if isinstance(replan_every, str):
            replan_every = in_steps("replan_every", replan_every, 1.0)  # which says what is wrong with it
        return dict(task), planner, replan_every
    if oracle:
        from forearm import envs

        with closing(envs.make(str(task["name"]), task["camera"])) as env:
            period, multiple = env.control_period, 1
    else:
        read = checkpoint if isinstance(checkpoint, LoadedCheckpoint) else LoadedCheckpoint.read(task, device)
        period, multiple = float(read.document["control_period"]), read.model.config.frameskip

    def settled(config: Mapping[str, Any], named: str) -> dict[str, Any]:
        whole = {"horizon": multiple, "until": multiple, "subgoal": multiple}
        return {
            key: in_steps(f"{named}{key}", value, period, multiple=whole.get(key, 1))
            if seconds(value) is not None
            else value
            for key, value in config.items()
        }

    found = {key: settled(section, f"{task['name']}.{key}.") for key, section in sections.items() if key in task}
    return {**task, **found}, settled(planner, "planner."), settled(every, "")["replan_every"]


def pace_of(task: Mapping[str, Any]) -> dict[str, int]:
    """The `horizon`, `action_repeat` and `replan_every` of a task in control steps; raises ValueError for none."""
    pace = PACE | dict(task.get("plan") or {})
    return {key: checks.integer(f"{task['name']}.plan.{key}", pace[key], 1) for key in PACE}
