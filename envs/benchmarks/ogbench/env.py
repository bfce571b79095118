"""OGBench's manipulation tasks (Park et al. 2024, arXiv 2410.20092): a UR5e with cubes, a drawer, a window, buttons.

Physics, actions, success, evaluation tasks and colours are the benchmark's (those of its `visual-` environments).
Where no `task_id` is asked for, cubes, drawer, window and a scene's buttons start and end anywhere, instead of at five
fixed pairs of places.
"""

import itertools
from collections.abc import Mapping
from typing import Any

import gymnasium
import mujoco
import numpy as np
from numpy.typing import NDArray
from ogbench.manipspace.envs.cube_env import CubeEnv
from ogbench.manipspace.envs.puzzle_env import PuzzleEnv
from ogbench.manipspace.envs.scene_env import SceneEnv

from forearm.envs.benchmarks.ogbench.experts import Expert, Play
from forearm.envs.benchmarks.ogbench.hold import Hold
from forearm.envs.benchmarks.ogbench.scenes import random_cubes, random_scene
from forearm.envs.contract import Array, Policy
from forearm.envs.mujoco_env import MujocoEnvironment
from forearm.errors import InputError

ACTIONS = ("dx", "dy", "dz", "dyaw", "gripper")
STATES = (
    *(f"joint{i}_{unit}" for unit in ("rad", "rad_s") for i in range(1, 7)),
    *("x_m", "y_m", "z_m", "cos_yaw", "sin_yaw", "gripper_closed", "gripper_contact"),
)
DESCRIPTIONS = {
    "cube": "Bring every cube to where the goal image shows it: within 4 cm.",
    "scene": "Bring cube, drawer, window and buttons to what the goal image shows; buttons lock drawer and window.",
    "puzzle": "Give every button the colour of the goal image; a press turns its neighbours too (Lights Out).",
}
KINDS = {"cube": CubeEnv, "scene": SceneEnv, "puzzle": PuzzleEnv}
VIEWS = {"front": "front_pixels", "far": "front"}


