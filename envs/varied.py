"""An environment in which one thing is otherwise from a moment on, such as the light, or the table's colour."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from forearm.envs.contract import Array, Environment, Frame
from forearm.envs.mujoco_env import MujocoEnvironment
from forearm.envs.variation.factors import FACTORS, FRAMES, Variation
from forearm.envs.variation.frames import Arrival, altered
from forearm.errors import InputError


def factors_of(env: Environment) -> list[str]:
    """Names of the factors by which `env` can be varied."""
    scene = env.layout.factors() if isinstance(env, MujocoEnvironment) else []
    return [name for name, factor in FACTORS.items() if factor.kind == FRAMES or name in scene]


class VariedEnvironment:
    """An environment that is as it always was until `vary`, and from then on otherwise, until `restore_nominal`.

    Start and goal are drawn, and the goal picture is taken, before anything changes. Whatever else an environment has,
    this one has as well.

    Args:
        env: what is varied. It is changed, and must be put back before others use it.
        variation: the factor and its strength.

    Raises:
        ValueError: `env` cannot be varied by that factor.
    """

    def __init__(self, env: Environment, variation: Variation) -> None:
        if variation.factor not in (known := factors_of(env)):
            raise InputError(
                f"task '{env.name}' cannot be varied by {variation.factor}, as which part of its model that is, is not "
                f"known: vary {', '.join(known)}"
            )
        self._env, self._variation = env, variation
        self._edit = env.scene_edit() if isinstance(env, MujocoEnvironment) else None
        self._arrival: Arrival | None = None
        self._rng = np.random.default_rng(0)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._env, name)

    def vary(self, rng: np.random.Generator) -> dict[str, Any]:
        """Change what shall be otherwise, as `rng` draws it; returns the observation of the present state."""
        if self._variation.about.kind != FRAMES:
            assert self._edit is not None
            self._edit.apply(self._variation, rng)
        self._arrival, self._rng = Arrival(self._variation), rng
        return self.observe()

    def restore_nominal(self) -> None:
        """Take back what `vary` changed."""
        if self._edit is not None:
            self._edit.undo()
        self._arrival = None

    def goal(self, state: Array) -> Frame:
        """The picture (R, R, 3) uint8 of a goal state as it is now, all that is otherwise included but lateness."""
        here = self._env.snapshot()
        self._env.restore(state)
        frame = altered(self._env.render(), self._variation, self._rng)
        self._env.restore(here)
        return frame

    def step(self, action: NDArray[np.floating]) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """One control step; see `Environment.step`."""
        seen, reward, success, cut_off, info = self._env.step(action)
        return self._seen(seen), reward, success, cut_off, info

    def observe(self) -> dict[str, Any]:
        """What there is to observe of the present state."""
        return self._seen(self._env.observe())

    def _seen(self, seen: dict[str, Any]) -> dict[str, Any]:
        if self._arrival is None:
            return seen
        frame = self._arrival.arrived(altered(seen["pixels"], self._variation, self._rng), self._rng)
        return {**seen, "pixels": frame}
