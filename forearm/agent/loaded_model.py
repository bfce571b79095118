"""One plan from two frames: the shortest way through the house."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from forearm.agent.action_spec import ActionSpec
from forearm.agent.agent import PlanningModel
from forearm.agent.checkpoint import LoadedCheckpoint, settled
from forearm.agent.checkpoint_reading import CPU, loaded, place_of
from forearm.agent.image_file import Frame
from forearm.agent.imagination import Imagination, Imagined, commands_of
from forearm.agent.latent import LatentPlanningModel
from forearm.agent.of_checkpoint import OfCheckpoint
from forearm.agent.places import draw_goal
from forearm.agent.setup import PlanningSetup, chosen_planner, planner_config, task_config
from forearm.common.dotted import is_dotted
from forearm.common.files import place
from forearm.errors import ForearmError, nearest
from forearm.settings import compose as settings

if TYPE_CHECKING:
    from forearm.planner.plan import Plan

Goal = Frame | Mapping[str, Any]
"""A frame, or places in m, such as `{"object": [0.5, 0.1]}`."""


class LoadedModel(OfCheckpoint):
    """A loaded world model, ready to plan; made by `forearm.load`.

    `task` is a config as in configs/task, `model` a `forearm.world_model.JEPA`, `document` its checkpoint's
    description.
    """

    def __init__(self, task: Mapping[str, Any], device: str = CPU) -> None:
        self.task = settled(task)
        self._read = LoadedCheckpoint.read(self.task, device)
        self._read.heads(self.task)  # what is missing is told now

    @property
    def checkpoint(self) -> LoadedCheckpoint:
        """The world model as it was read."""
        return self._read

    @property
    def action_spec(self) -> ActionSpec:
        """What commands are."""
        return ActionSpec.of_checkpoint(self.document, self.model.config.action_dim)

    def setup(self, planner: str | Mapping[str, Any] | None = None, **overrides: Any) -> PlanningSetup:
        """What plans with this model, such as for a `LocalPlanSource`: a planner, with `overrides` of its settings.

        `planner` is a name in configs/planner, or such a config, of which what is left out is as there; None: that of
        the task. Raises what `PlanningSetup.resolve` raises, and `ForearmError` for a setting that the planner has not.
        """
        config = dict(chosen_planner(planner, self.task))
        if isinstance(planner, Mapping) and config.get("name") in settings.options("planner"):
            config = {**planner_config(str(config["name"])), **config}
        unknown = sorted(set(overrides) - set(config))
        if unknown:
            raise ForearmError(f"planner '{config['name']}' has no setting '{unknown[0]}'")
        return PlanningSetup.resolve(self.task, {**config, **overrides}, self.checkpoint)

    def planning_model(self) -> PlanningModel:
        """A fresh `PlanningModel` for an `Agent`, as planners want it that need no settings of the task's."""
        return self.setup("cem").planning_model()

    def goal(
        self, *, tool: Sequence[float] | None = None, object: Sequence[float] | None = None, env: Any = None
    ) -> np.ndarray:
        """The frame (R, R, 3) uint8 of a goal that is told by places, drawn by the task's simulator.

        Args:
            tool: [x, y, z] in m; None: as in the task's own goal pictures.
            object: [x, y, z] or, on the table, [x, y] in m.
            env: the simulator at the start of the way, which stays as it is; None: a new one, and the object is taken
                to come from the side of the arm's base.

        Raises:
            ForearmError: a task that cannot draw a goal from places.
            InputError: places outside the workspace, or that cannot be together.
        """
        places = {"tool": tool, "object": object}
        return self.goal_frame(places) if env is None else draw_goal(env, places)

    def plan(
        self,
        frame: Frame,
        goal: Goal,
        *,
        planner: str | Mapping[str, Any] | None = None,
        seed: int = 0,
        proprio: np.ndarray | None = None,
        **overrides: Any,
    ) -> "Plan":
        """The plan from what `frame` shows to what `goal` shows; nothing moves.

        Args:
            frame, goal: (H, W, 3) uint8 of any size, or the paths of image files; resized as in training. A goal may be
                told by places, see `goal`.
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
        return setup.plan(setup.frame(frame, "frame"), setup.goal_frame(goal), seed, proprio)

    def imagine(
        self,
        frames: Frame | Sequence[Frame],
        actions: Any,
        *,
        goal: Goal | None = None,
        past: Any = None,
        proprio: np.ndarray | None = None,
    ) -> Imagined:
        """What the model expects `actions` to lead to, as pictures; nothing moves, and no plan is made.

        Args:
            frames: what is seen now, as for `plan`; or several, one a control step, the newest last.
            actions: commands (H, A), H a multiple of the model's steps, from now on.
            goal: whose distance shall be told.
            past: commands (T - 1, A) between T frames.
            proprio: joint readings (P,), or (T, P) for several frames, if the model uses them.

        Raises:
            ForearmError: no decoder lies beside the checkpoint, a frame is not what the model was trained on, or
                commands have another shape or lie outside their bounds.
        """
        import torch

        decoder = self.checkpoint.decoder(self.task)
        one = isinstance(frames, (str, Path)) or (isinstance(frames, np.ndarray) and frames.ndim == 3)
        several: Any = [frames] if one else frames
        seen = [self.frame(frame, "frames") for frame in several]
        spec = self.action_spec
        names = list(self.document.get("action_names") or [])
        coming = commands_of(actions, spec, names)
        done = [] if past is None or not len(past) else list(commands_of(past, spec, names, "past"))
        readings = [None] * len(seen) if proprio is None else list(np.reshape(proprio, (len(seen), -1)))
        if len(done) != len(seen) - 1:
            raise ForearmError(f"past: {len(seen)} frames want {len(seen) - 1} commands between them, got {len(done)}")
        thinking = LatentPlanningModel(self.model, self.task["objective"], spec, heads=self.checkpoint.heads(self.task))
        thinking.begin([seen[0] if goal is None else self.goal_frame(goal)])
        for frame, reading, command in zip(seen, readings, [None, *done], strict=True):
            thinking.observe(0, {"pixels": frame, "proprio": reading}, command)
        found = Imagination(self.model, decoder, spec.period).ahead(thinking.state(0), coming)
        if goal is None:
            return found
        apart = [thinking.distance(0, latent) for latent in torch.as_tensor(found.latents, dtype=torch.float32)]
        return replace(found, distances=np.array(apart))


def load(task_or_checkpoint: str | Path = "reach", *, task: str | None = None, device: str = CPU) -> LoadedModel:
    """The world model of a task, by the task's name or the path of a checkpoint: its folder, or one of its files.

    Or a model of one's own, `module:function` (see `WorldModel`), which needs a `task`.

    A checkpoint says itself for which task it was made; `task` insists on one, or chooses one of several. `device` is
    where it goes: `cpu`, `cuda`, `cuda:1`, `mps`.

    Raises `CheckpointError` for a checkpoint that cannot be read, `DeviceError` for a device that is not here,
    `ForearmError` for an unknown task, one that differs from the checkpoint's, or none where the checkpoint has
    several.
    """
    name = str(task_or_checkpoint)
    if task is None and task_or_checkpoint in settings.options("task"):
        return LoadedModel(task_config(name), device)
    if is_dotted(name):
        if task is None:
            raise ForearmError(f"model {name} does not say for which task it is: load('{name}', task='reach')")
        return LoadedModel({**task_config(task), "checkpoint": name}, device)
    from forearm.world_model.runtime.checkpoint import find, tasks_of

    if find(place_of(name)) is None and _is_meant_for_a_task(name):
        task_config(name)  # says which names there are
    made_for = tasks_of(loaded(name)[1])
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
    near = nearest(head, BENCHMARKS, cutoff=0.6) or not slash
    return bool(near) and not Path(name).suffix and not place(name).exists()


def plan(
    frame: Frame,
    goal: Goal,
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
