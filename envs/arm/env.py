"""The tasks as Gymnasium environments: an image is seen, an image is the goal."""

from functools import partial
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from forearm.envs.arm import kinematics
from forearm.envs.arm.joints import CONTROL_PERIOD, Command, build_model, next_command, servo_path
from forearm.envs.arm.tasks import TASKS, Scene, Task
from forearm.envs.backend import mujoco
from forearm.envs.contract import Policy
from forearm.envs.holding import Still
from forearm.envs.rendering import Renderer

Array = NDArray[np.float64]
Frame = NDArray[np.uint8]

CAMERAS = ("front", "side")
PHYSICS = mujoco.mjtState.mjSTATE_INTEGRATION
ACTIONS = ("dx", "dy", "dz", "gripper")
STATES = (*(f"joint{i}_{unit}" for unit in ("rad", "rad_s") for i in range(1, 8)), "gripper_m")
COMMAND_SIZE = 3 + 1 + 7  # tool, opening, joints


class ArmEnv(gymnasium.Env[dict[str, Any], NDArray[np.float32]]):
    """A Panda-like arm on a table, driven at 10 Hz by tool displacements, seen through one camera.

    Action (4,) in [-1, 1]: dx, dy, dz of the commanded tool position (3 cm a step at 1) and gripper (1 opens each
    finger by 1 cm a step). Observation: `pixels` (R, R, 3) uint8 and `proprio` (15,) float32: joint positions (rad),
    joint velocities (rad/s), finger opening (m). `reset` returns the goal image in `info["goal"]`.
    Reward is minus the distance to the goal in metres; an episode terminates on success.

    Args:
        task: `reach`, `push` or `pick_place`, or a Task of your own.
        camera: `front` or `side`.
        resolution: side of the frames in pixels.

    Raises:
        ValueError: unknown task or camera, or a resolution below 16.
        RenderingUnavailable: at the first frame, if no GL back end can draw.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": round(1 / CONTROL_PERIOD)}  # noqa: RUF012  (Gymnasium declares it so)
    control_period = CONTROL_PERIOD
    cameras: tuple[str, ...] = CAMERAS
    action_names: tuple[str, ...] = ACTIONS
    state_names: tuple[str, ...] = STATES

    def __init__(
        self,
        task: str | Task = "reach",
        camera: str = "front",
        resolution: int = 64,
        render_mode: str | None = "rgb_array",
    ) -> None:
        if isinstance(task, str):
            if task not in TASKS:
                raise ValueError(f"unknown task '{task}': expected one of {', '.join(TASKS)}")
            task = TASKS[task]
        if camera not in CAMERAS:
            raise ValueError(f"unknown camera '{camera}': expected one of {', '.join(CAMERAS)}")
        if resolution < 16:
            raise ValueError(f"resolution is {resolution} pixels: expected at least 16")
        self.task = task
        self.name, self.description = task.name, task.description
        self.camera = camera
        self.resolution = resolution
        self.render_mode = render_mode
        self.model = build_model(task)
        self.data = mujoco.MjData(self.model)
        self.substeps = round(CONTROL_PERIOD / self.model.opt.timestep)
        self.max_episode_steps = task.max_episode_steps
        self.action_space = spaces.Box(-1.0, 1.0, (4,), np.float32)
        self.observation_space = spaces.Dict(
            {
                "pixels": spaces.Box(0, 255, (resolution, resolution, 3), np.uint8),
                "proprio": spaces.Box(-np.inf, np.inf, (15,), np.float32),
            }
        )
        self.command = Command(np.array(task.low), np.array(0.0), kinematics.HOME.copy())
        self.goal_position = np.zeros(3)
        self.steps = 0
        self._renderers: dict[int, Renderer] = {}
        self._physics_size = mujoco.mj_stateSize(self.model, PHYSICS)

    # -- episodes ---------------------------------------------------------------------------------------------

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """A new start and goal, both functions of `seed` and `options` alone when a seed is given.

        The options `start_state` and `goal_state`, snapshots, begin there; one without the other is a ValueError.

        Returns:
            observation, and info with `goal` (R, R, 3) uint8, `goal_state` (the goal's snapshot), `distance_m`
            and `success`.
        """
        super().reset(seed=seed)
        options = options or {}
        start_state, goal_state = options.get("start_state"), options.get("goal_state")
        if (start_state is None) != (goal_state is None):
            raise ValueError("give both start_state and goal_state, or neither")
        while start_state is None:
            start, goal = self.task.sample(self.np_random)
            self.place(goal)
            self.goal_position = self.measured_position()
            goal_state = self.snapshot()
            self.place(start)
            if not self.success():
                start_state = self.snapshot()
        self.restore(np.asarray(goal_state))
        self.goal_position, self.steps = self.measured_position(), 0
        goal_position, goal_state, goal_image = self.goal_position, self.snapshot(), self.render()
        self.restore(np.asarray(start_state))
        self.goal_position, self.steps = goal_position, 0
        return self.observe(), {"goal": goal_image, "goal_state": goal_state, **self._verdict()}

    def step(self, action: NDArray[np.floating]) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """Carries out one action; see the class for its meaning.

        Raises:
            ValueError: the action has another shape than (4,) or is not finite.
        """
        self.advance(action)
        verdict = self._verdict()
        truncated = self.steps >= self.max_episode_steps and not verdict["success"]
        return self.observe(), -verdict["distance_m"], verdict["success"], truncated, verdict

    def advance(self, action: NDArray[np.floating]) -> None:
        """What `step` does to the state, without a frame; raises like it."""
        action = np.asarray(action, dtype=np.float64)
        if action.shape != (4,):
            raise ValueError(f"action has shape {action.shape}: expected (4,) for dx, dy, dz, gripper")
        if not np.isfinite(action).all():
            raise ValueError(f"action {action} is not finite: expected four numbers in [-1, 1]")
        after = next_command(self.task, self.command, action)
        for targets in servo_path(self.command, after, self.substeps):
            self.data.ctrl[:] = targets
            mujoco.mj_step(self.model, self.data)
        self.command = after
        self.steps += 1
        self._locate()

    def place(self, scene: Scene) -> None:
        """Puts the arm and the object into `scene`, at rest."""
        mujoco.mj_resetData(self.model, self.data)
        joints = kinematics.inverse(scene.tool, kinematics.HOME, iterations=40)
        self.command = Command(np.array(scene.tool, dtype=np.float64), np.array(float(scene.opening)), joints)
        self.data.qpos[:9] = self.data.ctrl[:] = self.command.servo_targets()
        if scene.object_position is not None:
            half = scene.object_yaw / 2
            self.data.qpos[9:16] = [*scene.object_position, np.cos(half), 0.0, 0.0, np.sin(half)]
        for _ in range(self.substeps):  # contacts settle by fractions of a millimetre
            mujoco.mj_step(self.model, self.data)
        self.data.qvel[:] = 0.0
        self.data.time = 0.0
        self.steps = 0
        self._locate()

    # -- what can be seen -------------------------------------------------------------------------------------

    def observe(self) -> dict[str, Any]:
        """The observation of the present state."""
        opening = self.data.qpos[7:9].mean(keepdims=True)
        proprio = np.concatenate([self.data.qpos[:7], self.data.qvel[:7], opening]).astype(np.float32)
        return {"pixels": self.render(), "proprio": proprio}

    def render(self, camera: str | None = None, resolution: int | None = None) -> Frame:
        """The present frame, (R, R, 3) uint8; another camera or resolution on request."""
        side = resolution or self.resolution
        if side not in self._renderers:
            self._renderers[side] = Renderer(self.model, side)
        return self._renderers[side].render(self.data, camera or self.camera)

    def project(self, points: NDArray[np.floating], camera: str | None = None) -> Array:
        """Where points (N, 3) in metres appear in the frame: (N, 2) column and row in pixels."""
        view = self.data.camera(camera or self.camera)
        fovy = self.model.camera(camera or self.camera).fovy[0]
        local = (np.asarray(points) - view.xpos) @ view.xmat.reshape(3, 3)
        scale = self.resolution / 2 / np.tan(np.deg2rad(fovy) / 2)
        return np.stack([local[:, 0], -local[:, 1]], -1) / -local[:, 2:] * scale + self.resolution / 2

    # -- what is known to the simulator alone -------------------------------------------------------------------

    @property
    def joint_command(self) -> Array:
        """(7,) joint targets in rad that were last sent to the servos."""
        return self.command.joints.copy()

    def ee_position(self) -> Array:
        """(3,) position of the point between the fingertips, in m."""
        return self.data.site("tool").xpos.copy()

    def object_position(self) -> Array:
        """(3,) position of the object's centre in m; NaN for a task without an object."""
        return self.data.body("object").xpos.copy() if self.task.has_object else np.full(3, np.nan)

    def measured_position(self) -> Array:
        """(3,) position in m by which the task measures success."""
        return self.ee_position() if self.task.measured == "tool" else self.object_position()

    def distance(self) -> float:
        """Distance in m from the measured position to the goal's."""
        return float(np.linalg.norm(self.measured_position() - self.goal_position))

    def success(self) -> bool:
        """Whether the distance is within the task's success radius."""
        return self.distance() <= self.task.success_radius

    def cost(self) -> float:
        """The distance in m; where an object must move, plus a tenth of the hand's distance to it."""
        if self.task.measured == "tool":
            return self.distance()
        return self.distance() + 0.1 * float(np.linalg.norm(self.ee_position() - self.object_position()))

    def positions(self) -> dict[str, Array]:
        """`ee_position`, and `object_position` where there is an object: (3,) each, in m."""
        found = {"ee_position": self.ee_position()}
        if self.task.has_object:
            found["object_position"] = self.object_position()
        return found

    def pose_error(self) -> tuple[float, float] | None:
        """None: these tasks ask for positions, not for poses."""
        return None

    def expert(self, rng: np.random.Generator) -> Policy:
        """The scripted expert of the task; raises ValueError for a task without one."""
        from forearm.envs.arm.skills import solution

        return solution(self)

    def explorer(self, rng: np.random.Generator) -> Policy:
        """The exploratory policy of the task."""
        from forearm.envs.arm.skills import segment
        from forearm.envs.exploration import Explorer

        return Explorer(4, partial(segment, self), rng)

    def hold(self) -> Policy:
        """Zeros: commands are displacements of what was commanded last."""
        return Still(len(self.action_names))

    def snapshot(self) -> Array:
        """The full state as one vector: physics, last command, goal position, steps taken."""
        physics = np.empty(self._physics_size)
        mujoco.mj_getState(self.model, self.data, physics, PHYSICS)
        command = [*self.command.tool, float(self.command.opening), *self.command.joints]
        return np.concatenate([physics, command, self.goal_position, [self.steps]])

    def restore(self, snapshot: Array) -> None:
        """Returns to a state that `snapshot` described; frames and futures are then the same to the bit.

        Between copies of the environment on one kind of processor, with one release of MuJoCo.

        Raises:
            ValueError: the vector has another length than this task's snapshots.
        """
        physics, command, goal, steps = self.split(snapshot)
        mujoco.mj_setState(self.model, self.data, physics, PHYSICS)
        self.command, self.goal_position, self.steps = command, goal.copy(), steps
        self._locate()

    def split(self, snapshot: Array) -> tuple[Array, Command, Array, int]:
        """The parts of a snapshot: physics state, command, goal position (3,), steps."""
        snapshot = np.asarray(snapshot, dtype=np.float64)
        expected = self._physics_size + COMMAND_SIZE + 4
        if snapshot.shape != (expected,):
            raise ValueError(f"snapshot has shape {snapshot.shape}: task '{self.task.name}' expects ({expected},)")
        rest = snapshot[self._physics_size :]
        command = Command(rest[:3].copy(), np.array(rest[3]), rest[4:11].copy())
        return snapshot[: self._physics_size], command, rest[11:14], int(rest[14])

    def close(self) -> None:
        """Frees the renderers."""
        for renderer in self._renderers.values():
            renderer.close()
        self._renderers.clear()

    def _locate(self) -> None:
        # Poses of bodies and cameras for the new joint positions, without touching what the next step starts from.
        mujoco.mj_kinematics(self.model, self.data)
        mujoco.mj_camlight(self.model, self.data)

    def _verdict(self) -> dict[str, Any]:
        distance = self.distance()
        return {"distance_m": distance, "success": distance <= self.task.success_radius}
