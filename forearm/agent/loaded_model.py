"""One plan from two frames: the shortest way through the house."""

import difflib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from forearm.agent.agent import Agent, PlanningModel
from forearm.agent.guided import suited
from forearm.agent.image_file import read_frame
from forearm.agent.latent import action_bounds, fingerprint, heads_for, imagination_for, load_for
from forearm.common.files import place
from forearm.errors import ForearmError
from forearm.evaluation.contenders import build_planner, fitted
from forearm.settings import compose as settings

if TYPE_CHECKING:
    from forearm.planner.plan import Plan

Frame = np.ndarray | str | Path


class LoadedModel:
    """A loaded world model, ready to plan; made by `forearm.load`.

    `task` is a config as in configs/task, `model` a `forearm.world_model.JEPA`, `document` its checkpoint's
    description.
    """

    def __init__(self, task: Mapping[str, Any]) -> None:
        self.task = task
        self.model, self.document = load_for(task)
        heads_for(task)  # what is missing is told now

    @property
    def resolution(self) -> int:
        """Side of the frames it expects, in pixels."""
        return int(self.model.config.resolution)

    def planning_model(self) -> PlanningModel:
        """A fresh `PlanningModel` for an `Agent`."""
        return imagination_for(self.task, (self.model, self.document))

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
            ForearmError: unknown planner, or a frame that is not what the model was trained on.
            ValueError: contradictory settings, or joint readings missing.
        """
        config = dict(chosen_planner(planner, self.task))
        unknown = sorted(set(overrides) - set(config))
        if unknown:
            raise ForearmError(f"planner '{config['name']}' has no setting '{unknown[0]}'")
        start, end = self.frame(frame, "frame"), self.frame(goal, "goal")
        task = suited(self.task, config)
        agent = Agent(
            build_planner(fitted({**config, **overrides}, task)),
            imagination_for(task, (self.model, self.document)),
            *action_bounds(self.document, self.model.config.action_dim),
            float(self.document["control_period"]),
        )
        agent.reset([end], [seed])
        act = agent.act([{"pixels": start, "proprio": proprio}])[0]
        assert act is not None and act.plan is not None
        names = self.document.get("action_names")
        return replace(act.plan, checkpoint=fingerprint(self.document), action_names=names)

    def frame(self, frame: Frame, key: str) -> np.ndarray:
        """A frame as an array (R, R, 3) uint8; raises `ForearmError` for one that the model was not trained
        on.
        """
        side = self.resolution
        if isinstance(frame, (str, Path)):
            return read_frame(place(frame), side, key)
        array = np.asarray(frame)
        if array.dtype != np.uint8 or array.shape != (side, side, 3):
            raise ForearmError(f"{key} is {array.dtype} {array.shape}, but the model expects uint8 ({side}, {side}, 3)")
        return array


def load(task_or_checkpoint: str | Path = "reach", *, task: str | None = None) -> LoadedModel:
    """The world model of a task, by the task's name or the path of a checkpoint: its folder, or one of its files.

    A checkpoint says itself for which task it was made; `task` insists on one, or chooses one of several.

    Raises `CheckpointError` for a checkpoint that cannot be read, `ForearmError` for an unknown task, one that
    differs from the checkpoint's, or none where the checkpoint has several.
    """
    name = str(task_or_checkpoint)
    if task is None and task_or_checkpoint in settings.options("task"):
        return LoadedModel(task_config(name))
    from forearm.world_model.runtime.checkpoint import find, load_checkpoint, tasks_of

    if find(place(name)) is None and _is_meant_for_a_task(name):
        task_config(name)  # says which names there are
    made_for = tasks_of(load_checkpoint(place(name))[1])
    if task is None and len(made_for) > 1:
        raise ForearmError(
            f"checkpoint '{name}' was made for several tasks ({', '.join(made_for)}): "
            f"say which, load('{name}', task='{made_for[0]}')"
        )
    return LoadedModel({**task_config(task or "".join(made_for) or "None"), "checkpoint": name})


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
    """One plan with the checkpoint of `task`; see `Brain.plan`. To plan often, `load` once."""
    overrides = {} if deadline_ms is None else {"deadline_ms": deadline_ms}
    return load(task).plan(frame, goal, planner=planner, seed=seed, proprio=proprio, **overrides)


def chosen_planner(planner: str | Mapping[str, Any] | None, task: Mapping[str, Any]) -> Mapping[str, Any]:
    """A planner's config, given as such, by its name, or as None for that of the task, if the checkpoint is its own,
    and else CEM; raises `ForearmError` for an unknown name.
    """
    if planner is None:
        own = task["checkpoint"] == task_config(str(task["name"]))["checkpoint"]
        planner = str(task.get("planner") or "cem") if own else "cem"
    return planner_config(planner) if isinstance(planner, str) else planner


def task_config(name: str) -> dict[str, Any]:
    """The defaults in configs/task; raises `ForearmError` for an unknown name."""
    return settings.load("plan", [f"task={name}"]).one("task")


def planner_config(name: str) -> dict[str, Any]:
    """The defaults in configs/planner; raises `ForearmError` for an unknown name."""
    return settings.load("plan", [f"planner={name}"]).one("planner")
