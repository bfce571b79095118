"""Where the joints are that nobody commands: in the home keyframe, moved on by the model's equality constraints.

A gripper's linkage is held together by constraints, and so are two fingers that move as one. What the constraints leave
open, springs decide. Nothing is simulated: a constrained Newton method finds the pose, from home on in small steps.
"""

import logging
from collections.abc import Iterable, Sequence
from typing import Any

import mujoco
import numpy as np

from forearm.control.trajectory import Array

logger = logging.getLogger(__name__)

STEP = 0.25
"""rad or m by which a commanded joint, and any other in one iteration, moves at most between two solutions."""
ITERATIONS = 40
CLOSED = 1e-9
"""m or rad of a constraint that may stay open where an iteration ends."""
AMISS = 1e-3
"""m or rad of a constraint that stay open and are worth a warning."""
KEPT = 4096
"""Solutions that are remembered."""
SCALAR = (mujoco.mjtJoint.mjJNT_SLIDE, mujoco.mjtJoint.mjJNT_HINGE)


class Linkage:
    """The joints of a model that follow others. Safe to use from several threads.

    Args:
        model: compiled; the constraints that do not hold joints together are switched off in it.
        driven: numbers of the joints, hinges or slides, whose positions are told.
        keyframe: number of the key that says where everything else stands; None: the model's own pose.

    Attributes:
        home: (nq,) the pose of everything, with the constraints met.
        drivers: for every joint that follows, the driven joints that it follows.
    """

    def __init__(self, model: Any, driven: Sequence[int], keyframe: int | None) -> None:
        _leave_out_pulls(model)
        model.opt.jacobian = mujoco.mjtJacobian.mjJAC_DENSE
        off = mujoco.mjtDisableBit.mjDSBL_LIMIT | mujoco.mjtDisableBit.mjDSBL_FRICTIONLOSS
        model.opt.disableflags |= int(off)
        self.model, self._driven = model, [int(joint) for joint in driven]
        self._told = model.jnt_qposadr[self._driven]
        groups = _groups(model, set(self._driven))
        self.drivers = {joint: drivers for joints, drivers in groups for joint in joints if drivers}
        self._free = _dofs(model, sorted({joint for joints, _ in groups for joint in joints}))
        heard = sorted(set().union(*self.drivers.values())) if self.drivers else []
        self._heard = model.jnt_qposadr[heard]
        self._known: dict[bytes, Array] = {}
        self._energy = _Energy(model, self._free)
        data = mujoco.MjData(model)
        if keyframe is not None:
            mujoco.mj_resetDataKeyframe(model, data, keyframe)
        self._energy.rest = data.qpos.copy()
        if len(self._free):
            left = self._solve(data)
            if left > AMISS:
                logger.warning("the equality constraints of the robot's model stay open by %.2g at home", left)
        self.home: Array = data.qpos.copy()
        self._energy.rest = self.home

    def place(self, data: Any, told: Array) -> None:
        """Set the whole pose `data.qpos` from positions of the driven joints (J,)."""
        data.qpos[:] = self.home
        data.qpos[self._told] = told
        if not self.drivers:
            return
        heard = data.qpos[self._heard]
        key = heard.tobytes()
        known = self._known.get(key)
        if known is None:
            known = self._followed(data, heard)
            if len(self._known) >= KEPT:
                self._known.clear()
            self._known[key] = known
        data.qpos[:] = known
        data.qpos[self._told] = told

    def _followed(self, data: Any, heard: Array) -> Array:
        """The pose (nq,) for what followers hear of, by steps from home: one answer, whatever was asked before."""
        start = self.home[self._heard]
        steps = max(1, int(np.ceil(abs(heard - start).max() / STEP)))
        data.qpos[:] = self.home
        for step in range(1, steps + 1):
            data.qpos[self._heard] = start + (heard - start) * (step / steps)
            self._solve(data)
        return data.qpos.copy()

    def _solve(self, data: Any) -> float:
        """Move the free joints until the constraints are met; returns by how much they stay open, m or rad."""
        start = data.qpos.copy()
        left = self._newton(data, bounded=True)
        if left > 1e-4:  # a constraint counts for more than the range of a joint that nobody commands
            data.qpos[:] = start
            left = self._newton(data, bounded=False)
        return left

    def _newton(self, data: Any, bounded: bool) -> float:
        model, energy = self.model, self._energy
        moved = np.zeros(model.nv)
        left = np.inf
        for _ in range(ITERATIONS):
            gap, rows = _constraints(model, data)
            rows = rows[:, self._free]
            tied = abs(rows).max(axis=1, initial=0.0) > 1e-9  # the others are not for these joints to meet
            gap, rows = gap[tied], rows[tied]
            left = float(abs(gap).max(initial=0.0))
            step = energy.step(data.qpos, gap, rows, bounded)
            size = float(abs(step).max(initial=0.0))
            if size < 1e-10 or (left < CLOSED and size < 1e-7):
                break
            moved[self._free] = step * min(1.0, STEP / size)
            mujoco.mj_integratePos(model, data.qpos, moved, 1.0)
        return left


