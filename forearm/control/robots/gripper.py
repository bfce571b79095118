"""What the opening of a gripper is: which joints move with it, which way, how far, and in rad or in m."""

from collections.abc import Mapping, Sequence
from typing import Any

import mujoco
import numpy as np

from forearm.control.robots.ties import FREE, HINGE, SLIDE, tied_to
from forearm.control.trajectories.trajectory import Array
from forearm.errors import InputError


class Gripper:
    """Joints that open together. The opening is the position of the first of them, in its unit.

    Those that an equality constraint ties to the first are left to it. The others move by the same amount: the same
    way, or the other way where their ranges mirror the first's; a mapping of names to factors says it outright.

    Args:
        model: compiled.
        joints: (G,) numbers of the joints; at least one.
        factors: (G,) how far each moves for one of the first; None: as the ranges have it.
        home: (nq,) a pose of the model, by which the directions of joints without a telling range are compared.

    Raises ValueError for joints that cannot open together.

    Attributes:
        told: (T,) numbers of the joints that are set, the first of `joints` first.
        factors: (T,) by which the opening is multiplied for each.
        unit: "rad" or "m".
    """

    def __init__(self, model: Any, joints: Sequence[int], factors: Sequence[float] | None, home: Array) -> None:
        first = joints[0]
        tied = tied_to(model, first)
        self.told = [joint for joint in joints if joint == first or joint not in tied]
        self.followers = [joint for joint in joints if joint not in self.told]
        kinds = {int(model.jnt_type[joint]) for joint in self.told}
        if len(kinds) > 1 and factors is None:
            names = ", ".join(model.joint(joint).name for joint in self.told)
            raise InputError(
                f"gripper: some of {names} turn and some slide; name those that are commanded, "
                "or give factors, gripper: {NAME: 1.0, ...}"
            )
        self.unit = unit(model, first)
        if factors is None:
            self.factors = np.array([1.0, *(_way(model, first, joint, home) for joint in self.told[1:])])
        else:
            given = dict(zip(joints, factors, strict=True))
            self.factors = np.array([given[joint] for joint in self.told]) / given[first]
            if not (np.isfinite(self.factors) & (self.factors != 0)).all():
                raise InputError("gripper: factors must be finite numbers other than 0")


def factors_of(gripper: Sequence[str] | Mapping[str, float]) -> list[float] | None:
    """The factors that a config gives; None where it only names joints."""
    return [float(factor) for factor in gripper.values()] if isinstance(gripper, Mapping) else None


def unit(model: Any, joint: int) -> str:
    """The unit of a joint's position; raises ValueError for a joint that is no single axis."""
    units = {HINGE: "rad", SLIDE: "m"}
    kind = int(model.jnt_type[joint])
    if kind not in units:
        name, word = model.joint(joint).name, "free" if kind == FREE else "ball"
        raise InputError(f"joint '{name}' is a {word} joint; an axis is a hinge or slide joint")
    return units[kind]


def joint_range(model: Any, joint: int) -> tuple[float, float]:
    """The model's range of a joint in rad or m; infinite where it has none."""
    if not model.jnt_limited[joint]:
        return -np.inf, np.inf
    low, high = model.jnt_range[joint]
    return float(low), float(high)


def _way(model: Any, first: int, other: int, home: Array) -> float:
    """1 where a joint moves with the first, -1 where it moves the other way."""
    low, high = joint_range(model, first)
    least, most = joint_range(model, other)
    same, mirrored = _overlap(low, high, least, most), _overlap(low, high, -most, -least)
    if np.isfinite(same) and np.isfinite(mirrored) and abs(same - mirrored) > 1e-9:
        return 1.0 if same > mirrored else -1.0
    data = mujoco.MjData(model)  # ranges say nothing: fingers of one gripper move against each other
    data.qpos[:] = home
    mujoco.mj_kinematics(model, data)
    return -1.0 if float(data.xaxis[first] @ data.xaxis[other]) > 0 else 1.0


def _overlap(low: float, high: float, least: float, most: float) -> float:
    return min(high, most) - max(low, least)
