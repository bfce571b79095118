"""The simulators of this process, built once and used again."""

import atexit
from functools import cache
from typing import TYPE_CHECKING, Literal, overload

if TYPE_CHECKING:
    from envs import ArmEnv, Environment


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


@cache
def _built(task: str, camera: str | None, resolution: int, index: int) -> "Environment":
    import envs

    env = envs.make(task, camera, resolution)
    env.reset(seed=0, options={"goal": False})
    env.render()
    # After the first frame, so that it runs before the GL library closes its display.
    atexit.register(env.close)
    return env
