"""Goals as places of tool and object: the scene that an arm's task is to end in, and what of it cannot be.

A goal picture shows the tool as well. Where only the object's place is told, the tool stands as it does in the pictures
of the task's own goals: holding the object, or just behind it on the line that it came along.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from forearm.envs.arm.tasks import CUBE_HALF, GRIPPER_OPEN, PUCK_RADIUS, Scene, Task
from forearm.envs.contract import Array
from forearm.errors import InputError

BEHIND = PUCK_RADIUS + 0.02
"""m from the middle of an object that was pushed to the tool that pushed it."""
GRIP = CUBE_HALF - 0.001
"""m that each finger is open around an object."""
TOUCHING = 0.005
"""m above the table within which an object lies on it."""


def goal_scene(
    task: Task, tool: Sequence[float] | None = None, object: Sequence[float] | None = None, start: Any = None
) -> Scene:
    """The scene with the tool and the object at places in m, [x, y, z] or [x, y] (z: on the table).

    Args:
        task: whose workspace bounds both.
        tool: of the point between the fingertips; None: as in the task's own goal pictures.
        object: of the object's centre.
        start: (3,) where the object comes from; None: from the side of the arm's base.

    Raises:
        InputError: a place that is missing, no place, outside the workspace, or in the air without being held.
    """
    if object is not None and not task.has_object:
        raise InputError(f"goal: task '{task.name}' has no object; give the tool's place, goal={{tool: [x, y, z]}}")
    if object is None and (task.measured != "tool" or tool is None):
        what = "tool: [x, y, z]" if task.measured == "tool" else "object: [x, y]"
        raise InputError(f"goal: task '{task.name}' is told by its {task.measured}'s place, goal={{{what}}}")
    place = None if object is None else _object_place(task, object)
    hand = _tool(task, place, start) if tool is None else _inside(task, "tool", _place("tool", tool, task.low[2]))
    if place is None:
        return Scene(hand)
    held = task.gripper and bool(np.linalg.norm(hand - place) < CUBE_HALF)
    if place[2] > task.object_half_height + TOUCHING and not held:
        raise InputError(
            f"goal: an object {place[2]:g} m above the table must be held there; leave out tool, or give the same place"
        )
    apart = float(np.linalg.norm(hand[:2] - place[:2]))
    if not held and not task.gripper and apart < PUCK_RADIUS + TOUCHING:
        raise InputError(f"goal: tool and object are {apart:.3f} m apart, and would stand in each other; move one")
    return Scene(hand, GRIP if held else GRIPPER_OPEN if task.gripper else 0.0, place)


def _object_place(task: Task, given: Sequence[float]) -> Array:
    """Of the object: as high as on the table at least, and no higher where nothing can hold it."""
    lowest = task.object_half_height
    place = _place("object", given, lowest)
    if not task.gripper and abs(place[2] - lowest) > TOUCHING:
        raise InputError(f"goal: object z is {place[2]:g}, but it stays on the table in '{task.name}': leave z out")
    if place[2] < lowest - TOUCHING:
        raise InputError(f"goal: object z is {place[2]:g}, in the table; its centre is at least {lowest:g} m above it")
    place[2] = max(place[2], lowest)
    _inside(task, "object", place)
    return place


def _tool(task: Task, place: Array | None, start: Any) -> Array:
    """Where the tool stands when the object is there."""
    assert place is not None
    low, high = np.array(task.low), np.array(task.high)
    if task.gripper:
        return np.clip(place, low, high)
    way = np.array([1.0, 0.0]) if start is None else place[:2] - np.asarray(start, np.float64)[:2]
    length = float(np.linalg.norm(way))
    way = way / length if length > TOUCHING else np.array([1.0, 0.0])
    behind = place[:2] - BEHIND * way
    for side in ([1.0, 0.0], [0.0, 1.0], [0.0, -1.0], [-1.0, 0.0]):
        if np.all(behind >= low[:2]) and np.all(behind <= high[:2]):
            break
        behind = place[:2] - BEHIND * np.array(side)
    return np.array([*behind, low[2]])


def _place(key: str, given: Sequence[float], height: float) -> Array:
    try:
        found = np.asarray(given, np.float64)
    except (TypeError, ValueError):
        found = np.empty(0)
    if found.shape not in ((2,), (3,)) or not np.isfinite(found).all():
        raise InputError(f"goal: {key} is {given!r}: expected its place in m, [x, y] or [x, y, z]")
    return found if len(found) == 3 else np.append(found, height)


def _inside(task: Task, key: str, place: Array) -> Array:
    """`place`, if the tool can come there; an object may be lower than the tool can."""
    for axis, name in enumerate("xy" if key == "object" else "xyz"):
        low, high = task.low[axis], task.high[axis]
        if not low - 1e-6 <= place[axis] <= high + 1e-6:
            raise InputError(
                f"goal: {key} {name} is {place[axis]:g} m, outside the workspace of '{task.name}', {low:g} to {high:g}"
            )
    if key == "object" and place[2] > task.high[2] and task.gripper:
        raise InputError(f"goal: object z is {place[2]:g} m, higher than the tool comes, {task.high[2]:g}")
    return place
