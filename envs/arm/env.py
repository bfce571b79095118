"""The tasks as Gymnasium environments: an image is seen, an image is the goal."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forearm.common import checks
from forearm.envs.arm import kinematics
from forearm.envs.arm.felt import FELT, felt
from forearm.envs.arm.goal_scenes import goal_scene
from forearm.envs.arm.joints import CONTROL_PERIOD, ServoCommand, build_model, next_command, servo_path
from forearm.envs.arm.skills import segment, solution
from forearm.envs.arm.tasks import TASKS, Scene, Task
from forearm.envs.backend import mujoco
from forearm.envs.contract import Array, Policy
from forearm.envs.exploration import Explorer
from forearm.envs.mujoco_env import MujocoEnvironment
from forearm.envs.variation.scene import Parts

CAMERAS = ("front", "side")
ACTIONS = ("dx", "dy", "dz", "gripper")
STATES = (*(f"joint{i}_{unit}" for unit in ("rad", "rad_s") for i in range(1, 8)), "gripper_m")


class ArmEnv(MujocoEnvironment):
    """A Panda-like arm on a table, driven at 10 Hz by tool displacements, seen through one camera.

    Action (4,) in [-1, 1]: dx, dy, dz of the commanded tool position (3 cm a step at 1) and gripper (1 opens each
    finger by 1 cm a step). Observation: `pixels` (R, R, 3) uint8 and `proprio` (15,) float32: joint positions (rad),
    joint velocities (rad/s), finger opening (m). `reset` returns the goal image in `info["goal"]`.
    Reward is minus the distance to the goal in metres; an episode terminates on success.

    Args:
        task: `reach`, `push` or `pick_place`, or a Task of your own.
        camera: `front` or `side`.
        resolution: side of the frames in pixels.
        forces: `proprio` is (25,), and ends with joint torques (Nm) and the force at the wrist (N), see `felt`.

    Raises:
        ValueError: unknown task or camera, or a resolution below 16.
        RenderingUnavailable: at the first frame, if no GL back end can draw.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": round(1 / CONTROL_PERIOD)}  # noqa: RUF012  (Gymnasium declares it so)

    def __init__(
        self,
        task: str | Task = "reach",
        camera: str = "front",
        resolution: int = 64,
        render_mode: str | None = "rgb_array",
        forces: bool = False,
    ) -> None:
        self.forces, self.felt = forces, np.zeros(len(FELT))
        if isinstance(task, str):
            task = TASKS[checks.choice("task", task, list(TASKS))]
        model = build_model(task)
        super().__init__(
            task.name,
            model,
            mujoco.MjData(model),
            camera=camera,
            resolution=resolution,
            views={name: name for name in CAMERAS},
            actions=ACTIONS,
            states=(*STATES, *FELT) if forces else STATES,
            control_period=CONTROL_PERIOD,
            max_episode_steps=task.max_episode_steps,
            description=task.description,
            cell=0.0,
            markers=True,
            fixed_assets=True,
        )
        self.task = task
        self.layout = Parts(("table",), "object" if task.has_object else None, (task.low, task.high))
        self.render_mode = render_mode
        self.substeps = round(CONTROL_PERIOD / model.opt.timestep)
        self.command = ServoCommand(np.array(task.low), np.array(0.0), kinematics.HOME.copy())
        self.goal_position = np.zeros(3)

    # -- episodes ---------------------------------------------------------------------------------------------

    def begin(self, options: Mapping[str, Any]) -> Array:
        """A start that is not solved, and a goal, both of the task's sampler."""
        while True:
            start, goal = self.task.sample(self.np_random)
            self.place(goal)
            self.aim(self.achieved())
            goal_state = self.snapshot()
            self.place(start)
            if not self.success():
                return goal_state

    def actuate(self, action: Array) -> None:
        """Moves the commanded position, and the servos after it."""
        after = next_command(self.task, self.command, action)
        for targets in servo_path(self.command, after, self.substeps):
            self.data.ctrl[:] = targets
            mujoco.mj_step(self.model, self.data)
        self.command = after
        self._locate()

    def servo(self, joints: Array, opening: float, seconds: float) -> None:
        """Tells the servos where to be, joints (7,) in rad and finger opening in m, and lets physics run so long."""
        joints = np.array(joints, np.float64)
        self.command = ServoCommand(np.array(kinematics.forward(joints)[0]), np.array(float(opening)), joints)
        self.data.ctrl[:] = self.command.servo_targets()
        for _ in range(round(seconds / self.model.opt.timestep)):
            mujoco.mj_step(self.model, self.data)
        self._locate()

    def place(self, scene: Scene) -> None:
        """Puts the arm and the object into `scene`, at rest."""
        mujoco.mj_resetData(self.model, self.data)
        joints = kinematics.inverse(scene.tool, kinematics.HOME, iterations=40)
        self.command = ServoCommand(np.array(scene.tool, dtype=np.float64), np.array(float(scene.opening)), joints)
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

    def pose(self, state: Array, steps: int) -> None:
        """Shows a full physics state of MuJoCo's, `steps` control steps after the start; not one to go on from."""
        mujoco.mj_setState(self.model, self.data, state, mujoco.mjtState.mjSTATE_FULLPHYSICS)
        self.steps = steps
        self._locate()

    def _locate(self) -> None:
        # Poses of bodies and cameras for the new joint positions, without touching what the next step starts from.
        mujoco.mj_kinematics(self.model, self.data)
        mujoco.mj_camlight(self.model, self.data)
        if self.forces:
            self.felt[:] = felt(self.model, self.data)

    # -- goals ------------------------------------------------------------------------------------------------

    def achieved(self) -> Array:
        """(3,) position in m by which the task measures success: the tool's or the object's."""
        return self.ee_position() if self.task.measured == "tool" else self.object_position()

    def aim(self, goal: Array) -> None:
        """Makes `goal` (3,) the position to reach, in m."""
        self.goal_position = np.array(goal, np.float64)

    def goal_state(
        self, tool: Sequence[float] | None = None, object: Sequence[float] | None = None, start: Any = None
    ) -> Array:
        """The snapshot of a goal told by places in m; see `Environment.goal_state`. The present state stays as it is.

        Raises InputError as `goal_scene` does.
        """
        scene, here = goal_scene(self.task, tool, object, start), self.snapshot()
        self.place(scene)
        self.aim(self.achieved())
        found = self.snapshot()
        self.restore(here)
        return found

    def distance(self) -> float:
        """Distance in m from the measured position to the goal's."""
        return float(np.linalg.norm(self.achieved() - self.goal_position))

    def success(self) -> bool:
        """Whether the distance is within the task's success radius."""
        return self.distance() <= self.task.success_radius

    def cost(self) -> float:
        """The distance in m; where an object must move, plus a tenth of the hand's distance to it."""
        return self.distance() if self.task.measured == "tool" else super().cost()

    # -- what is known ----------------------------------------------------------------------------------------

    def proprio(self) -> Array:
        """Joint positions (rad), joint velocities (rad/s), finger opening (m); with `forces`, what is felt."""
        opening = self.data.qpos[7:9].mean(keepdims=True)
        known = [self.data.qpos[:7], self.data.qvel[:7], opening]
        return np.concatenate([*known, self.felt] if self.forces else known)

    def lagging(self) -> list[NDArray[np.float64]]:
        """What was felt in the last step; see `MujocoEnvironment.lagging`."""
        return [self.felt] if self.forces else []

    def positions(self) -> dict[str, Array]:
        """The point between the fingertips, and the object's centre where there is one."""
        found = {"ee_position": self.data.site("tool").xpos.copy()}
        if self.task.has_object:
            found["object_position"] = self.data.body("object").xpos.copy()
        return found

    def project(self, points: NDArray[np.floating], camera: str | None = None) -> Array:
        """Where points (N, 3) in metres appear in the frame: (N, 2) column and row in pixels."""
        view = self.data.camera(camera or self.camera)
        fovy = self.model.camera(camera or self.camera).fovy[0]
        local = (np.asarray(points) - view.xpos) @ view.xmat.reshape(3, 3)
        scale = self.resolution / 2 / np.tan(np.deg2rad(fovy) / 2)
        return np.stack([local[:, 0], -local[:, 1]], -1) / -local[:, 2:] * scale + self.resolution / 2

    def memory(self) -> Array:
        """(14,) the last command (tool, opening, joints) and the goal position."""
        return np.concatenate([self.command.tool, [self.command.opening], self.command.joints, self.goal_position])

    def recall(self, memory: Array) -> None:
        """Take back what `memory` gave."""
        self.command, self.goal_position = _command(memory), memory[11:].copy()

    def split(self, snapshot: Array) -> tuple[Array, ServoCommand]:
        """Physics state and last command of a snapshot; raises ValueError like `restore`."""
        physics, _, memory, _ = self.parts(snapshot)
        return physics, _command(memory)

    # -- policies ---------------------------------------------------------------------------------------------

    def expert(self, rng: np.random.Generator) -> Policy:
        """The scripted expert of the task; raises ValueError for a task without one."""
        return solution(self)

    def explorer(self, rng: np.random.Generator) -> Policy:
        """The exploratory policy of the task."""
        return Explorer(len(ACTIONS), partial(segment, self), rng)


def _command(memory: Array) -> ServoCommand:
    return ServoCommand(memory[:3].copy(), np.array(memory[3]), memory[4:11].copy())