class OGBench(MujocoEnvironment):
    """One of OGBench's manipulation tasks; `reset` also takes the option `task_id`, 1 to 5.

    Action (5,): displacement of the hand (5 cm a step at 1), turn about the vertical (0.3 rad), gripper.

    Args:
        name: such as `cube-single`, without the benchmark's prefix.
        camera: `front` (the one of the benchmark's images) or `far`.
        resolution: side of the frames in pixels.
    """

    def __init__(self, name: str, camera: str | None = None, resolution: int = 64) -> None:
        self.kind, _, variant = name.partition("-")
        self.inner = _instrumented(KINDS[self.kind])(
            env_type=variant or self.kind, ob_type="pixels", visualize_info=False, mode="task"
        )
        self.inner.reset(seed=0, options={"task_id": 1})
        # Frames are drawn here; from now on its own code need not draw one whenever it observes.
        self.inner._ob_type = "states"
        self.cubes = int(getattr(self.inner, "_num_cubes", 0))
        self.buttons = int(getattr(self.inner, "_num_buttons", 0))
        self.tasks = int(self.inner.num_tasks)
        super().__init__(
            f"ogbench/{name}",
            self.inner.model,
            self.inner.data,
            camera=camera,
            resolution=resolution,
            views=VIEWS,
            actions=ACTIONS,
            states=STATES,
            control_period=float(self.inner.control_timestep()),
            max_episode_steps=int(gymnasium.spec(f"{name}-v0").max_episode_steps or 0),
            description=DESCRIPTIONS[self.kind],
            markers=False,
            fixed_assets=True,
        )
        sites = ["ur5e/robotiq/pinch", *(f"btntop_{i}" for i in range(self.buttons))]
        if self.kind == "scene":
            sites += ["drawer_handle_center", "window_handle_center"]
        views = [view for site in sites for view in (self.data.site(site).xpos, self.data.site(site).xmat)]
        self._lagging = [*views, self.data.body("ur5e/robotiq/right_pad").cfrc_ext]
        self._mocaps = list(getattr(self.inner, "_cube_target_mocap_ids", []))

    # -- episodes -----------------------------------------------------------------------------------------------

    def begin(self, options: Mapping[str, Any]) -> Array | None:
        """The benchmark's own reset, to one of its tasks or to a scene drawn at random."""
        inner_options: dict[str, Any] = {"render_goal": True}
        task = options.get("task_id")
        if task is not None:
            if not 1 <= int(task) <= self.tasks:
                raise InputError(f"task_id is {task}: '{self.name}' has the tasks 1 to {self.tasks}")
            inner_options["task_id"] = int(task)
        elif (drawn := self._drawn()) is not None:
            inner_options["task_info"] = drawn
        else:
            inner_options["task_id"] = int(self.np_random.integers(1, self.tasks + 1))
        reached: list[Array] = []
        self.inner.actions = self.np_random
        # It is told when its goal scene stands, which is when it would draw the goal image.
        self.inner.at_goal = lambda: reached.append(self.snapshot())
        self.inner.reset(seed=int(self.np_random.integers(2**31)), options=inner_options)
        self.inner.at_goal = None
        if not options.get("goal", True):
            return None
        start, goal = self.snapshot(), self.goal()
        self.restore(reached[-1])
        self.aim(goal)
        self.steps = 0
        goal_state = self.snapshot()
        self.restore(start)
        return goal_state

    def actuate(self, action: Array) -> None:
        """What the benchmark's own step does, without its observations."""
        inner = self.inner
        inner.set_control(action)
        inner.pre_step()
        mujoco.mj_step(self.model, self.data, nstep=inner._n_steps)
        mujoco.mj_rnePostConstraint(self.model, self.data)
        inner.post_step()

    def _drawn(self) -> dict[str, Any] | None:
        """A task of no fixed places, in the form of the benchmark's own; None for buttons, which have none."""
        low, high = self.inner._object_sampling_bounds
        if self.kind == "cube":
            return random_cubes(self.np_random, self.cubes, low, high)
        if self.kind == "scene":
            return random_scene(self.np_random, low, high, self.inner._drawer_center)
        return None

    # -- goals --------------------------------------------------------------------------------------------------

    def achieved(self) -> Array:
        """Cubes' positions and quaternions (7 each), buttons' states, and in a scene drawer and window (m)."""
        parts = [self.data.joint(f"object_joint_{i}").qpos for i in range(self.cubes)]
        parts.append(np.asarray(self.inner._cur_button_states, np.float64) if self.buttons else np.zeros(0))
        if self.kind == "scene":
            parts += [self.data.joint(f"{name}_slide").qpos for name in ("drawer", "window")]
        return np.concatenate(parts)

    def goal(self) -> Array:
        """The goal in force, laid out like `achieved`."""
        parts = [np.concatenate([self.data.mocap_pos[m], self.data.mocap_quat[m]]) for m in self._mocaps]
        parts.append(np.asarray(self.inner._target_button_states, np.float64) if self.buttons else np.zeros(0))
        if self.kind == "scene":
            parts.append(np.array([self.inner._target_drawer_pos, self.inner._target_window_pos]))
        return np.concatenate(parts)

    def aim(self, goal: Array) -> None:
        """Make `goal` the one that success is measured by."""
        for i, m in enumerate(self._mocaps):
            self.data.mocap_pos[m], self.data.mocap_quat[m] = goal[7 * i : 7 * i + 3], goal[7 * i + 3 : 7 * i + 7]
        rest = goal[7 * self.cubes :]
        if self.buttons:
            self.inner._target_button_states = np.round(rest[: self.buttons]).astype(int)
        if self.kind == "scene":
            self.inner._target_drawer_pos, self.inner._target_window_pos = map(float, rest[self.buttons :])

    def success(self) -> bool:
        """Cubes within 4 cm, buttons in their states, drawer and window within 4 cm."""
        return bool(all(np.all(part) for part in _parts(self.inner._compute_successes())))

    def distance(self) -> float:
        """The largest distance of a cube, the drawer or the window (m); a wrong button counts for 10 cm."""
        return float(self._errors().max(initial=0.0))

    def cost(self) -> float:
        """Sum of all distances, plus a tenth of the hand's distance to the cube that is furthest off."""
        errors, pull = self._errors(), 0.0
        if self.cubes:
            cube = self.data.joint(f"object_joint_{int(errors[: self.cubes].argmax())}").qpos[:3]
            pull = 0.1 * float(np.linalg.norm(self.positions()["ee_position"] - cube))
        return float(errors.sum()) + pull

    def pose_error(self) -> tuple[float, float] | None:
        """Largest distance (m) and turn (rad, modulo a cube's 24 symmetries) of a cube from its goal pose."""
        if not self.cubes:
            return None
        here, there = self.achieved()[: 7 * self.cubes], self.goal()[: 7 * self.cubes]
        pairs = list(zip(here.reshape(-1, 7), there.reshape(-1, 7), strict=True))
        turns = [cube_turn(a[3:], b[3:]) for a, b in pairs]
        return max(float(np.linalg.norm(a[:3] - b[:3])) for a, b in pairs), max(turns)

    def _errors(self) -> Array:
        here, there, n = self.achieved(), self.goal(), 7 * self.cubes
        cubes = np.linalg.norm((here - there)[:n].reshape(-1, 7)[:, :3], axis=1)
        buttons = 0.1 * np.abs(here - there)[n : n + self.buttons]
        return np.concatenate([cubes, buttons, np.abs(here - there)[n + self.buttons :]])

    # -- what is known ------------------------------------------------------------------------------------------

    def proprio(self) -> Array:
        """Joints, hand and gripper, in the order of the benchmark's state observation, in SI units."""
        known = {key.removeprefix("proprio/"): value for key, value in self.inner.compute_ob_info().items()}
        parts = [known["joint_pos"], known["joint_vel"], known["effector_pos"]]
        parts += [np.cos(known["effector_yaw"]), np.sin(known["effector_yaw"])]
        return np.concatenate([*parts, known["gripper_opening"], known["gripper_contact"]])

    def positions(self) -> dict[str, Array]:
        """Hand, and cubes: `object_position`, `object1_position` and so on."""
        found = {"ee_position": self.data.site("ur5e/robotiq/pinch").xpos.copy()}
        for i in range(self.cubes):
            found[f"object{i or ''}_position"] = self.data.joint(f"object_joint_{i}").qpos[:3].copy()
        return found

    def lagging(self) -> list[NDArray[np.float64]]:
        """The next command starts from the hand's pose as it was one physics step ago."""
        return self._lagging

    def memory(self) -> Array:
        """Buttons' states and the goals that MuJoCo's state does not hold."""
        if not self.buttons:
            return np.zeros(0)
        inner = self.inner
        kept = [*inner._cur_button_states, *inner._target_button_states]
        if self.kind == "scene":
            kept += [inner._target_drawer_pos, inner._target_window_pos]
        return np.array(kept, np.float64)

    def recall(self, memory: Array) -> None:
        """Take back what `memory` gave; buttons get their colours and locks."""
        if not self.buttons:
            return
        n = self.buttons
        self.inner._cur_button_states = np.round(memory[:n]).astype(int)
        self.inner._target_button_states = np.round(memory[n : 2 * n]).astype(int)
        if self.kind == "scene":
            self.inner._target_drawer_pos, self.inner._target_window_pos = map(float, memory[2 * n :])
        self.inner._apply_button_states()

    # -- policies -----------------------------------------------------------------------------------------------

    def expert(self, rng: np.random.Generator) -> Policy:
        """The benchmark's Markov oracles, one subtask after the other until the goal is reached."""
        return Expert(self, rng)

    def hold(self) -> Policy:
        """The hand's pose of now, asked for again and again: zero would let it sink."""
        return Hold(self.inner)

    def skill(self, rng: np.random.Generator) -> Policy:
        """The benchmark's oracles towards random targets, as in its own data."""
        return Play(self, rng)


