"""Which parts of a model can touch: what its author meant, made ready for measuring distances.

MuJoCo's own rules hold: contact types, excluded and explicit pairs, parents and children, bodies welded to each other.
What has no contact type is only drawn. A link of the arm that is nothing but drawn is taken as it is drawn.
Bodies that move freely (the objects of a task) are no obstacles: to touch them is the arm's work.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import mujoco
import numpy as np

from forearm.control.robots.ties import FREE
from forearm.control.trajectories.trajectory import Array
from forearm.errors import InputError, did_you_mean

ANY = 0x7FFFFFFF
"""The contact type that meets every other."""


def named(spec: mujoco.MjSpec) -> Any:
    """The model of `spec`, compiled, with a name for every body, every body kept, and the author's switches for the
    physics of contacts undone. `spec` is changed.
    """
    taken = {body.name for body in spec.bodies}
    for number, body in enumerate(spec.bodies):
        if not body.name:
            body.name = next(name for name in _numbered(f"body{number}") if name not in taken)
            taken.add(body.name)
    spec.compiler.fusestatic = False
    off = mujoco.mjtDisableBit.mjDSBL_CONTACT | mujoco.mjtDisableBit.mjDSBL_FILTERPARENT
    spec.option.disableflags &= ~int(off)
    spec.option.enableflags &= ~int(mujoco.mjtEnableBit.mjENBL_OVERRIDE)
    return spec.compile()


def carriers(model: Any, joints: Iterable[int]) -> Array:
    """(nbody,) the body that carries each body along: the nearest, itself or above, that one of `joints` moves.

    0 where none does. Two bodies with one carrier never move against each other.
    """
    moved = {int(model.jnt_bodyid[joint]) for joint in joints}
    found = np.zeros(model.nbody, dtype=np.int64)
    for body in range(1, model.nbody):
        found[body] = body if body in moved else found[model.body_parentid[body]]
    return found


def touch(
    model: Any,
    arm: Sequence[int],
    gripper: Iterable[int],
    moving: Iterable[int],
    margin: float,
    ignore: Sequence[Sequence[str]],
) -> set[frozenset[int]]:
    """Let only what can touch be seen by MuJoCo, `margin` m before it does.

    Args:
        model: as `named` made it; its contact types and margins are changed.
        arm, gripper: numbers of the joints of the arm, and of those that move with its gripper: two parts of a
            gripper may touch.
        moving: numbers of all joints that move with the arm or its gripper.
        margin: m.
        ignore: pairs of names of bodies that may touch.

    Returns pairs of bodies that may touch all the same. Raises ValueError for a body in `ignore` that the model lacks.
    """
    known = {model.body(number).name: number for number in range(model.nbody)}
    apart = set()
    for pair in ignore:
        for name in map(str, pair):
            if name not in known:
                near = did_you_mean(name, known)
                raise InputError(f"the arm's model has no body named '{name}', which ignore names{near}")
        apart.add(frozenset(known[str(name)] for name in pair))
    drawn = _drawn_but_meant(model, arm, set(moving))
    objects = [geom for geom in range(model.ngeom) if int(model.geom_bodyid[geom]) in _objects(model, set(moving))]
    for kind in (model.geom_contype, model.geom_conaffinity):
        kind[drawn] = ANY
        kind[objects] = 0
    model.geom_margin[:], model.geom_gap[:] = margin, 0.0
    model.pair_margin[:], model.pair_gap[:] = margin, 0.0
    for body in range(model.nbody):  # what MuJoCo looks at before it looks at geoms
        first = int(model.body_geomadr[body])
        geoms = slice(first, first + int(model.body_geomnum[body])) if first >= 0 else slice(0, 0)
        model.body_contype[body] = np.bitwise_or.reduce(model.geom_contype[geoms], initial=0)
        model.body_conaffinity[body] = np.bitwise_or.reduce(model.geom_conaffinity[geoms], initial=0)
    model.body_margin[:] = margin
    held = np.flatnonzero(carriers(model, gripper)).tolist()
    apart |= {frozenset((a, b)) for a in held for b in held if a != b}
    return apart | _neighbours(model) - _paired(model)


def clearances(model: Any, moving: Iterable[int], gripper: Iterable[int], others: float, own: float) -> Array:
    """(nbody, nbody) how near two bodies may be to each other, m; -inf where they do not move against each other.

    Args:
        model: compiled.
        moving, gripper: numbers of the joints that move with the arm or its gripper, and of those of the gripper.
        others: m to what stands still or is not the robot's.
        own: m between parts of the robot that move. Fingers are built to come close to their own palm: 0 there.
    """
    root, weld = model.body_rootid, model.body_weldid
    found = np.where((root[:, None] == root) & (weld[:, None] > 0) & (weld > 0), own, others)
    held = carriers(model, gripper).astype(bool)
    palms = {int(weld[model.body_parentid[model.jnt_bodyid[joint]]]) for joint in gripper} - {0}
    palm = np.isin(weld, sorted(palms)) & ~held
    in_hand = held[:, None] & palm
    found[in_hand | in_hand.T] = 0.0
    carrier = carriers(model, moving)
    found[carrier[:, None] == carrier] = -np.inf
    return np.asarray(found, np.float64)


def allow(least: Array, pairs: Iterable[frozenset[int]]) -> Array:
    """`least` (nbody, nbody), changed so that pairs of bodies may come as near to each other as they like."""
    for pair in pairs:
        first, second = min(pair), max(pair)
        least[first, second] = least[second, first] = -np.inf
    return least


def _drawn_but_meant(model: Any, arm: Sequence[int], moved: set[int]) -> list[int]:
    """Geoms without a contact type that count all the same: links of the arm that are nothing but drawn."""
    can = (model.geom_contype | model.geom_conaffinity).astype(bool)
    can[model.pair_geom1] = can[model.pair_geom2] = True
    if not can.any():  # the model says nothing of contacts: what is drawn is all there is
        return list(range(model.ngeom))
    found = []
    for link in _links(model, arm, moved):
        geoms = model.geom_bodyid == link
        if not geoms.any() and model.body_weldid[link] == link:  # a link without a shape: what is fixed to it
            geoms = model.body_weldid[model.geom_bodyid] == link
        if not can[geoms].any():
            found += np.flatnonzero(geoms).tolist()
    return found


def _links(model: Any, arm: Sequence[int], moved: set[int]) -> set[int]:
    """Bodies that the arm's joints move, and those that it stands on."""
    found = {int(model.jnt_bodyid[joint]) for joint in moved}
    for joint in arm:
        body = int(model.body_parentid[model.jnt_bodyid[joint]])
        while body:
            found.add(body)
            body = int(model.body_parentid[body])
    return found


