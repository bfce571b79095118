"""Gymnasium-Robotics' Fetch tasks (Plappert et al. 2018, arXiv 1802.09464): reach, push, pick and place, slide.

Physics, actions, starts, goals and success are the benchmark's. It ships neither experts nor a camera on the table:
both are added here. The goal image shows how the expert ends from the same start; the goal marker is never drawn.
"""

import contextlib
import importlib
import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forearm.envs.benchmarks.fetch.experts import SKILLS, random_target
from forearm.envs.benchmarks.shown_goal import shown_goal
from forearm.envs.contract import Array, Policy
from forearm.envs.mujoco_env import MujocoEnvironment
from forearm.envs.rendering import View

with contextlib.redirect_stderr(io.StringIO()):  # it prints a notice about environments that are not used here
    importlib.import_module("gymnasium_robotics")

from gymnasium_robotics.envs.fetch.pick_and_place import MujocoFetchPickAndPlaceEnv
from gymnasium_robotics.envs.fetch.push import MujocoFetchPushEnv
from gymnasium_robotics.envs.fetch.reach import MujocoFetchReachEnv
from gymnasium_robotics.envs.fetch.slide import MujocoFetchSlideEnv

ACTIONS = ("dx", "dy", "dz", "gripper")
ARM = ("shoulder_pan", "shoulder_lift", "upperarm_roll", "elbow_flex", "forearm_roll", "wrist_flex", "wrist_roll")
STATES = (
    *(f"{joint}_{unit}" for unit in ("rad", "rad_s") for joint in ARM),
    *("left_finger_m", "right_finger_m", "x_m", "y_m", "z_m"),
)
KINDS = {
    "reach": (MujocoFetchReachEnv, "Bring the hand to where the goal image shows it: within 5 cm."),
    "push": (MujocoFetchPushEnv, "Push the block to where the goal image shows it: within 5 cm."),
    "pick-and-place": (
        MujocoFetchPickAndPlaceEnv,
        "Bring the block to where the goal image shows it, on the table or in the air: within 5 cm.",
    ),
    "slide": (
        MujocoFetchSlideEnv,
        "Hit the puck so that it slides to where the goal image shows it, out of reach: within 5 cm.",
    ),
}
CAMERAS = {
    "front": View((1.32, 0.75, 0.48), 0.85, 180.0, -42.0),
    "side": View((1.32, 0.75, 0.48), 0.85, 90.0, -30.0),
}
SLIDE_CAMERAS = {
    "front": View((1.42, 0.75, 0.42), 1.45, 180.0, -42.0),
    "side": View((1.42, 0.75, 0.42), 1.45, 90.0, -35.0),
}
SETTLE = 5
"""Control steps for which the expert goes on after success, so that the goal image shows a settled scene."""


class Fetch(MujocoEnvironment):
    """One of the four Fetch tasks.

    Action (4,): displacement of the hand (5 cm a step at 1), gripper (opens at 1). 25 control steps a second.

    Args:
        name: `reach`, `push`, `pick-and-place` or `slide`.
        camera: `front` or `side`.
        resolution: side of the frames in pixels.
    """

    def __init__(self, name: str, camera: str | None = None, resolution: int = 64) -> None:
        self.task = name
        kind, description = KINDS[name]
        self.inner: Any = kind()
        self.inner.reset(seed=0)
        super().__init__(
            f"fetch/{name}",
            self.inner.model,
            self.inner.data,
            camera=camera,
            resolution=resolution,
            views=SLIDE_CAMERAS if name == "slide" else CAMERAS,
            actions=ACTIONS,
            states=STATES,
            control_period=float(self.inner.dt),
            max_episode_steps=50,
            description=description,
            hidden=("robot0:mocap",),
            markers=False,
            fixed_assets=True,
        )
        self.has_object = bool(self.inner.has_object)
        sites = ["robot0:grip", *(["object0"] if self.has_object else [])]
        self._sites = [self.data.site(site).xpos for site in sites]
        hand = self.data.body("robot0:gripper_link")
        self._lagging = [*self._sites, hand.xpos, hand.xquat]
        joints = [f"robot0:{joint}_joint" for joint in (*ARM, "l_gripper_finger", "r_gripper_finger")]
        self._qpos = [int(self.model.joint(joint).qposadr[0]) for joint in joints]
        self._qvel = [int(self.model.joint(joint).dofadr[0]) for joint in joints]

    # -- episodes -----------------------------------------------------------------------------------------------

    def begin(self, options: Mapping[str, Any]) -> Array | None:
        """The benchmark's own start and goal; the expert shows how it ends."""
        return shown_goal(self, self._draw, options, 2 * self.max_episode_steps, SETTLE)

    def _draw(self) -> None:
        self.inner.reset(seed=int(self.np_random.integers(2**31)))

    def actuate(self, action: Array) -> None:
        """What the benchmark's own step does, without its observation."""
        self.inner._set_action(action)
        self.inner._mujoco_step(action)
        self.inner._step_callback()

    # -- goals --------------------------------------------------------------------------------------------------

    def achieved(self) -> Array:
        """(3,) position in m by which success is measured: the object's, or the hand's where there is none."""
        return self._sites[-1].copy()

    def aim(self, goal: Array) -> None:
        """Make `goal` (3,) the position to reach."""
        self.inner.goal = np.array(goal, np.float64)

    def goal(self) -> Array:
        """(3,) the position to reach, in m."""
        return np.array(self.inner.goal, np.float64)

    def success(self) -> bool:
        """Within the benchmark's 5 cm."""
        return bool(self.inner._is_success(self.achieved(), self.inner.goal))

    def distance(self) -> float:
        """From object, or hand, to its goal in m."""
        return float(np.linalg.norm(self.achieved() - self.inner.goal))

    # -- what is known ------------------------------------------------------------------------------------------

    def proprio(self) -> Array:
        """Arm joints (rad, rad/s), fingers (m), hand (m)."""
        positions, velocities = self.data.qpos[self._qpos], self.data.qvel[self._qvel]
        return np.concatenate([positions[:7], velocities[:7], positions[7:], self._sites[0]])

    def positions(self) -> dict[str, Array]:
        """Hand, and object where there is one."""
        found = {"ee_position": self._sites[0].copy()}
        if self.has_object:
            found["object_position"] = self._sites[1].copy()
        return found

    def lagging(self) -> list[NDArray[np.float64]]:
        """The next command starts from the hand's pose as it was one physics step ago."""
        return self._lagging

    def memory(self) -> Array:
        """(3,) the goal."""
        return self.goal()

    def recall(self, memory: Array) -> None:
        """Take back the goal."""
        self.inner.goal = memory.copy()

    # -- policies -----------------------------------------------------------------------------------------------

    def expert(self, rng: np.random.Generator) -> Policy:
        """The expert of this project for the task, see `forearm.envs.benchmarks.fetch.experts`."""
        return SKILLS[self.task](self, None, rng)

    def skill(self, rng: np.random.Generator) -> Policy:
        """The expert, towards random places."""
        return SKILLS[self.task](self, random_target(self, rng), rng)
