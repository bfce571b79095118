"""A robot as its config describes it: which joints, how far, how fast, where, and what must not touch."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, get_type_hints

import numpy as np

from forearm.common import checks
from forearm.control.robots.collision import Geometry
from forearm.control.robots.model_file import model_spec
from forearm.control.trajectories.limits import LimitReport, Limits, check
from forearm.control.trajectories.shaping import Shaper
from forearm.control.trajectories.trajectory import Array, Trajectory
from forearm.errors import ForearmError, InputError, did_you_mean, one_line
from forearm.settings.schema.fields import section_of
from forearm.settings.schema.robot import FOLLOWING, RobotConfig

FASTEST = 10_000.0
"""Commands a second, at most."""
MEMORY = 2.0
"""s of the past that a motion keeps."""
BEYOND = 1e-3
"""rad or m by which a range of a config may go beyond the model's: it was rounded."""
NUMBER = checks.worded(checks.real, "{name} must be a number, not {value}")
NOT_BELOW = checks.worded(checks.real, "{name} must be at least {least}, not {value}")
RATE = checks.worded(checks.real, "{name} must be above 0 and at most {most:g} commands a second, not {value}")


class Robot:
    """An arm, its limits and its shape.

    Its axes are the joints of the config, and after them, if there is a gripper, the opening of its fingers; in rad
    where a joint turns, in m where it slides. Positions are limited by the model's joint ranges, or the config's, less
    its margin. A joint without a range turns without end.

    Args:
        config: as in configs/robot.

    Attributes:
        tool: name of a site of its model, or of a body.
        adapter: what its config says about the meaning of commands; None: nothing.

        memory: s of the past that its motion keeps.

    Raises:
        ForearmError: a model that cannot be read, or a config that does not fit it.
    """

    memory = MEMORY

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.name = str(config.get("name", "without a name"))
        try:
            _known(config, RobotConfig)
            self.rate = RATE("rate", config["rate"], above=0.0, most=FASTEST)
            self.joints = _names(config["joints"], "joints")
            gripper = config["gripper"] or []
            self.fingers = _names(gripper, "gripper")
            _once([*self.joints, *self.fingers])
            box = _mapping(config["workspace"], "workspace", "low: [X, Y, Z], high: [X, Y, Z]")
            self.workspace = np.array(box["low"], np.float64), np.array(box["high"], np.float64)
            if not self.joints:
                raise InputError("joints names none; name the arm's joints in the order of a command")
            if any(part.shape != (3,) for part in self.workspace) or not (self.workspace[0] < self.workspace[1]).all():
                raise InputError("workspace needs low and high of three numbers, low below high")
            for name in ("table_clearance", "self_clearance"):
                NOT_BELOW(name, config[name], least=0)
            keyframe = config.get("keyframe")
            self.tool, self.adapter = str(config["tool"]), config.get("adapter")
            self.geometry = Geometry(
                model_spec(config["model"]),
                self.joints,
                gripper if isinstance(gripper, Mapping) else self.fingers,
                self.tool,
                float(config["table_clearance"]),
                float(config["self_clearance"]),
                _pairs(config.get("ignore") or ()),
                None if keyframe is None else str(keyframe),
            )
            self.margins = self._margins(config["position_margin"])
            self.limits = self._limits(config)
            self.following_error = self._following_error(config)
        except KeyError as error:
            raise ForearmError(f"robot '{self.name}': its config lacks {error}") from error
        except (ValueError, TypeError) as error:
            raise ForearmError(f"robot '{self.name}': {one_line(error)}") from error

    @property
    def axes(self) -> int:
        """D: joints, and one for the gripper if there is one."""
        return len(self.limits.names)

    @property
    def axis_names(self) -> Sequence[str]:
        """(D,) names of the axes."""
        return self.limits.names

    @cached_property
    def shaper(self) -> Shaper:
        """Makes motions within this robot's limits, on a grid of its command rate."""
        return Shaper(self.limits, grid=max(0.01, 1.0 / self.rate))

    def check(self, path: Trajectory) -> LimitReport:
        """Everything wrong with a path: exactly for position, velocity, acceleration and jerk, at the command rate for
        workspace and clearances.
        """
        return check(path, self.limits) + self.check_space(path)

    def check_space(self, path: Trajectory) -> LimitReport:
        """Workspace and clearances along a path, at the command rate, both ends included."""
        count = max(2, int(np.ceil((path.end - path.start) * self.rate)) + 1)
        times = np.linspace(path.start, path.end, count)
        return self.geometry.check(times, path.sample(times).position, *self.workspace)

    def check_pose(self, position: Array, time: float = 0.0) -> LimitReport:
        """The same for standing still at `position` (D,)."""
        return self.check(Trajectory.resting(position, time, 1.0 / self.rate))

    def _limits(self, config: Mapping[str, Any]) -> Limits:
        count, margin, shares = len(self.joints), self.margins, config["shares"]
        shares = _mapping(shares, "shares", "velocity, acceleration and jerk")
        for name, share in shares.items():
            checks.real(f"shares.{name}", share, above=0.0, most=1.0)
        given = _mapping(config.get("range") or {}, "range", "{NAME: [LOW, HIGH]}")
        for name in given:
            if name not in (known := [*self.joints, *self.fingers[:1]]):
                raise InputError(f"range names '{name}', which is none of the joints{did_you_mean(str(name), known)}")
        ranges = np.array(
            [self._narrowed(name, self.geometry.joint_range(name), given.get(name)) for name in self.joints]
        )
        low, high = ranges[:, 0] + margin, ranges[:, 1] - margin
        fastest = {}
        for name in ("velocity", "acceleration", "jerk"):
            if not isinstance(config[name], Sequence | np.ndarray):
                raise InputError(f"{name} needs {count} numbers, one for each joint, not {config[name]}")
            most = np.array([NUMBER(name, value) for value in config[name]])
            if most.shape != (count,):
                raise InputError(f"{name} needs {count} numbers, one for each joint, but has {most.size}")
            fastest[name] = most * float(shares[name])
        names, units = list(self.joints), self.geometry.units
        if self.fingers:
            opening = self._narrowed(self.fingers[0], self.geometry.opening_range(), given.get(self.fingers[0]))
            names = [*names, "gripper"]
            low, high = np.append(low, opening[0]), np.append(high, opening[1])
            for name in fastest:
                fastest[name] = np.append(fastest[name], NUMBER(f"gripper_{name}", config[f"gripper_{name}"]))
        return Limits(names, low, high, **fastest, units=units)

    def _margins(self, given: Any) -> Array:
        """(J,) rad or m kept from both ends of each joint's range."""
        if not isinstance(given, Mapping | Sequence) or isinstance(given, str | bytes):
            given = dict.fromkeys(self.joints, given)
        given = self._by_joint("position_margin", given)
        units = self.geometry.units[: len(self.joints)]
        found = [given.get(name, given.get(unit)) for name, unit in zip(self.joints, units, strict=True)]
        for name, margin in zip(self.joints, found, strict=True):
            if margin is None:
                raise InputError(f"position_margin says nothing about {name}: give {{rad: …, m: …}} or its own")
            NOT_BELOW("position_margin", margin, least=0)
        return np.array(found, np.float64)

    def _following_error(self, config: Mapping[str, Any]) -> Array:
        """(D,) rad or m that each axis may be off where it was told to be; infinite for one that is not watched."""
        given = config.get("following_error") or {}
        if isinstance(given, str | bytes) or not isinstance(given, Mapping | Sequence):
            raise InputError(f"following_error must be {{rad: …, m: …, NAME: …}} or a list, not {given!r}")
        usual = {**FOLLOWING, **self._by_joint("following_error", given, ", in rad or m")}
        units = self.limits.units[: len(self.joints)]
        known = {name: usual.get(name, usual[unit]) for name, unit in zip(self.joints, units, strict=True)}
        if self.fingers:
            known["gripper"] = config.get("gripper_following_error")
        found = np.full(len(known), np.inf)
        for axis, (name, most) in enumerate(known.items()):
            if most is not None and not NUMBER(f"following_error of {name}", most) > 0:
                raise InputError(f"following_error of {name} must be above 0, or null for not watched, not {most}")
            found[axis] = np.inf if most is None else most
        return found

    def _by_joint(self, key: str, given: Mapping[str, Any] | Sequence[Any], unit: str = "") -> Mapping[str, Any]:
        """A setting by name of joint, or of a unit for all that have it; of a list, the joints' in order."""
        if not isinstance(given, Mapping):
            if len(given) != len(self.joints):
                raise InputError(f"{key} needs {len(self.joints)} numbers, one for each joint{unit}, not {given}")
            given = dict(zip(self.joints, given, strict=True))
        for name in given:
            if name not in (all_of := [*FOLLOWING, *self.joints]):
                raise InputError(f"{key} names '{name}', none of the joints{did_you_mean(str(name), all_of)}")
        return given

    def _narrowed(self, name: str, known: tuple[float, float], given: Any) -> tuple[float, float]:
        """The range of a joint, (low, high): the one that is known, or the part of it that the config gives."""
        low, high = known
        if given is None:
            return low, high
        if isinstance(given, str | bytes) or not isinstance(given, Sequence) or len(given) != 2:
            raise InputError(f"range.{name} must be two numbers, [LOW, HIGH], not {given}")
        ends = NUMBER(f"range.{name}", given[0]), NUMBER(f"range.{name}", given[1])
        if not ends[0] < ends[1]:
            raise InputError(f"range.{name} must be low and high, low below high, not {given}")
        if ends[0] < low - BEYOND or ends[1] > high + BEYOND:
            raise InputError(f"range.{name} is {given}, but the model's joint only goes from {low:.4g} to {high:.4g}")
        return max(low, ends[0]), min(high, ends[1])