def _objects(model: Any, moved: set[int]) -> set[int]:
    """Bodies that move freely and carry nothing of the arm, with all that is on them."""
    carrying = set()
    for joint in moved:
        body = int(model.jnt_bodyid[joint])
        while body:
            carrying.add(body)
            body = int(model.body_parentid[body])
    found: set[int] = set()
    for body in range(1, model.nbody):
        first = int(model.body_jntadr[body])
        free = model.body_jntnum[body] and model.jnt_type[first] == FREE
        if (free and body not in carrying) or int(model.body_parentid[body]) in found:
            found.add(body)
    return found


def _neighbours(model: Any) -> set[frozenset[int]]:
    """Pairs of bodies that are joined; a moving one and all that carries it, where that stands still."""
    found = set()
    for body in range(1, model.nbody):
        parent = int(model.body_parentid[body])
        while parent:
            found.add(frozenset((body, parent)))
            if model.body_weldid[parent] or not model.body_jntnum[body]:
                break
            parent = int(model.body_parentid[parent])
    return found


def _paired(model: Any) -> set[frozenset[int]]:
    """Pairs of bodies that the author has look at each other."""
    return {
        frozenset((int(model.geom_bodyid[one]), int(model.geom_bodyid[other])))
        for one, other in zip(model.pair_geom1, model.pair_geom2, strict=True)
    }


def _numbered(stem: str) -> Iterable[str]:
    yield stem
    number = 2
    while True:
        yield f"{stem}_{number}"
        number += 1
