"""Which parts of a model can touch: what its author meant, made ready for measuring distances.

MuJoCo's own rules hold: contact types, excluded and explicit pairs, parents and children, bodies welded to each other.
What has no contact type is only drawn. A link of the arm that is nothing but drawn is taken as it is drawn.
Bodies that move freely (the objects of a task) are no obstacles: to touch them is the arm's work.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import mujoco
import numpy as np

from forearm.control.trajectory import Array
from forearm.errors import did_you_mean

ANY = 0x7FFFFFFF
"""The contact type that meets every other."""


def named(spec: mujoco.MjSpec) -> Any:
    """The model of `spec`, compiled, with a name for every body, every body and geom kept, and the author's switches
    for the physics of contacts undone. `spec` is changed.
    """
    taken = {body.name for body in spec.bodies}
    for number, body in enumerate(spec.bodies):
        if not body.name:
            body.name = next(name for name in _numbered(f"body{number}") if name not in taken)
            taken.add(body.name)
    spec.compiler.fusestatic = False
    spec.compiler.discardvisual = False
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


def touching(
    spec: mujoco.MjSpec,
    plain: Any,
    arm: Sequence[int],
    gripper: Iterable[int],
    moving: Iterable[int],
    margin: float,
    ignore: Sequence[Sequence[str]],
) -> Any:
    """The model with only what can touch able to, seen `margin` m before it does.

    Args:
        spec: as `named` left it; it is changed.
        plain: the model of `spec`.
        arm, gripper: numbers of the joints of the arm, and of those that move with its gripper: two parts of a
            gripper may touch.
        moving: numbers of all joints that move with the arm or its gripper.
        margin: m.
        ignore: pairs of bodies that may touch.

    Raises ValueError for a body in `ignore` that the model lacks.
    """
    bodies = {body.name: body for body in spec.bodies}
    known = [plain.body(number).name for number in range(plain.nbody)]
    apart = {frozenset(map(str, pair)) for pair in ignore}
    for name in sorted(set().union(*apart)) if apart else ():
        if name not in bodies:
            raise ValueError(f"the arm's model has no body named '{name}', which ignore names{did_you_mean(name, known)}")
    _give_contact_types(spec, plain, bodies, known, arm, moving)
    for geom in spec.geoms:
        geom.margin, geom.gap = margin, 0.0
    held = [known[body] for body in np.flatnonzero(carriers(plain, gripper))]
    apart |= {frozenset((a, b)) for a in held for b in held if a != b}
    for pair in list(spec.pairs):
        pair.margin, pair.gap = margin, 0.0
        if frozenset(_bodies_of(spec, pair)) in apart:
            _delete(spec, pair)
    apart |= _neighbours(plain, known)
    present = {frozenset((pair.bodyname1, pair.bodyname2)) for pair in spec.excludes}
    for first, second in sorted(sorted(pair) for pair in apart - present if len(pair) == 2):
        spec.add_exclude(bodyname1=first, bodyname2=second)
    return spec.compile()


def _delete(spec: mujoco.MjSpec, element: Any) -> None:
    """Take an element out of a spec, in MuJoCo before and after 3.3.3."""
    if hasattr(spec, "delete"):
        spec.delete(element)
    else:
        element.delete()


def _give_contact_types(
    spec: mujoco.MjSpec,
    plain: Any,
    bodies: dict[str, Any],
    known: Sequence[str],
    arm: Sequence[int],
    moving: Iterable[int],
) -> None:
    paired = {name for pair in spec.pairs for name in (pair.geomname1, pair.geomname2)}

    def can(geom: Any) -> bool:
        return bool(geom.contype or geom.conaffinity or (geom.name and geom.name in paired))

    moved = set(moving)
    objects = _objects(plain, moved)
    for body in objects:
        for geom in bodies[known[body]].geoms:
            geom.contype = geom.conaffinity = 0
    rest = [number for number in range(plain.nbody) if number not in objects]
    if not any(can(geom) for number in rest for geom in bodies[known[number]].geoms):
        drawn = rest  # a model without any contact type says nothing of contacts: it is all there is
    else:
        drawn = [body for link in sorted(_links(plain, arm, moved)) for body in _drawn(plain, bodies, known, link, can)]
    for number in drawn:
        for geom in bodies[known[number]].geoms:
            geom.contype = geom.conaffinity = ANY


def _drawn(plain: Any, bodies: dict[str, Any], known: Sequence[str], link: int, can: Any) -> list[int]:
    """The bodies of a link that are taken as they are drawn: itself, or what is fixed to it where it has no shape."""
    own = list(bodies[known[link]].geoms)
    if own:
        return [] if any(map(can, own)) else [link]
    if plain.body_weldid[link] != link:
        return []
    fixed = [body for body in range(1, plain.nbody) if plain.body_weldid[body] == link]
    return [] if any(can(geom) for body in fixed for geom in bodies[known[body]].geoms) else fixed


def _links(plain: Any, arm: Sequence[int], moved: set[int]) -> set[int]:
    """Bodies that the arm's joints move, and those that it stands on."""
    found = {int(plain.jnt_bodyid[joint]) for joint in moved}
    for joint in arm:
        body = int(plain.body_parentid[plain.jnt_bodyid[joint]])
        while body:
            found.add(body)
            body = int(plain.body_parentid[body])
    return found


def _objects(plain: Any, moved: set[int]) -> set[int]:
    """Bodies that move freely and carry nothing of the arm, with all that is on them."""
    carrying = set()
    for joint in moved:
        body = int(plain.jnt_bodyid[joint])
        while body:
            carrying.add(body)
            body = int(plain.body_parentid[body])
    found: set[int] = set()
    for body in range(1, plain.nbody):
        first = int(plain.body_jntadr[body])
        free = plain.body_jntnum[body] and plain.jnt_type[first] == mujoco.mjtJoint.mjJNT_FREE
        if (free and body not in carrying) or int(plain.body_parentid[body]) in found:
            found.add(body)
    return found


def _neighbours(plain: Any, known: Sequence[str]) -> set[frozenset[str]]:
    """Pairs of bodies that are joined; a moving one and all that carries it, where that stands still."""
    found = set()
    for body in range(1, plain.nbody):
        parent = int(plain.body_parentid[body])
        while parent:
            found.add(frozenset((known[body], known[parent])))
            if plain.body_weldid[parent] or not plain.body_jntnum[body]:
                break
            parent = int(plain.body_parentid[parent])
        if int(plain.body_parentid[body]) == 0 and not plain.body_jntnum[body]:
            found.add(frozenset((known[body], known[0])))
    return found


def _bodies_of(spec: mujoco.MjSpec, pair: Any) -> tuple[str, str]:
    owner = {geom.name: geom.parent.name for geom in spec.geoms if geom.name}
    return owner.get(pair.geomname1, ""), owner.get(pair.geomname2, "")


def _numbered(stem: str) -> Iterable[str]:
    yield stem
    number = 2
    while True:
        yield f"{stem}_{number}"
        number += 1
