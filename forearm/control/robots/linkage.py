"""Where the joints are that nobody commands: in the home keyframe, moved on by the model's equality constraints.

A gripper's linkage is held together by constraints, and so are two fingers that move as one. What the constraints leave
open, springs decide. Nothing is simulated: a constrained Newton method finds the pose, from home on in small steps.
"""

import logging
import math
import threading
from collections.abc import Sequence
from typing import Any

import mujoco
import numpy as np

from forearm.control.robots.springs import FARTHEST, Energy
from forearm.control.robots.ties import HINGE, SCALAR, addresses_of, dofs_of, groups_of, leave_out_pulls
from forearm.control.trajectories.trajectory import Array

logger = logging.getLogger(__name__)

STEP = 0.25
"""rad or m by which a commanded joint moves at most between two solutions."""
ITERATIONS = 40
CLOSED = 1e-9
"""m or rad of a constraint that may stay open where an iteration ends."""
AMISS = 1e-3
"""m or rad of a constraint that stay open and are worth a warning."""
GRID = {"rad": 1 / 64, "m": 1 / 512}
"""Between solutions for one commanded joint that are this far apart, followers move along a line."""


class Linkage:
    """The joints of a model that follow others. Safe to use from several threads.

    Args:
        model: compiled; the constraints that do not hold joints together are switched off in it, and with them the
            limits and the friction of joints.
        driven: numbers of the joints, hinges or slides, whose positions are told.
        keyframe: number of the key that says where everything else stands; None: the model's own pose.

    Attributes:
        home: (nq,) the pose of everything, with the constraints met.
        drivers: for every joint that follows, the driven joints that it follows.
    """

    def __init__(self, model: Any, driven: Sequence[int], keyframe: int | None) -> None:
        leave_out_pulls(model)
        model.opt.jacobian = mujoco.mjtJacobian.mjJAC_DENSE
        off = mujoco.mjtDisableBit.mjDSBL_LIMIT | mujoco.mjtDisableBit.mjDSBL_FRICTIONLOSS
        model.opt.disableflags |= int(off)
        self.keyframe = keyframe
        self._told = model.jnt_qposadr[list(driven)]
        groups = groups_of(model, {int(joint) for joint in driven})
        self.drivers = {joint: drivers for joints, drivers in groups for joint in joints if drivers}
        data = mujoco.MjData(model)
        if keyframe is not None:
            mujoco.mj_resetDataKeyframe(model, data, keyframe)
        self.home: Array = data.qpos.copy()
        self._groups = [_Group(model, joints, drivers, self.home) for joints, drivers in groups]
        for group in self._groups:
            left = group.solve(data)
            if left > AMISS:
                names = ", ".join(model.joint(joint).name for joint in group.joints)
                logger.warning("what holds %s together stays open by %.2g at home", names, left)
            self.home[group.address] = data.qpos[group.address]
        for group in self._groups:
            group.settle(self.home)
        self._groups = [group for group in self._groups if len(group.heard)]

    def walk(self, data: Any) -> "Walk":
        """The way to set poses of `data` one after the other; a new walk begins at home."""
        return Walk(self.home, self._told, self._groups, data)


class Walk:
    """Sets one pose after the other; what follows is found from where it was. Of one thread.

    Attributes:
        data: whose `qpos` is set.
    """

    def __init__(self, home: Array, told: Array, groups: Sequence["_Group"], data: Any) -> None:
        self.data, self._told, self._groups = data, told, groups
        data.qpos[:] = home
        self._last: list[tuple[Array, Array]] = [(home[group.heard], home[group.address]) for group in groups]

    def place(self, told: Array) -> None:
        """Set the whole pose from positions (J,) of the driven joints."""
        qpos = self.data.qpos
        qpos[self._told] = told
        for i, group in enumerate(self._groups):
            heard = qpos[group.heard].copy()
            if group.on_grid:
                qpos[group.address] = group.between(self.data, float(heard[0]))
                continue
            if not np.array_equal(heard, self._last[i][0]):
                self._last[i] = heard, group.followed(self.data, heard, self._last[i])
            qpos[group.address] = self._last[i][1]


