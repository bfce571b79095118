"""Whether an arm, anywhere on a path, leaves its workspace or comes too near to itself or to what stands around it.

MuJoCo's own geometry answers: the model is compiled a second time with every geom able to touch, and nothing is
simulated. Parts that are joined are neighbours and may touch, as may two fingers. Bodies that move freely (the objects
of a task) are no obstacles: to touch them is the arm's work.
"""

import threading
from collections.abc import Sequence
from typing import Any

import mujoco
import numpy as np

from forearm.control.limits import Report, Violation
from forearm.control.trajectory import Array


class Geometry:
    """The arm's shape in space. Safe to use from several threads.

    Args:
        spec: MuJoCo's description of the arm and what stands around it; it is changed.
        joints: names of the arm's joints, in the order of a path's columns.
        gripper: names of joints that all take the value of the path's last column; may be empty.
        tool: name of the site whose position counts for the workspace.
        table_clearance, self_clearance: m that must be kept from what does not move, and between parts of the arm.
        ignore: pairs of bodies that may touch.

    Raises ValueError for joints, sites or bodies that the model lacks, or a model that MuJoCo refuses.
    """

    def __init__(
        self,
        spec: mujoco.MjSpec,
        joints: Sequence[str],
        gripper: Sequence[str],
        tool: str,
        table_clearance: float,
        self_clearance: float,
        ignore: Sequence[Sequence[str]] = (),
    ) -> None:
        self.model = _touching(spec, max(table_clearance, self_clearance), gripper, ignore)
        self._clearance = {True: table_clearance, False: self_clearance}
        self._arm = [self._address(name) for name in joints]
        self._fingers = [self._address(name) for name in gripper]
        self._site = _id(self.model, mujoco.mjtObj.mjOBJ_SITE, tool, "site")
        self._own = threading.local()

    def joint_range(self, name: str) -> tuple[float, float]:
        """The model's range of a joint in rad or m; infinite where it has none."""
        joint = _id(self.model, mujoco.mjtObj.mjOBJ_JOINT, name, "joint")
        if not self.model.jnt_limited[joint]:
            return -np.inf, np.inf
        low, high = self.model.jnt_range[joint]
        return float(low), float(high)

    def tool(self, positions: Array) -> Array:
        """Where the tool is, (N, 3) in m, at positions (N, D)."""
        data = self._data()
        found = np.empty((len(positions), 3))
        for i, row in enumerate(positions):
            self._place(data, row)
            found[i] = data.site_xpos[self._site]
        return found

    def check(self, times: Array, positions: Array, low: Array, high: Array) -> Report:
        """The worst of each kind along positions (N, D) at `times` (N,): the tool outside the box from `low` (3,) to
        `high` (3,) m, and bodies nearer to each other than they may be.
        """
        data, model = self._data(), self.model
        worst: dict[tuple[str, str], Violation] = {}

        def note(kind: str, where: str, time: float, value: float, limit: float, sign: int) -> None:
            known = worst.get((kind, where))
            if known is None or sign * (value - known.value) > 0:
                worst[kind, where] = Violation(kind, where, time, value, limit, "m")

        for time, row in zip(times.tolist(), positions, strict=True):
            self._place(data, row)
            tool = data.site_xpos[self._site]
            for axis in range(3):
                if tool[axis] < low[axis]:
                    note("workspace low", f"tool {'xyz'[axis]}", time, float(tool[axis]), float(low[axis]), -1)
                if tool[axis] > high[axis]:
                    note("workspace high", f"tool {'xyz'[axis]}", time, float(tool[axis]), float(high[axis]), 1)
            mujoco.mj_collision(model, data)
            for contact in data.contact[: data.ncon] if data.ncon else ():
                bodies = [int(model.geom_bodyid[geom]) for geom in contact.geom]
                least = self._clearance[any(model.body_weldid[body] == 0 for body in bodies)]
                if contact.dist < least:
                    names = " and ".join(sorted(model.body(body).name for body in bodies))
                    note("clearance", names, time, float(contact.dist), least, -1)
        return Report(tuple(worst.values()))

    def _data(self) -> Any:
        if not hasattr(self._own, "data"):
            self._own.data = mujoco.MjData(self.model)
        return self._own.data

    def _place(self, data: Any, row: Array) -> None:
        data.qpos[self._arm] = row[: len(self._arm)]
        if self._fingers:
            data.qpos[self._fingers] = row[-1]
        mujoco.mj_kinematics(self.model, data)

    def _address(self, name: str) -> int:
        return int(self.model.jnt_qposadr[_id(self.model, mujoco.mjtObj.mjOBJ_JOINT, name, "joint")])


def _touching(spec: mujoco.MjSpec, margin: float, gripper: Sequence[str], ignore: Sequence[Sequence[str]]) -> Any:
    """The model with everything able to touch but neighbours, pairs to ignore, and what is not to be minded.

    Contacts are seen `margin` m before they happen.
    """
    for number, body in enumerate(spec.bodies):
        body.name = body.name or f"body{number}"
    apart = {frozenset(pair) for pair in ignore}
    known = {body.name for body in spec.bodies}
    for name in sorted(set().union(*apart)) if apart else ():
        if name not in known:
            raise ValueError(f"the arm's model has no body named '{name}', which ignore names")
    for body in spec.bodies:
        free = any(joint.type == mujoco.mjtJoint.mjJNT_FREE for joint in body.joints)
        for geom in body.geoms:
            geom.contype = geom.conaffinity = 0 if free else 1
            geom.margin = margin
        for child in body.bodies:
            if body.name != "world" or not child.joints:
                apart.add(frozenset((body.name, child.name)))
        fingers = [child.name for child in body.bodies if any(joint.name in gripper for joint in child.joints)]
        apart |= {frozenset((a, b)) for a in fingers for b in fingers if a != b}
    present = {frozenset((pair.bodyname1, pair.bodyname2)) for pair in spec.excludes}
    for first, second in sorted(sorted(pair) for pair in apart - present if len(pair) == 2):
        spec.add_exclude(bodyname1=first, bodyname2=second)
    return spec.compile()


def _id(model: Any, kind: Any, name: str, word: str) -> int:
    found = int(mujoco.mj_name2id(model, kind, name))
    if found < 0:
        raise ValueError(f"the arm's model has no {word} named '{name}'")
    return found