def cube_turn(here: Array, there: Array) -> float:
    """Smallest angle (rad) between two orientations (4,) of a cube, which looks the same in 24 of them."""
    matrices = np.empty((2, 9))
    mujoco.mju_quat2Mat(matrices[0], here)
    mujoco.mju_quat2Mat(matrices[1], there)
    between = matrices[1].reshape(3, 3).T @ matrices[0].reshape(3, 3)
    trace = max(float(np.sum(between * symmetry)) for symmetry in _SYMMETRIES)
    return float(np.arccos(np.clip((trace - 1) / 2, -1.0, 1.0)))


def _rotations() -> list[NDArray[np.float64]]:
    eye, found = np.eye(3), []
    for order in itertools.permutations(range(3)):
        for signs in itertools.product((1.0, -1.0), repeat=3):
            matrix = eye[list(order)] * np.array(signs)[:, None]
            if np.linalg.det(matrix) > 0:
                found.append(matrix)
    return found


_SYMMETRIES = _rotations()


def _parts(successes: Any) -> list[Any]:
    return list(successes) if isinstance(successes, tuple) else [successes]


def _instrumented(kind: Any) -> Any:
    """`kind` with random actions from a given stream, and with a word instead of a picture of its goal scene."""

    class Instrumented(kind):
        actions: np.random.Generator | None = None
        at_goal: Any = None

        @property
        def action_space(self) -> Any:
            # A reset lets its goal scene settle under actions that it samples from here, unseeded.
            seed = 0 if self.actions is None else int(self.actions.integers(2**31))
            return gymnasium.spaces.Box(-1.0, 1.0, (len(ACTIONS),), np.float32, seed=seed)

        def render(self, *args: Any, **keywords: Any) -> Any:
            if self.at_goal is not None:
                self.at_goal()

    return Instrumented
