"""What every simulated environment needs to keep the contract, whatever simulates it: the loop of an episode.

A simulator adds states and frames (`envs/mujoco_env.py` for MuJoCo), a task what is particular to it.
"""

import abc
import functools
from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from forearm.common import checks
from forearm.envs.contract import Array, Frame, Policy
from forearm.envs.exploration import Explorer, segment
from forearm.envs.holding import Same, Still
from forearm.errors import InputError

PIXELS = checks.worded(checks.integer, "{name} is {value} pixels: expected at least {least}")


class SimulatedEnvironment(gymnasium.Env[dict[str, Any], NDArray[np.float32]], abc.ABC):
    """A simulation as an `envs.contract.Environment`.

    Args:
        name: of the task.
        camera: one of `cameras`; null for the first.
        resolution: side of the frames in pixels, at least 16.
        cameras: their names.
        actions, states: names of the numbers in an action and in `proprio`.
        control_period: seconds from one action to the next.
        max_episode_steps: control steps after which an episode is cut off.
        description: of the task, one sentence.

    Raises:
        ValueError: unknown camera, or a resolution below 16.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"]}  # noqa: RUF012  (Gymnasium declares it so)

    def __init__(
        self,
        name: str,
        *,
        camera: str | None,
        resolution: int,
        cameras: tuple[str, ...],
        actions: tuple[str, ...],
        states: tuple[str, ...],
        control_period: float,
        max_episode_steps: int,
        description: str,
    ) -> None:
        self.cameras = cameras
        if camera is not None and camera not in cameras:
            raise InputError(f"unknown camera '{camera}' of task '{name}': expected one of {', '.join(cameras)}")
        PIXELS("resolution", resolution, least=16)
        self.name, self.description = name, description
        self.camera = camera or self.cameras[0]
        self.resolution = resolution
        self.render_mode = "rgb_array"
        self.control_period, self.max_episode_steps = control_period, max_episode_steps
        self.action_names, self.state_names = actions, states
        self.action_space = spaces.Box(-1.0, 1.0, (len(actions),), np.float32)
        self.observation_space = spaces.Dict(
            {
                "pixels": spaces.Box(0, 255, (resolution, resolution, 3), np.uint8),
                "proprio": spaces.Box(-np.inf, np.inf, (len(states),), np.float32),
            }
        )
        self.steps = 0

    # -- what is particular to an environment -------------------------------------------------------------------

    @abc.abstractmethod
    def begin(self, options: Mapping[str, Any]) -> Array | None:
        """Put the simulation at a start, drawn with `self.np_random`, with a goal that is in force.

        Returns the snapshot of a state in which that goal is reached; None where `options["goal"]` is False.
        """

    @abc.abstractmethod
    def actuate(self, action: Array) -> None:
        """Carry out one action (A,) in [-1, 1] for one control period."""

    @abc.abstractmethod
    def proprio(self) -> Array:
        """(P,) what the arm knows of itself."""

    @abc.abstractmethod
    def achieved(self) -> Array:
        """What a goal asks for, as it is now; `aim` takes the same vector."""

    @abc.abstractmethod
    def aim(self, goal: Array) -> None:
        """Make `goal`, a vector as `achieved` gives, the goal in force."""

    @abc.abstractmethod
    def distance(self) -> float:
        """How far from the goal in force, in metres."""

    @abc.abstractmethod
    def success(self) -> bool:
        """The task's own criterion, now."""

    @abc.abstractmethod
    def positions(self) -> dict[str, Array]:
        """True positions (3,) in metres: `ee_position`, and `object_position` where there is an object."""

    def cost(self) -> float:
        """The distance, plus a tenth of the way from hand to object: a slope before they touch."""
        places = self.positions()
        if "object_position" not in places:
            return self.distance()
        return self.distance() + 0.1 * float(np.linalg.norm(places["ee_position"] - places["object_position"]))

    def pose_error(self) -> tuple[float, float] | None:
        """Largest distance (m) and turn (rad) of an object from its goal pose; None: there is no such thing here."""
        return None

    def expert(self, rng: np.random.Generator) -> Policy:
        """A policy that solves the task."""
        raise InputError(f"task '{self.name}' has no scripted expert")

    def skill(self, rng: np.random.Generator) -> Policy:
        """What the explorer perturbs: a policy that does something with the object, each time something else."""
        return self.expert(rng)

    def rest(self) -> Array | None:
        """The action (A,) that asks for where the arm is now, where commands are positions; None: zero does."""
        return None

    def hold(self) -> Policy:
        """A policy that keeps the arm where it is now: what `rest` says, or zeros. It is to be overridden where neither
        holds it, as where commands are torques, or displacements from a pose that sags.
        """
        rest = self.rest()
        return Still(len(self.action_names)) if rest is None else Same(rest)

    def explorer(self, rng: np.random.Generator) -> Policy:
        """Skills with noise, straight moves, wandering and rests; all around what `rest` says."""
        return Explorer(len(self.action_names), functools.partial(segment, self), rng, self.rest)

    # -- the contract -------------------------------------------------------------------------------------------

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """A start and a goal; see `Environment.reset`.

        Raises ValueError for one of `start_state` and `goal_state` without the other.
        """
        super().reset(seed=seed)
        options = dict(options or {})
        start, goal_state = options.pop("start_state", None), options.pop("goal_state", None)
        if (start is None) != (goal_state is None):
            raise InputError("give both start_state and goal_state, or neither")
        if start is None:
            goal_state = self.begin(options)
            self.steps = 0
        else:
            self.restore(np.asarray(goal_state))
            goal = self.achieved()
            self.aim(goal)
            self.steps = 0
            goal_state = self.snapshot()
            self.restore(np.asarray(start))
            self.aim(goal)
            self.steps = 0
        info: dict[str, Any] = {}
        if goal_state is not None:
            here = self.snapshot()
            self.restore(goal_state)
            info = {"goal": self.render(), "goal_state": goal_state}
            self.restore(here)
        return self.observe(), info | self._verdict()

    def step(self, action: NDArray[np.floating]) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """One control step; see `Environment.step`."""
        self.advance(action)
        verdict = self._verdict()
        truncated = self.steps >= self.max_episode_steps and not verdict["success"]
        return self.observe(), -verdict["distance_m"], verdict["success"], truncated, verdict

    def advance(self, action: NDArray[np.floating]) -> None:
        """One control step without a frame.

        Raises:
            ValueError: the action has another shape than (A,) or is not finite.
        """
        action = np.asarray(action, dtype=np.float64)
        wanted = (len(self.action_names),)
        if action.shape != wanted:
            raise InputError(f"action has shape {action.shape}: expected {wanted} for {', '.join(self.action_names)}")
        if not np.isfinite(action).all():
            raise InputError(f"action {action} is not finite: expected {wanted[0]} numbers in [-1, 1]")
        self.actuate(np.clip(action, -1.0, 1.0))
        self.steps += 1

    def observe(self) -> dict[str, Any]:
        """The observation of the present state."""
        return {"pixels": self.render(), "proprio": self.proprio().astype(np.float32)}

    @abc.abstractmethod
    def render(self, camera: str | None = None, resolution: int | None = None) -> Frame:
        """The present frame (R, R, 3) uint8; another camera or resolution on request."""

    @abc.abstractmethod
    def snapshot(self) -> Array:
        """(S,) the full state, goal and steps taken included."""

    @abc.abstractmethod
    def restore(self, snapshot: Array) -> None:
        """Return to a state that `snapshot` described; raises ValueError for a vector of another length."""

    def ee_position(self) -> Array:
        """(3,) position of the hand in m."""
        return self.positions()["ee_position"]

    def object_position(self) -> Array:
        """(3,) position of the object in m; NaN for a task without one."""
        return self.positions().get("object_position", np.full(3, np.nan))

    def _verdict(self) -> dict[str, Any]:
        return {"distance_m": self.distance(), "success": self.success()}
