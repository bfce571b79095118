"""What a robot's or a task's config says about the meaning of commands."""

from dataclasses import dataclass, field
from typing import Any

from forearm.settings.schema.fields import REQUIRED

KINDS = ("joint_position", "joint_displacement", "joint_velocity", "tool_displacement")
"""What commands may be, beside a class of one's own."""


@dataclass
class AdapterConfig:
    """What a command means for the joints of a robot, and what its readings mean.

    Attributes:
        kind: joint_position, joint_displacement, joint_velocity, tool_displacement (by inverse kinematics; needs the
            extra ik), or a class of one's own, MODULE.CLASS.
        axes: what the numbers of a command are for, in their order: joints of the robot and gripper; of
            tool_displacement x, y, z, roll, pitch, yaw and gripper. null: all joints, or x, y, z, and then gripper if
            there is one.
        scale: what 1.0 in a command is, in rad or m, of joint_velocity in rad/s or m/s; one number, or one for each.
        offset: where 0.0 in a command is, in rad or m, of numbers that are positions; one number, or one for each.
        unit: rad or deg: of angles, in scale, offset, readings_scale and readings_offset.
        gripper_position: true: a command tells the gripper's position, whatever the other numbers are.
        readings: which numbers of the readings are positions of the robot's axes, in its order; null: the first ones.
        readings_scale: what 1.0 in those readings is, in rad or m; one number, or one for each axis.
        readings_offset: where 0.0 in those readings is, in rad or m; one number, or one for each axis.
        options: of a class of one's own, which is called with the robot, the bounds and rate of commands, and these.
    """

    kind: str = REQUIRED
    axes: list[str] | None = None
    scale: Any = 1.0
    offset: Any = 0.0
    unit: str = "rad"
    gripper_position: bool = False
    readings: list[int] | None = None
    readings_scale: Any = 1.0
    readings_offset: Any = 0.0
    options: dict[str, Any] = field(default_factory=dict)