class _Energy:
    """What decides where constraints do not: the springs of joints and fixed tendons, and, weakly, the pose at home."""

    def __init__(self, model: Any, free: Array) -> None:
        joints = model.dof_jntid[free]
        self._scalar = np.isin(model.jnt_type[joints], SCALAR)
        self._address = np.where(self._scalar, model.jnt_qposadr[joints], 0)
        stiffness = np.asarray(model.jnt_stiffness).reshape(model.njnt, -1)[:, 0][joints]
        self._stiffness = np.where(self._scalar, stiffness, 0.0)
        self._spring = model.qpos_spring[self._address]
        limited = self._scalar & model.jnt_limited[joints].astype(bool)
        self._low = np.where(limited, model.jnt_range[joints, 0], -np.inf)
        self._high = np.where(limited, model.jnt_range[joints, 1], np.inf)
        self._tendons = list(_tendon_springs(model, free))
        strongest = max([self._stiffness.max(initial=0.0), *(k for k, *_ in self._tendons)])
        self._weak = 1e-4 * strongest if strongest else 1.0
        self.rest: Array = np.zeros(model.nq)

    def step(self, qpos: Array, gap: Array, rows: Array, bounded: bool) -> Array:
        """The step (F,) to the least energy with the constraints `gap` (E,), `rows` (E, F) met, as far as is linear."""
        here = qpos[self._address]
        slope = np.where(self._scalar, self._weak * (here - self.rest[self._address]), 0.0)
        slope += self._stiffness * (here - self._spring)
        bend = np.diag(self._stiffness + self._weak)
        for stiffness, of_all, coefficients, low, high in self._tendons:
            length = of_all @ qpos
            slope += stiffness * (length - np.clip(length, low, high)) * coefficients
            if not low <= length <= high:
                bend += stiffness * np.outer(coefficients, coefficients)
        moving = np.ones(len(here), dtype=bool)
        step = np.zeros(len(here))
        for _ in range(len(here) + 1):
            step[:] = 0.0
            step[moving] = _constrained(bend[np.ix_(moving, moving)], slope[moving], gap, rows[:, moving])
            if not bounded:
                break
            size = abs(step).max(initial=0.0)
            short = step * min(1.0, STEP / size) if size else step
            out = moving & ((here + short < self._low - 1e-12) | (here + short > self._high + 1e-12))
            blocked = out & ((here <= self._low) & (step < 0) | (here >= self._high) & (step > 0))
            if not blocked.any():
                return np.where(out, np.clip(here + short, self._low, self._high) - here, short) if out.any() else step
            moving &= ~blocked
        return step


def _constrained(bend: Array, slope: Array, gap: Array, rows: Array) -> Array:
    """The d (F,) that minimises d·bend·d / 2 + slope·d where rows·d = -gap, in the sense of least squares."""
    count = len(gap)
    system = np.block([[bend, rows.T], [rows, np.zeros((count, count))]])
    wanted = np.concatenate([-slope, -gap])
    return np.asarray(np.linalg.lstsq(system, wanted, rcond=1e-10)[0][: len(slope)])


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


def _leave_out_pulls(model: Any) -> None:
    """Switch off constraints to bodies of motion capture, which pull an arm about, and those of soft bodies."""
    for number, kind in enumerate(model.eq_type):
        if kind in (mujoco.mjtEq.mjEQ_CONNECT, mujoco.mjtEq.mjEQ_WELD):
            if any(model.body_mocapid[body] >= 0 for body in _ends(model, number)):
                model.eq_active0[number] = 0
        elif kind not in (mujoco.mjtEq.mjEQ_JOINT, mujoco.mjtEq.mjEQ_TENDON):
            model.eq_active0[number] = 0


def _ends(model: Any, number: int) -> tuple[int, int]:
    """The two bodies of a connect or weld constraint."""
    ends = int(model.eq_obj1id[number]), int(model.eq_obj2id[number])
    if model.eq_objtype[number] == mujoco.mjtObj.mjOBJ_SITE:
        return int(model.site_bodyid[ends[0]]), int(model.site_bodyid[ends[1]])
    return ends