def _known(given: Mapping[str, Any], kind: type[Any], within: str = "") -> None:
    """Raises ValueError for a setting that a robot has not."""
    hints = get_type_hints(kind)
    for key, value in given.items():
        if key not in hints:
            raise InputError(f"'{within}{key}' is no setting of a robot{did_you_mean(str(key), hints)}")
        section = section_of(hints[key])
        if section is not None and isinstance(value, Mapping):
            _known(value, section, f"{key}.")


def _once(names: Sequence[str]) -> None:
    """Raises ValueError for a joint that is named twice, be it once as a finger."""
    twice = [name for number, name in enumerate(names) if name in names[:number]]
    if twice:
        raise InputError(f"joints and gripper name '{twice[0]}' twice; each joint moves once")


def _names(value: Any, key: str) -> list[str]:
    if isinstance(value, str | bytes) or not isinstance(value, Sequence | Mapping):
        raise InputError(f"{key} must be a list of joints, not {value!r}")
    return [str(name) for name in value]


def _mapping(value: Any, key: str, of: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise InputError(f"{key} must be a mapping of {of}, not {value!r}")
    return value


def _pairs(value: Any) -> list[list[str]]:
    if isinstance(value, str | bytes) or not isinstance(value, Sequence):
        raise InputError(f"ignore must be a list of pairs of bodies, [[ONE, OTHER], ...], not {value!r}")
    for pair in value:
        if isinstance(pair, str | bytes) or not isinstance(pair, Sequence) or len(pair) != 2:
            raise InputError(f"ignore holds {pair!r}, which is no pair of bodies, [ONE, OTHER]")
    return [[str(name) for name in pair] for pair in value]


def load_robot(name: str = "panda") -> Robot:
    """The robot of a config in configs/robot; raises `ForearmError` for an unknown one."""
    from forearm.settings import compose as settings

    return Robot(settings.load("plan", [f"robot={name}"]).one("robot"))
