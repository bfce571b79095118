"""A robot as its config describes it: which joints, how far, how fast, where, and what must not touch."""

import importlib.resources
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import mujoco
import numpy as np

from forearm.control.collision import Geometry
from forearm.control.limits import Limits, Report, check
from forearm.control.shaping import Shaper
from forearm.control.trajectory import Array, Trajectory
from forearm.errors import ForearmError, one_line


class Robot:
    """An arm, its limits and its shape.

    Its axes are the joints of the config, in rad, and after them, if there is a gripper, the opening of its fingers in
    m. Positions are limited by the model's joint ranges less the config's margin.

    Args:
        config: as in configs/robot.

    Raises:
        ForearmError: a model that cannot be read, or a config that does not fit it.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.name = str(config.get("name", "without a name"))
        try:
            self.rate = float(config["rate"])
            self.joints = [str(name) for name in config["joints"]]
            self.fingers = [str(name) for name in config["gripper"]]
            box = config["workspace"]
            self.workspace = np.array(box["low"], np.float64), np.array(box["high"], np.float64)
            if not self.rate > 0:
                raise ValueError(f"rate must be above 0 commands a second, not {self.rate}")
            if any(part.shape != (3,) for part in self.workspace) or not (self.workspace[0] < self.workspace[1]).all():
                raise ValueError("workspace needs low and high of three numbers, low below high")
            for name in ("position_margin", "table_clearance", "self_clearance"):
                if not float(config[name]) >= 0:
                    raise ValueError(f"{name} must be at least 0, not {config[name]}")
            self.geometry = Geometry(
                model_spec(config["model"]),
                self.joints,
                self.fingers,
                str(config["tool"]),
                float(config["table_clearance"]),
                float(config["self_clearance"]),
                config.get("ignore", ()),
            )
            self.limits = self._limits(config)
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

    def check(self, path: Trajectory) -> Report:
        """Everything wrong with a path: exactly for position, velocity, acceleration and jerk, at the command rate for
        workspace and clearances.
        """
        return check(path, self.limits) + self.check_space(path)

    def check_space(self, path: Trajectory) -> Report:
        """Workspace and clearances along a path, at the command rate, both ends included."""
        count = max(2, int(np.ceil((path.end - path.start) * self.rate)) + 1)
        times = np.linspace(path.start, path.end, count)
        return self.geometry.check(times, path.sample(times).position, *self.workspace)

    def check_pose(self, position: Array, time: float = 0.0) -> Report:
        """The same for standing still at `position` (D,)."""
        return self.check(Trajectory.resting(position, time, 1.0 / self.rate))

    def _limits(self, config: Mapping[str, Any]) -> Limits:
        count, margin, shares = len(self.joints), float(config["position_margin"]), config["shares"]
        for name, share in shares.items():
            if not 0 < float(share) <= 1:
                raise ValueError(f"shares.{name} must be above 0 and at most 1, not {share}")
        ranges = np.array([self.geometry.joint_range(name) for name in self.joints])
        low, high = ranges[:, 0] + margin, ranges[:, 1] - margin
        fastest = {}
        for name in ("velocity", "acceleration", "jerk"):
            given = np.array(config[name], np.float64)
            if given.shape != (count,):
                raise ValueError(f"{name} needs {count} numbers, one for each joint, but has {given.size}")
            fastest[name] = given * float(shares[name])
        names, units = list(self.joints), ["rad"] * count
        if self.fingers:
            opening = np.array([self.geometry.joint_range(name) for name in self.fingers])
            names, units = [*names, "gripper"], [*units, "m"]
            low, high = np.append(low, opening[:, 0].max()), np.append(high, opening[:, 1].min())
            for name in fastest:
                fastest[name] = np.append(fastest[name], float(config[f"gripper_{name}"]))
        return Limits(names, low, high, **fastest, units=units)


def load_robot(name: str = "panda") -> Robot:
    """The robot of a config in configs/robot; raises `ForearmError` for an unknown one."""
    from forearm import settings

    return Robot(settings.load("plan", [f"robot={name}"]).one("robot"))


def model_spec(model: str | None) -> mujoco.MjSpec:
    """MuJoCo's description of an MJCF file, or of the built-in arm; raises `ForearmError` if it cannot be read."""
    if model is None:
        text = importlib.resources.files("envs").joinpath("assets/arm.xml").read_text(encoding="utf-8")
        return mujoco.MjSpec.from_string(text)
    path = Path(model).expanduser()
    if not path.is_file():
        raise ForearmError(f"model={model}: no such file; give the MJCF file of the arm")
    try:
        return mujoco.MjSpec.from_file(str(path))
    except ValueError as error:
        raise ForearmError(f"model={model}: {one_line(error)}") from None
