"""Goals of tasks whose benchmark draws none: where an expert ends from the same start."""

from collections.abc import Callable, Mapping
from typing import Any

from forearm.envs.contract import Array
from forearm.envs.mujoco_env import MujocoEnvironment
from forearm.errors import InputError

TRIES = 50
"""Starts that are drawn for one from which the expert succeeds."""


def shown_goal(
    env: MujocoEnvironment, draw: Callable[[], None], options: Mapping[str, Any], steps: int, settle: int
) -> Array | None:
    """Put `env` at a start from which its expert succeeds; returns the snapshot of where that ends.

    None where the `options` of a reset leave the goal image out: the start is the first that is drawn.

    Args:
        env: whose expert it is.
        draw: puts `env` at another start.
        steps: that the expert may take.
        settle: steps for which it goes on after its first success, so that the image shows a settled scene.

    Raises:
        ValueError: the expert failed from all starts that were drawn.
    """
    for _ in range(TRIES):
        draw()
        if not options.get("goal", True):
            return None
        start = env.snapshot()
        reached = _end(env, steps, settle)
        env.restore(start)
        if reached is not None:
            return reached
    raise InputError(f"the expert of '{env.name}' failed from {TRIES} starts in a row: no goal to show")


def _end(env: MujocoEnvironment, steps: int, settle: int) -> Array | None:
    """Where the expert ends; None where it fails."""
    policy, after, reached = env.expert(env.np_random), 0, None
    env.steps = 0
    for _ in range(steps):
        env.actuate(policy.act())
        # A button may spring back: what counts is the last moment at which it was pressed.
        reached = env.snapshot() if env.success() else reached
        after += reached is not None
        if after > settle:
            break
    return reached
