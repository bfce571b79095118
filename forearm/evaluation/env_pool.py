"""The simulators of this process, built once and used again."""

import atexit
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np

from forearm.errors import ForearmError

if TYPE_CHECKING:
    from forearm.envs import ArmEnv, Environment
    from forearm.envs.variation.factors import Variation


def has_simulator(task: str) -> bool:
    """Whether a task can be simulated, by what is built in, a benchmark's package or a module of the user's own.

    Raises `envs.MissingExtra` for one of a benchmark that cannot run here.
    """
    from forearm import envs

    envs.check_installed(task)
    return task in envs.names()


def check_simulator(task: str, what: str) -> None:
    """Raise `ForearmError` for a task that `has_simulator` denies one; `what` it is needed for, such as a command."""
    if not has_simulator(task):
        raise ForearmError(
            f"task '{task}' has no simulator, and {what} needs one: plan from frames, 'forearm plan task={task} "
            f"start=FILE goal=FILE' or 'forearm serve task={task}', or name the module that registers its environment, "
            "use=[MODULE]"
        )


def has_expert(task: Mapping[str, Any]) -> bool:
    """Whether the environment of a task's config has a scripted expert; built for the answer, and kept."""
    env = environment(task["name"], task["camera"], task["resolution"])
    try:
        env.expert(np.random.default_rng(0))
    except ValueError:
        return False
    return True


@overload
def environment(
    task: Literal["reach", "push", "pick_place"], camera: str | None, resolution: int, index: int = 0
) -> "ArmEnv": ...
@overload
def environment(task: str, camera: str | None, resolution: int, index: int = 0) -> "Environment": ...
def environment(task: str, camera: str | None, resolution: int, index: int = 0) -> "Environment":
    """The `index`-th environment of this kind; building one with its renderer takes longer than an episode.

    Raises ValueError for an unknown task or camera, `envs.MissingExtra` for a benchmark that is not installed,
    `RenderingUnavailable` when no GL back end can draw.
    """
    return _built(task, camera, resolution, index)


@contextmanager
def varied(envs: Sequence[Any], variation: "Variation | None") -> Iterator[Sequence[Any]]:
    """The environments in which the episodes run; they are as before when that is over, as others use them too."""
    if variation is None:
        yield envs
        return
    from forearm.envs.varied import VariedEnvironment

    where = [VariedEnvironment(env, variation) for env in envs]
    try:
        yield where
    finally:
        for env in where:
            env.restore_nominal()


@cache
def _built(task: str, camera: str | None, resolution: int, index: int) -> "Environment":
    from forearm import envs

    env = envs.make(task, camera, resolution)
    env.reset(seed=0, options={"goal": False})
    env.render()
    # After the first frame, so that it runs before the GL library closes its display.
    atexit.register(env.close)
    return env
