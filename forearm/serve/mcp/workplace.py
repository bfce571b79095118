"""What agents work with: a scene in the simulator, a world model, and the answers to their questions.

All of it belongs to one thread, as the simulator's renderer does.
"""

import base64
import binascii
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from forearm import envs
from forearm.agent.camera_check import Views, views_for
from forearm.agent.candidates import telling
from forearm.agent.image_file import read_frame
from forearm.agent.imagination import commands_of
from forearm.agent.places import draw_goal
from forearm.common.seeds import evaluation_reset_seed
from forearm.errors import ForearmError, InputError
from forearm.serve.goals import Goals
from forearm.serve.mcp.bounds import Bounds
from forearm.serve.mcp.job import Cancelled, Job, Search
from forearm.serve.mcp.motion import Motion, carry_out
from forearm.serve.mcp.surprise import LatentSurprise, Surprising

if TYPE_CHECKING:
    from pathlib import Path

    from forearm.agent.latent import LatentPlanningModel
    from forearm.agent.loaded_model import LoadedModel
    from forearm.agent.setup import PlanningSetup
    from forearm.control.robots.robot import Robot
    from forearm.envs import Environment

SHOWN = 12
"""Imagined frames in an answer."""
PICTURES = (b"\x89PNG", b"\xff\xd8", b"RIFF", b"BM")
"""How the files of goals begin that are sent as base64."""


@dataclass(frozen=True, eq=False)
class Answer:
    """facts: what is told, as JSON has it. frames: (R, R, 3) uint8 each, with captions."""

    facts: dict[str, Any]
    frames: list[tuple[str, np.ndarray]] = field(default_factory=list)


