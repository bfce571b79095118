"""What a robot's config says. How far and how fast an arm may go is never guessed: those settings have no default."""

from dataclasses import dataclass, field
from typing import Any

from forearm.settings.schema.adapter import AdapterConfig
from forearm.settings.schema.fields import REQUIRED

FOLLOWING = {"rad": 0.15, "m": 0.03}
"""How far a joint may be off where it was told to be, where a config says nothing."""


@dataclass
class SharesConfig:
    """Shares of the limits that commands may use.

    Attributes:
        velocity: share, above 0 and at most 1.
        acceleration: alike.
        jerk: alike.
    """

    velocity: float = REQUIRED
    acceleration: float = REQUIRED
    jerk: float = REQUIRED


@dataclass
class WorkspaceConfig:
    """A box that the tool may not leave.

    Attributes:
        low: least x, y and z in m.
        high: largest x, y and z in m.
    """

    low: list[float] = REQUIRED
    high: list[float] = REQUIRED


@dataclass
class RobotConfig:
    """An arm: its joints, its limits and what it must not touch.

    Attributes:
        name: that of its file below configs/robot.
        model: MJCF or URDF file of the arm and what it may hit, relative to this config; null: the built-in arm and
            table.
        keyframe: key of the model in which all other joints stand; null: home, else the first, else none.
        joints: names, in the order of a command.
        gripper: joints that open together; []: none; {NAME: 1.0, NAME: -0.5}: by how much each.
        tool: site of the point between the fingertips, or a body.
        rate: commands a second; paths are checked at this rate.
        range: {NAME: [LOW, HIGH]} in rad or m, for joints that shall go less far than in the model.
        position_margin: rad or m kept from both ends of the joints' ranges.
        velocity: limits of the joints in rad/s or m/s.
        acceleration: limits of the joints in rad/s^2 or m/s^2.
        jerk: limits of the joints in rad/s^3 or m/s^3.
        gripper_velocity: m/s of the first finger; rad/s of one that turns.
        gripper_acceleration: m/s^2 or rad/s^2.
        gripper_jerk: m/s^3 or rad/s^3.
        following_error: off where it was told to be, beyond which an arm is at fault, by rad (joints that turn), m
            (joints that slide) and NAME (a joint's own); or one number for each joint.
        gripper_following_error: m or rad of the first finger; null: any, fingers that hold something are off.
        table_clearance: m between the arm and everything that stands still or is not the robot's.
        self_clearance: m between parts of the arm that are not neighbours.
        ignore: pairs of bodies that may touch, [[ONE, OTHER]].
        adapter: what commands mean for the joints, unless the task says so; null: the commands of the built-in arm.
    """

    name: str = REQUIRED
    model: str | None = None
    keyframe: str | None = None
    joints: list[str] = REQUIRED
    gripper: Any = REQUIRED
    tool: str = REQUIRED
    rate: float = 100.0
    range: dict[str, Any] | None = None
    position_margin: float = REQUIRED
    velocity: list[float] = REQUIRED
    acceleration: list[float] = REQUIRED
    jerk: list[float] = REQUIRED
    shares: SharesConfig = field(default_factory=SharesConfig)
    gripper_velocity: float = REQUIRED
    gripper_acceleration: float = REQUIRED
    gripper_jerk: float = REQUIRED
    following_error: Any = field(default_factory=FOLLOWING.copy)
    gripper_following_error: float | None = None
    workspace: WorkspaceConfig = field(default_factory=WorkspaceConfig)
    table_clearance: float = REQUIRED
    self_clearance: float = REQUIRED
    ignore: list[list[str]] = field(default_factory=list)
    adapter: AdapterConfig | None = None
