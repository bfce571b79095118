"""The simulators of this process, built once and used again."""

import atexit
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from envs import ArmEnv


@cache
def environment(task: str, camera: str, resolution: int, index: int = 0) -> "ArmEnv":
    """The `index`-th environment of this kind; building one with its renderer takes longer than an episode.

    Raises ValueError for an unknown task or camera, `RenderingUnavailable` when no GL back end can draw.
    """
    import envs

    env = envs.make(task, camera, resolution)
    env.reset(seed=0)
    # After the first frame, so that it runs before the GL library closes its display.
    atexit.register(env.close)
    return env