class Workplace:
    """One scene, and what can be asked about it; from one thread.

    Args:
        loaded: the world model.
        setup: what plans with it.
        env: the simulator; it is reset to the scene.
        robot: whose limits motion keeps.
        bounds: how much may be asked, and whether the arm may move.
        goals: folder of named goals; None: none.
        seed, episode: which held-out episode the scene is.
        check_goals: refuse goals of another camera, or upside down.
        surprising: tells what is a surprise; None: made when it is first asked.

    Raises ForearmError for a folder without goals, commands that the world model does not know, and motion of an arm
    that is not the built-in one.
    """

    def __init__(
        self,
        loaded: "LoadedModel",
        setup: "PlanningSetup",
        env: "Environment",
        robot: "Robot",
        bounds: Bounds,
        *,
        goals: "Path | None" = None,
        seed: int = 0,
        episode: int = 0,
        check_goals: bool = True,
        surprising: Surprising | None = None,
    ) -> None:
        if bounds.allow_motion and not isinstance(env, envs.ArmEnv):
            raise ForearmError(
                f"allow_motion=true: task '{env.name}' is not of the built-in arm, whose limits are known; leave it out"
            )
        loaded.check_commands(env)
        self.loaded, self.setup, self.env, self.robot, self.bounds = loaded, setup, env, robot, bounds
        self._views: Views | None = views_for(loaded) if check_goals else None
        self.goals, self._seed, self._surprising = Goals(goals, loaded, self._views), seed, surprising
        self._names = list(loaded.document.get("action_names") or env.action_names)
        self._now, info = env.reset(seed=evaluation_reset_seed(seed, episode))
        self._task_goal: np.ndarray = info["goal"]
        self._motion: Motion | None = None

    # -- what can be asked -----------------------------------------------------------------------------------------

    def describe(self, job: Job) -> Answer:
        """The task, its commands and their limits, cameras, checkpoint, and what may be asked."""
        env, spec, horizon = self.env, self.loaded.action_spec, int(self.setup.planner_config["horizon"])
        task: Any = getattr(env, "task", None)
        workspace = None if task is None else {"low": list(task.low), "high": list(task.high)}
        return Answer(
            {
                "task": env.name,
                "description": env.description,
                "checkpoint": self.loaded.checkpoint.fingerprint,
                "planner": self.setup.planner_name,
                "horizon": horizon,
                "action_names": self._names,
                "action_low": spec.low.tolist(),
                "action_high": spec.high.tolist(),
                "control_period_s": spec.period,
                "model_step": int(self.loaded.model.config.frameskip),
                "camera": env.camera,
                "cameras": list(env.cameras),
                "frame_side_px": self.loaded.resolution,
                "workspace_m": workspace,
                "places": sorted(name.removesuffix("_position").replace("ee", "tool") for name in env.positions()),
                "goals": ["task", *self.goals.names],
                "motion_allowed": self.bounds.allow_motion,
                "max_steps": self.bounds.max_steps,
                "max_plans": self.bounds.max_plans,
            }
        )

    def look(self, job: Job) -> Answer:
        """The present frame, and what the simulator knows of it."""
        return Answer(self._present(), [("now", self._now["pixels"])])

    def plan(self, job: Job, goal: Any, seed: int | None = None) -> Answer:
        """A plan from the present scene to a goal, and what it is expected to lead to."""
        frame = self.goal(goal)
        thinking = self._thinking(frame)
        evaluations = int(self.setup.planner_config.get("iterations") or 1)
        problem = telling(thinking.problem([0]), [Search(job, evaluations)])
        job.step(0, evaluations, "searching")
        generator = torch.Generator().manual_seed(self._seed if seed is None else seed)
        [plan] = self.setup.planner().plan(problem, [generator])
        plan = self.setup.signed(plan)
        imagined = self.setup.imagine(plan, self._now["pixels"], self._now.get("proprio"))
        frames = [] if imagined is None else _timed(imagined.frames, imagined.times)
        return Answer({"plan": plan.to_dict()}, [("goal", frame), *frames])

    def imagine(self, job: Job, actions: Any, goal: Any = None) -> Answer:
        """What commands are expected to lead to."""
        commands = self._commands(actions)
        frame = None if goal is None else self.goal(goal)
        job.step(0, 1, "imagining")
        found = self.loaded.imagine(self._now["pixels"], commands, goal=frame, proprio=self._now.get("proprio"))
        distances = None if found.distances is None else found.distances.tolist()
        job.step(1, 1, "imagining")
        return Answer({"times_s": found.times.tolist(), "distances": distances}, _timed(found.frames, found.times))

    def compare_plans(self, job: Job, plans: Any, goal: Any) -> Answer:
        """What each of several plans is expected to cost, the best among them."""
        if not isinstance(plans, Sequence) or not 2 <= len(plans) <= self.bounds.max_plans:
            raise InputError(f"plans: give 2 to {self.bounds.max_plans} of them, each rows of commands")
        candidates = [self._commands(rows, f"plans[{n}]") for n, rows in enumerate(plans)]
        if len(lengths := {len(rows) for rows in candidates}) > 1:
            told = " and ".join(map(str, sorted(lengths)))
            raise InputError(f"plans: they have {told} commands, and only plans of one length compare")
        thinking, costs, ends = self._thinking(self.goal(goal)), [], []
        problem = thinking.problem([0])
        with torch.inference_mode():
            for number, rows in enumerate(candidates):
                job.step(number, len(candidates), "comparing")
                coming = torch.as_tensor(rows, dtype=torch.float32, device=problem.low.device)[None, None]
                future = problem.dynamics.rollout(problem.state, coming)
                costs.append(float(problem.objective.cost(future, coming)[0, 0]))
                ends.append(thinking.distance(0, future[0, 0, -1]))
        return Answer({"costs": costs, "distances_at_end": ends, "best": int(np.argmin(costs))})

    def surprise(self, job: Job, steps: int | None = None) -> Answer:
        """Whether what the last commands led to is what was expected of them; `steps`: of the last ones, None: all."""
        motion = self._motion
        if motion is None or not len(motion.actions):
            raise InputError("nothing was carried out yet: call execute first, which needs allow_motion=true")
        count = len(motion.actions) if steps is None else min(steps, len(motion.actions))
        if count < 1:
            raise InputError(f"steps={steps}: ask about 1 step or more")
        if self._surprising is None:
            job.step(0, 1, "watching ordinary motion")
            ordinary = envs.make(self.env.name, self.loaded.task["camera"], self.loaded.resolution)
            try:
                self._surprising = LatentSurprise(self.loaded, ordinary)
            finally:
                ordinary.close()
        found = self._surprising.of(motion.observations[-count - 1 :], motion.actions[len(motion.actions) - count :])
        return Answer(found.document(), [("now", self._now["pixels"])])

    def execute(self, job: Job, actions: Any) -> Answer:
        """Carry commands out, within the robot's limits, from rest to rest."""
        if not self.bounds.allow_motion:
            raise ForearmError("moving is not allowed here: whoever starts this server must say allow_motion=true")
        commands = self._commands(actions)
        assert isinstance(self.env, envs.ArmEnv)
        motion = carry_out(self.env, self.robot, commands, job)
        self._motion, self._now = motion, self.env.observe()
        if job.cancelled:
            raise Cancelled
        facts = {"status": motion.status, "reason": motion.reason, "steps": len(motion.actions)}
        facts |= {"done_otherwise": motion.shaped, "actions_done": motion.actions.tolist(), **self._present()}
        return Answer(facts, [("now", self._now["pixels"])])

    # -- what is asked with ----------------------------------------------------------------------------------------

    def goal(self, goal: Any) -> np.ndarray:
        """The frame of a goal: `task` (the scene's own), a name in the folder, a picture in base64, or places in m.

        Raises ForearmError for one that is none of them, does not fit the model, or cannot be.
        """
        if isinstance(goal, Mapping):
            return draw_goal(self.env, goal)
        text = str(goal).strip()
        if text == "task":
            return self._task_goal
        if text in self.goals.names:
            return self.goals[text]
        stem, _, suffix = text.rpartition(".")
        if suffix and stem in self.goals.names:
            return self.goals[stem]
        data = _decoded(text)
        if data is None:
            known = ", ".join(["task", *self.goals.names])
            raise InputError(
                f"goal '{text[:60]}' is not known: give a name ({known}), a PNG in base64, or places in m, "
                '{"object": [x, y]}'
            )
        frame = read_frame(_Picture(data), self.loaded.resolution, "goal")
        if self._views is not None:
            self._views.check(frame, "goal")
        return frame

    def _commands(self, actions: Any, key: str = "actions") -> np.ndarray:
        """Rows of commands within their bounds, as many as may be asked about; raises InputError."""
        if isinstance(actions, Sequence) and len(actions) > self.bounds.max_steps:
            raise InputError(f"{key}: {len(actions)} commands, at most {self.bounds.max_steps} in a call: send fewer")
        found = commands_of(actions, self.loaded.action_spec, self._names, key)
        step = int(self.loaded.model.config.frameskip)
        if len(found) % step:
            raise InputError(f"{key}: {len(found)} commands, but the model steps {step} at a time: give a multiple")
        return found

    def _thinking(self, goal: np.ndarray) -> "LatentPlanningModel":
        thinking = self.setup.latent_model()
        thinking.begin([goal])
        thinking.observe(0, self._now, None)  # the arm rests between calls
        return thinking

    def _present(self) -> dict[str, Any]:
        places = {name: place.round(4).tolist() for name, place in self.env.positions().items()}
        return {"steps_done": self.env.steps, "positions_m": places}


class _Picture(io.BytesIO):
    """A picture that was sent, as messages call it."""

    def __str__(self) -> str:
        return "the picture"


def _decoded(text: str) -> bytes | None:
    """The bytes of a picture in base64, with or without `data:image/png;base64,` before it; None for other text."""
    if text.startswith("data:"):
        text = text.partition(",")[2]
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return data if data.startswith(PICTURES) else None


def _timed(frames: np.ndarray, times: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """Imagined frames with their times, at most `SHOWN`, the last among them."""
    kept = sorted({round(n) for n in np.linspace(0, len(frames) - 1, min(len(frames), SHOWN))})
    return [(f"imagined, {times[n + 1]:.1f} s from now", frames[n]) for n in kept]
