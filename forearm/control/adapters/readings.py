"""Which axes commands and readings are for, and in which units: what all adapters of a config share."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from forearm.agent.action_spec import ActionSpec
from forearm.common import checks
from forearm.control.trajectories.trajectory import Array
from forearm.errors import InputError, did_you_mean

if TYPE_CHECKING:
    from forearm.control.robots.robot import Robot

ANGLES = ("rad", "deg")
GRIPPER = "gripper"


class ConfiguredAdapter:
    """The half of an adapter that says what its numbers are.

    Args:
        robot: whose axes are moved; its position and velocity limits bound what commands ask for.
        actions: bounds of a command, and how often one is given.
        config: as `AdapterConfig` has it, complete.
        known: what the numbers of a command may be for, and in which unit, "rad" or "m".
        usual: what they are for where the config does not say.
        positions: which of them are positions; others are displacements or velocities.
        names: of the numbers, as the world model calls them.

    Attributes:
        factor: (A,) what 1.0 in a command is, in rad or m (per s of a velocity).
        origin: (A,) where 0.0 of a position is, in rad or m; 0 of others.
        absolute: (A,) which numbers are positions.

    Raises `InputError` for settings that do not fit the robot or the commands.
    """

    def __init__(
        self,
        robot: "Robot",
        actions: ActionSpec,
        config: Mapping[str, Any],
        known: Mapping[str, str],
        usual: Sequence[str],
        positions: Sequence[str],
        names: Sequence[str] | None = None,
    ) -> None:
        self.low, self.high = np.asarray(actions.low, np.float64), np.asarray(actions.high, np.float64)
        self.period, self.names = float(actions.period), names
        self.axes, self.units, self._limits = tuple(robot.axis_names), tuple(robot.limits.units), robot.limits
        self.step = robot.limits.velocity * self.period
        self.numbers = _numbers(config, known, usual, self.low, names)
        to_rad = np.pi / 180.0 if checks.choice("adapter.unit", config["unit"], ANGLES) == "deg" else 1.0
        unit = np.array([to_rad if known[name] == "rad" else 1.0 for name in self.numbers])
        checks.flag("adapter.gripper_position", config["gripper_position"])
        if config["gripper_position"] and GRIPPER not in self.numbers:
            raise InputError(f"adapter.gripper_position is true, but commands are for {', '.join(self.numbers)} alone")
        told = {*positions, *([GRIPPER] if config["gripper_position"] else [])}
        self.absolute = np.array([name in told for name in self.numbers])
        self.factor = unit * _each("scale", config, self.numbers)
        self.origin = np.where(self.absolute, unit * _each("offset", config, self.numbers), 0.0)
        turning = np.array([to_rad if name == "rad" else 1.0 for name in self.units])
        self._reading_scale = turning * _each("readings_scale", config, self.axes)
        self._reading_offset = turning * _each("readings_offset", config, self.axes)
        if not (self.factor.all() and self._reading_scale.all()):
            raise InputError("adapter.scale and adapter.readings_scale must be other than 0")
        self._where = _where(config, self.axes)

    def read(self, observation: Mapping[str, Any]) -> Array:
        """Positions (D,) of the axes, of `proprio`; raises `InputError` where it is too short, or no numbers."""
        proprio = observation.get("proprio")
        most = int(self._where.max()) + 1
        if proprio is None:
            raise InputError(f"no joint readings: expected `proprio`, {most} numbers or more")
        readings = np.asarray(proprio)
        if readings.ndim != 1 or len(readings) < most or readings.dtype.kind not in "fiu":
            raise InputError(f"joint readings are {readings.dtype} {readings.shape}: expected {most} numbers or more")
        found = readings[self._where].astype(np.float64)
        if not np.isfinite(found).all():
            raise InputError("joint readings hold a number that is NaN or infinite")
        return self._reading_offset + self._reading_scale * found

    def proprio(self, position: Array) -> Array:
        """The readings (P,) that show the axes at `position` (D,), the other way round; numbers between are 0."""
        found = np.zeros(int(self._where.max()) + 1)
        found[self._where] = (np.asarray(position, np.float64) - self._reading_offset) / self._reading_scale
        return found

    def _asked(self, actions: Array) -> Array:
        """Commands (H, A) in rad or m, per s of velocities."""
        return np.asarray(self.origin + self.factor * np.asarray(actions, np.float64))

    def _told(self, values: Array) -> Array:
        """The other way round, within the bounds."""
        return np.clip((values - self.origin) / self.factor, self.low, self.high)

    def _near(self, wanted: Array, here: Array) -> Array:
        """Positions (D,) as near to those that are wanted as an arm `here` gets in one period, within its limits."""
        wanted = np.clip(self._limits.near(wanted, here), self._limits.low, self._limits.high)
        return np.asarray(np.clip(wanted, here - self.step, here + self.step))


def _numbers(
    config: Mapping[str, Any], known: Mapping[str, str], usual: Sequence[str], low: Array, names: Sequence[str] | None
) -> list[str]:
    found = [str(name) for name in (usual if config["axes"] is None else config["axes"])]
    for name in found:
        if name not in known:
            raise InputError(f"adapter.axes names '{name}', which is none of its axes{did_you_mean(name, known)}")
    if len(set(found)) < len(found):
        raise InputError(f"adapter.axes names one twice: {', '.join(found)}")
    if len(found) != len(low):
        called = f" ({', '.join(names)})" if names else ""
        raise InputError(
            f"the world model's commands have {len(low)} numbers{called}, but adapter '{config['kind']}' takes "
            f"{len(found)} ({', '.join(found)}): say what they are for, adapter.axes"
        )
    return found


def _each(key: str, config: Mapping[str, Any], names: Sequence[str]) -> Array:
    """A setting as one number each."""
    given = config[key]
    values = given if isinstance(given, Sequence) and not isinstance(given, str) else [given] * len(names)
    if len(values) != len(names):
        raise InputError(
            f"adapter.{key} has {len(values)} numbers: expected one, or {len(names)}, for {', '.join(names)}"
        )
    return np.array([checks.real(f"adapter.{key}", value) for value in values])


def _where(config: Mapping[str, Any], axes: Sequence[str]) -> np.ndarray:
    given = config["readings"]
    if given is None:
        return np.arange(len(axes))
    found = [checks.integer("adapter.readings", number, 0) for number in given]
    if len(found) != len(axes) or len(set(found)) < len(found):
        raise InputError(f"adapter.readings is {given}: expected {len(axes)} different numbers, for {', '.join(axes)}")
    return np.array(found)
