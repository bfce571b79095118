"""The arm: what a command does to joints, and how physics carries it out.

A command moves the *commanded* tool position; inverse kinematics turns that into joint targets, which the servos
follow along a straight line in joint space over one control period. The joint targets depend on the commands
alone, not on what the arm met on its way, so a whole batch of command sequences can be turned into servo
targets before any physics runs (see `true_dynamics.py`).
"""

import importlib.resources
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forearm.envs.arm import kinematics
from forearm.envs.arm.tasks import GRIPPER_OPEN, Task
from forearm.envs.backend import mujoco

Array = NDArray[np.float64]

CONTROL_PERIOD = 0.1  # s between commands
DISPLACEMENT = 0.03  # m that a command of 1 moves the tool along an axis
OPENING_STEP = 0.01  # m that a gripper command of 1 opens each finger
ACTION_UNITS = (*(f"{100 * DISPLACEMENT:g} cm",) * 3, f"{100 * OPENING_STEP:g} cm")
"""What a command of 1 is, in each of its numbers."""


@dataclass(frozen=True)
class ServoCommand:
    """What the servos were last told: tool position (…, 3) m, finger opening (…) m, joint targets (…, 7) rad."""

    tool: Array
    opening: Array
    joints: Array

    def servo_targets(self) -> Array:
        """(…, 9) targets of the nine actuators: seven joints, two fingers."""
        fingers = np.repeat(self.opening[..., None], 2, axis=-1)
        return np.concatenate([self.joints, fingers], axis=-1)


def build_model(task: Task) -> mujoco.MjModel:
    """The compiled arm, table and objects of `task`."""
    xml = importlib.resources.files("forearm.envs.arm").joinpath("assets/arm.xml").read_text(encoding="utf-8")
    return mujoco.MjModel.from_xml_string(xml.replace("<!--OBJECTS-->", task.objects_xml()))


def next_command(task: Task, command: ServoCommand, action: NDArray[np.floating]) -> ServoCommand:
    """The command after `action` (…, 4) in [-1, 1], kept inside the task's workspace and the joint speed limits."""
    action = np.clip(np.asarray(action, dtype=np.float64), -1.0, 1.0)
    tool = np.clip(command.tool + DISPLACEMENT * action[..., :3], task.low, task.high)
    opening = command.opening
    if task.gripper:
        opening = np.clip(opening + OPENING_STEP * action[..., 3], 0.0, GRIPPER_OPEN)
    largest = kinematics.VELOCITY_LIMIT * CONTROL_PERIOD
    joints = kinematics.inverse(tool, command.joints)
    joints = command.joints + np.clip(joints - command.joints, -largest, largest)
    return ServoCommand(tool, opening, joints)


def servo_path(before: ServoCommand, after: ServoCommand, substeps: int) -> Array:
    """Servo targets (…, substeps, 9) on the straight line from `before` to `after`, the end included."""
    fraction = (np.arange(1, substeps + 1) / substeps)[:, None]
    start, end = before.servo_targets()[..., None, :], after.servo_targets()[..., None, :]
    return start + fraction * (end - start)
