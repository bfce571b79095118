"""What a command of the world model means for the joints of a robot, and the other way round."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from forearm.control.trajectories.trajectory import Array
from forearm.errors import InputError

Observation = Mapping[str, Any]


class ActionAdapter(Protocol):
    """Translates between the commands (A,) that a world model was trained on and positions (D,) of a robot's axes.

    low, high: (A,) bounds of a command. period: s from one command to the next. names: (A,) what they are called.

    One may also have `axes`, names of the axes (D,); `units` (D,), "rad" or "m"; and `tool`, which gives the place of
    the tool (N, 3) in m at positions (N, D). With `holds` true a command is in force from its beginning on, where
    others lead to its end. A robot that contradicts them is refused at once. With `proprio`, which
    gives the readings (P,) at positions (D,), a ROS 2 node knows how the world model wants them.
    """

    low: Array
    high: Array
    period: float
    names: Sequence[str] | None

    def read(self, observation: Observation) -> Array:
        """Positions (D,) of the axes that an observation shows; raises ValueError if it shows none."""
        ...

    def targets(self, start: Array, actions: Array) -> Array:
        """Positions (H, D) that commands (H, A) ask for, each at its end, from `start` (D,) on."""
        ...

    def actions(self, path: Array) -> Array:
        """The commands (N, A) that moving through positions (N + 1, D), one each period, amounts to."""
        ...


def holding(adapter: ActionAdapter, position: Array) -> Array:
    """The command (A,) that keeps the axes at `position` (D,): one that says where they are, or that nothing moves."""
    return np.asarray(adapter.actions(np.stack([position, position]))[0])


class ToolActionAdapter:
    """The built-in arm: commands displace the tool and the fingers, and inverse kinematics finds the joints.

    Args:
        task: the task whose workspace bounds the tool.

    Raises ForearmError for a task that is no task of the built-in arm.
    """

    names: Sequence[str] | None = ("dx", "dy", "dz", "gripper")
    axes = (*(f"joint{number}" for number in range(1, 8)), "gripper")
    units = (*("rad",) * 7, "m")

    def __init__(self, task: str) -> None:
        from forearm import envs
        from forearm.envs.arm.joints import CONTROL_PERIOD
        from forearm.errors import ForearmError, did_you_mean

        if task not in envs.TASKS:
            raise ForearmError(f"task '{task}' is not of the built-in arm{did_you_mean(task, envs.TASKS)}")
        self.task = envs.TASKS[task]
        self.period = CONTROL_PERIOD
        self.low, self.high = np.full(4, -1.0), np.full(4, 1.0)

    def read(self, observation: Observation) -> Array:
        """Joint positions (rad) and finger opening (m), (8,), from `proprio` (15,)."""
        proprio = observation.get("proprio")
        if proprio is None:
            raise InputError("no joint readings: expected `proprio`, 15 numbers")
        readings = np.asarray(proprio)
        if readings.shape != (15,) or readings.dtype.kind not in "fiu":
            raise InputError(f"joint readings are {readings.dtype} {readings.shape}: expected 15 numbers")
        if not np.isfinite(readings).all():
            raise InputError("joint readings hold a number that is NaN or infinite")
        return np.append(readings[:7], readings[14]).astype(np.float64)

    def tool(self, positions: Array) -> Array:
        """Where the tool is, (N, 3) in m, at positions (N, 8)."""
        from forearm.envs.arm import kinematics

        return np.asarray(kinematics.forward(positions[:, :7])[0])

    def targets(self, start: Array, actions: Array) -> Array:
        """See `ActionAdapter`; the tool stays in the task's workspace, the joints within their speeds."""
        from forearm.envs.arm import kinematics
        from forearm.envs.arm.joints import ServoCommand, next_command

        tool = kinematics.forward(start[:7])[0]
        command = ServoCommand(tool, np.array(start[7]), np.array(start[:7]))
        found = np.empty((len(actions), 8))
        for i, action in enumerate(actions):
            command = next_command(self.task, command, action)
            found[i] = np.append(command.joints, command.opening)
        return found

    def actions(self, path: Array) -> Array:
        """See `ActionAdapter`: how far the tool and the fingers moved, in the units of a command."""
        from forearm.envs.arm import kinematics
        from forearm.envs.arm.joints import DISPLACEMENT, OPENING_STEP

        tool = kinematics.forward(path[:, :7])[0]
        moved = np.diff(tool, axis=0) / DISPLACEMENT
        opened = np.diff(path[:, 7:], axis=0) / OPENING_STEP
        return np.clip(np.concatenate([moved, opened], axis=1), -1.0, 1.0)