class _Group:
    """Joints that constraints or springs of tendons tie together and that nobody commands.

    Attributes:
        heard, address: where in `qpos` the driven joints are that it follows, and its own joints.
        on_grid: whether it hears of one joint alone, so that solutions can be kept and lines be drawn between them.
    """

    def __init__(self, model: Any, joints: set[int], drivers: set[int], rest: Array) -> None:
        self.model, self.joints = model, sorted(joints)
        self.heard = model.jnt_qposadr[sorted(drivers)]
        self._free = dofs_of(model, self.joints)
        self.address = addresses_of(model, self.joints)
        self._energy = Energy(model, self._free, rest)
        scalar = np.isin(model.jnt_type[self.joints], SCALAR).all()
        self.on_grid = bool(len(drivers) == 1 and scalar)
        turns = [model.jnt_type[joint] == HINGE for joint in drivers]
        self._apart = GRID["rad" if all(turns) else "m"]
        self._known: dict[int, Array] = {}
        self._lock = threading.Lock()

    def settle(self, home: Array) -> None:
        """Take `home` (nq,), where the constraints are met, for where everything begins."""
        self._home = home
        self._energy.rest = home
        self._known = {0: home[self.address]}

    def between(self, data: Any, heard: float) -> Array:
        """Positions of the joints for a position of the one that they hear of, on the line between two solutions."""
        place = (heard - float(self._home[self.heard[0]])) / self._apart
        below = math.floor(place)
        share = place - below
        if share == 0.0:
            return self._node(data, below)
        return (1.0 - share) * self._node(data, below) + share * self._node(data, below + 1)

    def _node(self, data: Any, number: int) -> Array:
        """The solution `number` steps of the grid from home, found from those nearer to home: the same for all."""
        found = self._known.get(number)
        if found is not None:
            return found
        with self._lock:
            side = 1 if number > 0 else -1
            near = number
            while near not in self._known:
                near -= side
            held = data.qpos.copy()
            data.qpos[:] = self._home
            data.qpos[self.address] = self._known[near]
            while near != number:
                near += side
                data.qpos[self.heard] = self._home[self.heard] + near * self._apart
                self.solve(data)
                self._known[near] = data.qpos[self.address].copy()
            data.qpos[:] = held
            return self._known[number]

    def followed(self, data: Any, heard: Array, last: tuple[Array, Array]) -> Array:
        """Positions of the joints for those that they hear of, by small steps from a solution that is known."""
        before, own = last
        steps = max(1, int(np.ceil(abs(heard - before).max() / STEP)))
        held = data.qpos.copy()
        data.qpos[:] = self._home
        data.qpos[self.address] = own
        for step in range(1, steps + 1):
            data.qpos[self.heard] = before + (heard - before) * (step / steps)
            self.solve(data)
        found = data.qpos[self.address].copy()
        data.qpos[:] = held
        return np.asarray(found)

    def solve(self, data: Any) -> float:
        """Move the joints until the constraints are met; returns by how much they stay open, m or rad."""
        start = data.qpos.copy()
        left = self._newton(data, bounded=True)
        if left > 1e-4:  # a constraint counts for more than the range of a joint that nobody commands
            data.qpos[:] = start
            left = self._newton(data, bounded=False)
        return left

    def _newton(self, data: Any, bounded: bool) -> float:
        model = self.model
        moved = np.zeros(model.nv)
        left = np.inf
        for _ in range(ITERATIONS):
            gap, rows = _constraints(model, data)
            rows = rows[:, self._free]
            tied = abs(rows).max(axis=1, initial=0.0) > 1e-9  # the others are not for these joints to meet
            gap, rows = gap[tied], rows[tied]
            left = float(abs(gap).max(initial=0.0))
            step = self._energy.step(data.qpos, gap, rows, bounded)
            size = float(abs(step).max(initial=0.0))
            if size < 1e-10 or (left < CLOSED and size < 1e-7):
                break
            moved[self._free] = step * min(1.0, FARTHEST / size)
            mujoco.mj_integratePos(model, data.qpos, moved, 1.0)
        return left


def _constraints(model: Any, data: Any) -> tuple[Array, Array]:
    """How far the equality constraints are from being met, (E,), and how that changes with every dof, (E, nv)."""
    data.ncon = 0
    mujoco.mj_kinematics(model, data)
    mujoco.mj_comPos(model, data)
    if model.ntendon:
        mujoco.mj_tendon(model, data)
    mujoco.mj_makeConstraint(model, data)
    count = int(data.ne)
    if not count:
        return np.zeros(0), np.zeros((0, model.nv))
    if not mujoco.mj_isSparse(model):
        rows = np.array(data.efc_J).reshape(-1)[: count * model.nv].reshape(count, model.nv)
    else:
        rows = np.zeros((count, model.nv))
        for row in range(count):
            begin, size = int(data.efc_J_rowadr[row]), int(data.efc_J_rownnz[row])
            rows[row, data.efc_J_colind[begin : begin + size]] = np.ravel(data.efc_J)[begin : begin + size]
    return np.array(data.efc_pos[:count]), rows
