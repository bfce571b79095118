"""Commands that displace a tool: inverse kinematics by mink finds the joints."""

import copy
import itertools
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

import mujoco
import numpy as np

from forearm.agent.action_spec import ActionSpec
from forearm.control.adapters.readings import GRIPPER, ConfiguredAdapter
from forearm.control.trajectories.trajectory import Array
from forearm.errors import ForearmError

if TYPE_CHECKING:
    from forearm.control.robots.robot import Robot

PLACE, TURN = ("x", "y", "z"), ("roll", "pitch", "yaw")
ITERATIONS = 20
"""Of inverse kinematics for a command, at most."""
NEAR = 1e-5
"""m and rad by which the tool may miss where it was told to be."""
BEHIND = 0.02
"""m by which the tool may lag behind; beyond that it was told to be where it cannot go, and that is forgotten."""
ORIENTATION, DAMPING = 0.1, 1e-6
"""What a rad weighs beside a m, and what moving a joint costs: so little that it only chooses between ways."""


class ToolAdapter(ConfiguredAdapter):
    """An `ActionAdapter` for `tool_displacement`: along and about the axes of the model's world.

    Without roll, pitch and yaw the tool keeps its orientation, as far as the joints let it. It stays within the robot's
    workspace, the joints within their limits.

    Raises `ForearmError` where mink is not installed, and what `ConfiguredAdapter` raises.
    """

    def __init__(
        self, robot: "Robot", actions: ActionSpec, config: Mapping[str, Any], names: Sequence[str] | None = None
    ) -> None:
        self._mink = _mink()
        gripper = {GRIPPER: robot.limits.units[-1]} if robot.fingers else {}
        known = {**dict.fromkeys(PLACE, "m"), **dict.fromkeys(TURN, "rad"), **gripper}
        super().__init__(robot, actions, config, known, [*PLACE, *gripper], (), names)
        self._geometry, self._box = robot.geometry, robot.workspace
        model = copy.copy(robot.geometry.model)
        self._site = robot.tool, "site" if robot.tool in _sites(model) else "body"
        joints = [model.joint(name).id for name in robot.joints]
        self._position, self._dof = model.jnt_qposadr[joints], model.jnt_dofadr[joints]
        arm = slice(len(joints))
        bounded = np.isfinite(robot.limits.low[arm]) & np.isfinite(robot.limits.high[arm])
        for joint, low, high, has in zip(joints, robot.limits.low[arm], robot.limits.high[arm], bounded, strict=True):
            model.jnt_limited[joint] = has
            if has:
                model.jnt_range[joint] = low, high
        self._model, self._arm = model, len(joints)
        self._task = _only(self._mink.FrameTask, self._dof)(
            *self._site, position_cost=1.0, orientation_cost=ORIENTATION, lm_damping=DAMPING
        )
        self._bounds = [self._mink.ConfigurationLimit(model)]

    def targets(self, start: Array, actions: Array) -> Array:
        """See `ActionAdapter`; each command displaces the tool from where it was told to be last."""
        here = np.array(start, np.float64)
        configuration = self._mink.Configuration(self._model)
        place, turn = self._tool(configuration, here)
        found = np.empty((len(actions), len(here)))
        for i, asked in enumerate(self._asked(actions)):
            moved = dict(zip(self.numbers, asked, strict=True))
            place = np.clip(place + [moved.get(name, 0.0) for name in PLACE], *self._box)
            turn = self._mink.SO3.exp(np.array([moved.get(name, 0.0) for name in TURN])) @ turn
            wanted = self._solved(configuration, here, place, turn)
            if GRIPPER in moved:
                absolute = self.absolute[self.numbers.index(GRIPPER)]
                wanted[-1] = moved[GRIPPER] + (0.0 if absolute else here[-1])
            found[i] = here = self._near(wanted, here)
            got, turned = self._tool(configuration, here)
            if np.linalg.norm(got - place) > BEHIND:
                place, turn = got, turned
        return found

    def actions(self, path: Array) -> Array:
        """See `ActionAdapter`: how far the tool and the fingers moved."""
        configuration = self._mink.Configuration(self._model)
        poses = [self._tool(configuration, row) for row in np.asarray(path, np.float64)]
        found = np.empty((len(poses) - 1, len(self.numbers)))
        for i, ((place, turn), (later, turned)) in enumerate(itertools.pairwise(poses)):
            moved = dict(zip(PLACE, later - place, strict=True))
            moved |= dict(zip(TURN, (turned @ turn.inverse()).log(), strict=True))
            moved[GRIPPER] = path[i + 1][-1] - path[i][-1]
            found[i] = [moved[name] for name in self.numbers]
        if GRIPPER in self.numbers and self.absolute.any():
            found[:, self.numbers.index(GRIPPER)] = path[1:, -1]
        return self._told(found)

    def _tool(self, configuration: Any, position: Array) -> tuple[Array, Any]:
        """Where the tool is (3,) in m, and its orientation, at `position` (D,)."""
        configuration.update(self._geometry.pose(position))
        pose = configuration.get_transform_frame_to_world(*self._site)
        return pose.translation(), pose.rotation()

    def _solved(self, configuration: Any, here: Array, place: Array, turn: Any) -> Array:
        """Positions (D,) that bring the tool there, as near as can be, from `here` (D,) on."""
        self._task.set_target(self._mink.SE3.from_rotation_and_translation(turn, place))
        configuration.update(self._geometry.pose(here))
        for _ in range(ITERATIONS):
            velocity = self._mink.solve_ik(
                configuration, [self._task], 1.0, "daqp", damping=DAMPING, limits=self._bounds
            )
            configuration.integrate_inplace(velocity, 1.0)
            if abs(velocity[self._dof]).max() < NEAR:
                break
        found = here.copy()
        found[: self._arm] = configuration.q[self._position]
        return found


def _only(kind: Any, dof: np.ndarray) -> Any:
    """A task of mink's for which the arm's joints alone are moved."""

    class OfTheArm(kind):
        def compute_jacobian(self, configuration: Any) -> Any:
            jacobian = super().compute_jacobian(configuration)
            found = np.zeros_like(jacobian)
            found[:, dof] = jacobian[:, dof]
            return found

    return OfTheArm


def _sites(model: Any) -> set[str]:
    return {mujoco.mj_id2name(model, mujoco.mjtObj.mjOBJ_SITE, number) for number in range(model.nsite)}


def _mink() -> ModuleType:
    try:
        import daqp  # noqa: F401  (qpsolvers finds it by itself)
        import mink
    except ModuleNotFoundError:
        raise ForearmError(
            "adapter 'tool_displacement' needs inverse kinematics: pip install 'forearm[ik]', "
            "or choose another adapter.kind"
        ) from None
    found: ModuleType = mink
    return found
