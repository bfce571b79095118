"""Which joints of a model hang together: by equality constraints, or by the springs of tendons."""

from collections.abc import Iterable, Sequence
from typing import Any

import mujoco
import numpy as np

from forearm.control.trajectories.trajectory import Array

# As whole numbers: what a model holds does not compare with MuJoCo's own names for it in every version.
SLIDE, HINGE = int(mujoco.mjtJoint.mjJNT_SLIDE), int(mujoco.mjtJoint.mjJNT_HINGE)
SCALAR = (SLIDE, HINGE)
FREE, BALL = int(mujoco.mjtJoint.mjJNT_FREE), int(mujoco.mjtJoint.mjJNT_BALL)
BETWEEN_BODIES = (int(mujoco.mjtEq.mjEQ_CONNECT), int(mujoco.mjtEq.mjEQ_WELD))
OF_JOINTS, OF_TENDONS = int(mujoco.mjtEq.mjEQ_JOINT), int(mujoco.mjtEq.mjEQ_TENDON)
WRAP_JOINT, WRAP_SITE = int(mujoco.mjtWrap.mjWRAP_JOINT), int(mujoco.mjtWrap.mjWRAP_SITE)


def leave_out_pulls(model: Any) -> None:
    """Switch off constraints to bodies of motion capture, which pull an arm about, and those of soft bodies."""
    for number, kind in enumerate(model.eq_type):
        if kind in BETWEEN_BODIES:
            if any(model.body_mocapid[body] >= 0 for body in _ends(model, number)):
                model.eq_active0[number] = 0
        elif kind not in (OF_JOINTS, OF_TENDONS):
            model.eq_active0[number] = 0


def _ends(model: Any, number: int) -> tuple[int, int]:
    """The two bodies of a connect or weld constraint."""
    ends = int(model.eq_obj1id[number]), int(model.eq_obj2id[number])
    if model.eq_objtype[number] == int(mujoco.mjtObj.mjOBJ_SITE):
        return int(model.site_bodyid[ends[0]]), int(model.site_bodyid[ends[1]])
    return ends


def groups_of(model: Any, driven: set[int]) -> list[tuple[set[int], set[int]]]:
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
        if kind in BETWEEN_BODIES:
            first, second = (set(_joints_above(model, body)) for body in _ends(model, number))
            yield first ^ second
            continue
        objects = [int(i) for i in (model.eq_obj1id[number], model.eq_obj2id[number]) if i >= 0]
        if kind == OF_JOINTS:
            yield set(objects)
        else:
            yield set().union(*(_joints_of_tendon(model, tendon) for tendon in objects))
    for tendon in range(model.ntendon):
        if stiffness_of(model, tendon) > 0:
            yield _joints_of_tendon(model, tendon)


def tied_to(model: Any, joint: int) -> set[int]:
    """The joints, this one among them, that equality constraints tie to a joint, be it by way of others."""
    found, size = {joint}, 0
    ties = [
        {int(i) for i in (model.eq_obj1id[number], model.eq_obj2id[number]) if i >= 0}
        for number, kind in enumerate(model.eq_type)
        if model.eq_active0[number] and kind == OF_JOINTS
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
        if kind == WRAP_JOINT:
            paths.append({number})
        elif kind == WRAP_SITE:
            paths.append(set(_joints_above(model, int(model.site_bodyid[number]))))
    if not paths:
        return set()
    together = set[int]().union(*paths)
    if model.wrap_type[first] == WRAP_JOINT:
        return together
    return together - paths[0].intersection(*paths[1:])


def stiffness_of(model: Any, tendon: int) -> float:
    """N/m of a fixed tendon's spring; 0 for a spatial one, whose pull is not looked at."""
    first = int(model.tendon_adr[tendon])
    if model.wrap_type[first] != WRAP_JOINT:
        return 0.0
    return float(np.ravel(model.tendon_stiffness[tendon])[0])


def dofs_of(model: Any, joints: Sequence[int]) -> Array:
    """Numbers of the dofs of joints."""
    return _numbers(model, model.jnt_dofadr, joints, free=6, ball=3)


def addresses_of(model: Any, joints: Sequence[int]) -> Array:
    """Where in `qpos` the positions of joints are."""
    return _numbers(model, model.jnt_qposadr, joints, free=7, ball=4)


def _numbers(model: Any, first: Array, joints: Sequence[int], free: int, ball: int) -> Array:
    width = {FREE: free, BALL: ball}
    found = [first[joint] + i for joint in joints for i in range(width.get(int(model.jnt_type[joint]), 1))]
    return np.array(found, dtype=np.int64)
