"""Goals told by places: where tool and object shall be, in m, drawn by the task's simulator."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from forearm.errors import ForearmError, did_you_mean

if TYPE_CHECKING:
    from forearm.envs import Environment

PLACES = ("tool", "object")
"""What may have a place; each is [x, y, z] or [x, y] in m."""


def draw_goal(env: "Environment", places: Mapping[str, Any], begun: bool = True) -> np.ndarray:
    """The frame (R, R, 3) uint8 of a goal with these places; the environment's state stays as it is.

    `begun`: whether the object is where the way to the goal begins, by which the tool's place is chosen.

    Raises `ForearmError` for another name than `PLACES`, and a task that draws no goals; InputError for places that
    cannot be.
    """
    check_places(places)
    arm: Any = getattr(env, "unwrapped", env)
    if not hasattr(arm, "goal_state"):
        raise ForearmError(f"goal: task '{env.name}' cannot draw a goal from places: give a picture of it, goal=FILE")
    start = arm.positions().get("object_position") if begun else None
    state, here = arm.goal_state(**places, start=start), env.snapshot()
    env.restore(state)
    try:
        return env.render()
    finally:
        env.restore(here)


def goal_of_places(places: Mapping[str, Any], task: Mapping[str, Any], resolution: int) -> np.ndarray:
    """The same in a simulator of its own, of a task's config, with frames of that side; takes 0.2 to 3 s to build.

    Raises `ForearmError` for a task without a simulator, `envs.RenderingUnavailable` where nothing can draw.
    """
    from forearm import envs

    check_places(places)
    name = str(task["name"])
    if name not in envs.names():
        raise ForearmError(f"goal: task '{name}' has no simulator to draw places with: give a picture, goal=FILE")
    envs.working_backend()
    env = envs.make(name, task["camera"], resolution)
    try:
        env.reset(seed=0, options={"goal": False})
        return draw_goal(env, places, begun=False)
    finally:
        env.close()


def check_places(places: Mapping[str, Any]) -> None:
    """Raise `ForearmError` unless these are names of things that have places."""
    for name in places:
        if name not in PLACES:
            raise ForearmError(f"goal: unknown place '{name}'{did_you_mean(str(name), PLACES)}")
    if not any(place is not None for place in places.values()):
        raise ForearmError("goal: no place is given; write goal={object: [x, y]} or goal={tool: [x, y, z]}, in m")
