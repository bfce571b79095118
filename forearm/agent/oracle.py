"""The oracle: planning in the simulator itself, with the task's own distance as its cost.

The same planner on true dynamics is the ceiling; what is lost below it is the model's error, not the
planner's.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from forearm.envs import Environment


class OraclePlanningModel:
    """Sees each episode's full state instead of its frame; the episodes run in `envs`."""

    fingerprint: str | None = None

    def __init__(self, envs: "Sequence[Environment]") -> None:
        from forearm.envs import ArmEnv, StepwiseDynamics, TrueDynamics

        self._envs = envs
        first = envs[0]
        # The built-in arm is driven open loop, so whole rollouts can be left to MuJoCo.
        self._fast = isinstance(first, ArmEnv)
        self._dynamics: Any = TrueDynamics(first) if isinstance(first, ArmEnv) else StepwiseDynamics(first)

    def begin(self, goals: Sequence[np.ndarray]) -> None:
        """The goals are read from the environments, when planning."""

    def observe(self, episode: int, observation: dict[str, Any], action: np.ndarray | None) -> None:
        """The state is read from the environments, when planning."""

    def problem(self, episodes: Sequence[int]) -> tuple[Any, Any, Any]:
        """True dynamics, geometric cost in metres, and snapshots (B, S)."""
        from forearm.envs import CostToGo, GeometricObjective

        envs: list[Any] = [self._envs[b] for b in episodes]
        states = np.stack([env.snapshot() for env in envs])
        if not self._fast:
            return self._dynamics, CostToGo(), states
        return self._dynamics, GeometricObjective(envs[0].task, np.stack([e.goal_position for e in envs])), states


class NoPlanningModel:
    """What policies that do not plan think with."""

    fingerprint: str | None = None

    def begin(self, goals: Sequence[np.ndarray]) -> None:
        """Nothing is remembered."""

    def observe(self, episode: int, observation: dict[str, Any], action: np.ndarray | None) -> None:
        """Nothing is remembered."""

    def problem(self, episodes: Sequence[int]) -> tuple[Any, Any, Any]:
        """No dynamics, no objective, no state."""
        return None, None, None
