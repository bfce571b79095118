"""One plan from two frames: the shortest way through the house."""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from forearm.agent.agent import PlanningModel
from forearm.agent.checkpoint import CPU, LoadedCheckpoint, OfCheckpoint
from forearm.agent.setup import PlanningSetup, chosen_planner, task_config
from forearm.common.files import place
from forearm.errors import ForearmError
from forearm.settings import compose as settings

if TYPE_CHECKING:
    from forearm.planner.plan import Plan

Frame = np.ndarray | str | Path


class LoadedModel(OfCheckpoint):
    """A loaded world model, ready to plan; made by `forearm.load`.

    `task` is a config as in configs/task, `model` a `forearm.world_model.JEPA`, `document` its checkpoint's
    description.
    """

    def __init__(self, task: Mapping[str, Any], device: str = CPU) -> None:
        self.task = task
        self._read = LoadedCheckpoint.read(task, device)
        self._read.heads(task)  # what is missing is told now

    @property
    def checkpoint(self) -> LoadedCheckpoint:
        """The world model as it was read."""
        return self._read

    def setup(self, planner: str | Mapping[str, Any] | None = None, **overrides: Any) -> PlanningSetup:
        """What plans with this model, such as for a `LocalPlanSource`: a planner, with `overrides` of its settings.

        `planner` is a name in configs/planner, or such a config; None: that of the task. Raises what
        `PlanningSetup.resolve` raises, and `ForearmError` for a setting that the planner has not.
        """
        config = dict(chosen_planner(planner, self.task))
        unknown = sorted(set(overrides) - set(config))
        if unknown:
            raise ForearmError(f"planner '{config['name']}' has no setting '{unknown[0]}'")
        return PlanningSetup.resolve(self.task, {**config, **overrides}, self.checkpoint)

    def planning_model(self) -> PlanningModel:
        """A fresh `PlanningModel` for an `Agent`, as planners want it that need no settings of the task's."""
        return self.setup("cem").planning_model()

    def plan(
        self,
        frame: Frame,
        goal: Frame,
        *,
        planner: str | Mapping[str, Any] | None = None,
        seed: int = 0,
        proprio: np.ndarray | None = None,
        **overrides: Any,
    ) -> "Plan":
        """The plan from what `frame` shows to what `goal` shows; nothing moves.

        Args:
            frame, goal: (R, R, 3) uint8, or the paths of image files.
            planner: a name in configs/planner, or such a config; None: that of the task.
            seed: of the search's random stream.
            proprio: (P,) joint readings, if the model uses them.
            overrides: of the planner's settings, such as `deadline_ms=50`.

        Raises:
            ForearmError: unknown planner, a horizon that is no multiple of the model's steps, or a frame that is not
                what the model was trained on.
            ValueError: contradictory settings, or joint readings missing.
        """
        setup = self.setup(planner, **overrides)
        return setup.plan(setup.frame(frame, "frame"), setup.frame(goal, "goal"), seed, proprio)


def load(task_or_checkpoint: str | Path = "reach", *, task: str | None = None, device: str = CPU) -> LoadedModel:
    """The world model of a task, by the task's name or the path of a checkpoint: its folder, or one of its files.

    A checkpoint says itself for which task it was made; `task` insists on one, or chooses one of several. `device` is
    where it goes: `cpu`, `cuda`, `cuda:1`, `mps`.

    Raises `CheckpointError` for a checkpoint that cannot be read, `DeviceError` for a device that is not here,
    `ForearmError` for an unknown task, one that differs from the checkpoint's, or none where the checkpoint has
    several.
    """
    name = str(task_or_checkpoint)
    if task is None and task_or_checkpoint in settings.options("task"):
        return LoadedModel(task_config(name), device)
    from forearm.world_model.runtime.checkpoint import find, load_checkpoint, tasks_of

    if find(place(name)) is None and _is_meant_for_a_task(name):
        task_config(name)  # says which names there are
    made_for = tasks_of(load_checkpoint(place(name))[1])
    if task is None and len(made_for) > 1:
        raise ForearmError(
            f"checkpoint '{name}' was made for several tasks ({', '.join(made_for)}): "
            f"say which, load('{name}', task='{made_for[0]}')"
        )
    return LoadedModel({**task_config(task or "".join(made_for) or "None"), "checkpoint": name}, device)


def _is_meant_for_a_task(name: str) -> bool:
    """Whether a name, which is no checkpoint's, is a task's written wrongly, and not a path."""
    from forearm.envs.benchmarks.catalog import BENCHMARKS

    head, slash, _ = name.partition("/")
    near = difflib.get_close_matches(head, BENCHMARKS, n=1) or not slash
    return bool(near) and not Path(name).suffix and not place(name).exists()


def plan(
    frame: Frame,
    goal: Frame,
    *,
    task: str = "reach",
    planner: str | None = None,
    deadline_ms: float | None = None,
    seed: int = 0,
    proprio: np.ndarray | None = None,
) -> "Plan":
    """One plan with the checkpoint of `task`; see `LoadedModel.plan`. To plan often, `load` once."""
    overrides = {} if deadline_ms is None else {"deadline_ms": deadline_ms}
    return load(task).plan(frame, goal, planner=planner, seed=seed, proprio=proprio, **overrides)