def _groups(model: Any, driven: set[int]) -> list[tuple[set[int], set[int]]]:
    """Joints that constraints or tendons' springs tie together: those that are free to move, and the driven ones."""
    groups: list[tuple[set[int], set[int]]] = []
    for tied in _ties(model):
        free, drivers = tied - driven, tied & driven
        if not free:
            continue
        for group in [group for group in groups if group[0] & free]:
            groups.remove(group)
            free, drivers = free | group[0], drivers | group[1]
        groups.append((free, drivers))
    return groups


def _ties(model: Any) -> Iterable[set[int]]:
    for number, kind in enumerate(model.eq_type):
        if not model.eq_active0[number] or model.opt.disableflags & int(mujoco.mjtDisableBit.mjDSBL_EQUALITY):
            continue
        if kind in (mujoco.mjtEq.mjEQ_CONNECT, mujoco.mjtEq.mjEQ_WELD):
            first, second = (set(_joints_above(model, body)) for body in _ends(model, number))
            yield first ^ second
            continue
        objects = [int(i) for i in (model.eq_obj1id[number], model.eq_obj2id[number]) if i >= 0]
        if kind == mujoco.mjtEq.mjEQ_JOINT:
            yield set(objects)
        else:
            yield set().union(*(_joints_of_tendon(model, tendon) for tendon in objects))
    for tendon in range(model.ntendon):
        if _stiffness(model, tendon) > 0:
            yield _joints_of_tendon(model, tendon)


def tied_to(model: Any, joint: int) -> set[int]:
    """The joints, this one among them, that equality constraints tie to a joint, be it by way of others."""
    found, size = {joint}, 0
    ties = [
        {int(i) for i in (model.eq_obj1id[number], model.eq_obj2id[number]) if i >= 0}
        for number, kind in enumerate(model.eq_type)
        if model.eq_active0[number] and kind == mujoco.mjtEq.mjEQ_JOINT
    ]
    while size < len(found):
        size = len(found)
        found = found.union(*(tie for tie in ties if tie & found))
    return found


def _joints_above(model: Any, body: int) -> Iterable[int]:
    while body:
        first = int(model.body_jntadr[body])
        yield from range(first, first + int(model.body_jntnum[body]))
        body = int(model.body_parentid[body])


def _joints_of_tendon(model: Any, tendon: int) -> set[int]:
    first = int(model.tendon_adr[tendon])
    paths: list[set[int]] = []
    for wrap in range(first, first + int(model.tendon_num[tendon])):
        kind, number = model.wrap_type[wrap], int(model.wrap_objid[wrap])
        if kind == mujoco.mjtWrap.mjWRAP_JOINT:
            paths.append({number})
        elif kind == mujoco.mjtWrap.mjWRAP_SITE:
            paths.append(set(_joints_above(model, int(model.site_bodyid[number]))))
    if not paths:
        return set()
    spatial = model.wrap_type[first] != mujoco.mjtWrap.mjWRAP_JOINT
    return set().union(*paths) - (set.intersection(*paths) if spatial else set())


def _stiffness(model: Any, tendon: int) -> float:
    """N/m of a fixed tendon's spring; 0 for a spatial one, whose pull is not looked at."""
    first = int(model.tendon_adr[tendon])
    if model.wrap_type[first] != mujoco.mjtWrap.mjWRAP_JOINT:
        return 0.0
    return float(np.ravel(model.tendon_stiffness[tendon])[0])


def _tendon_springs(model: Any, free: Array) -> Iterable[tuple[float, Array, Array, float, float]]:
    """Stiffness, coefficients (nq,) of all joints and (F,) of the free ones, and between which lengths it is slack."""
    for tendon in range(model.ntendon):
        stiffness = _stiffness(model, tendon)
        if stiffness <= 0:
            continue
        of_all, of_dofs = np.zeros(model.nq), np.zeros(model.nv)
        first = int(model.tendon_adr[tendon])
        for wrap in range(first, first + int(model.tendon_num[tendon])):
            joint = int(model.wrap_objid[wrap])
            of_all[model.jnt_qposadr[joint]] += model.wrap_prm[wrap]
            of_dofs[model.jnt_dofadr[joint]] += model.wrap_prm[wrap]
        low, high = model.tendon_lengthspring[tendon]
        yield stiffness, of_all, of_dofs[free], float(low), float(high)


def _dofs(model: Any, joints: Sequence[int]) -> Array:
    width = {mujoco.mjtJoint.mjJNT_FREE: 6, mujoco.mjtJoint.mjJNT_BALL: 3}
    return np.array(
        [int(model.jnt_dofadr[j]) + i for j in joints for i in range(width.get(mujoco.mjtJoint(model.jnt_type[j]), 1))],
        dtype=np.int64,
    )
