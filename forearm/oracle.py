"""The oracle: planning in the simulator itself, with the task's own distance as its cost.

The same planner on true dynamics is the ceiling; what is lost below it is the model's error, not the
planner's.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from envs import ArmEnv


class TrueImagination:
    """Sees each episode's full state instead of its frame; the episodes run in `envs`."""

    fingerprint: str | None = None

    def __init__(self, envs: "Sequence[ArmEnv]") -> None:
        from envs import TrueDynamics

        self._envs = envs
        self._dynamics = TrueDynamics(envs[0])

    def begin(self, goals: Sequence[np.ndarray]) -> None:
        """The goals are read from the environments, when planning."""

    def observe(self, episode: int, observation: dict[str, Any], action: np.ndarray | None) -> None:
        """The state is read from the environments, when planning."""

    def problem(self, episodes: Sequence[int]) -> tuple[Any, Any, Any]:
        """True dynamics, geometric cost in metres, and snapshots (B, S)."""
        from envs import GeometricObjective

        goals = np.stack([self._envs[b].goal_position for b in episodes])
        states = np.stack([self._envs[b].snapshot() for b in episodes])
        return self._dynamics, GeometricObjective(self._envs[0].task, goals), states


class NoImagination:
    """What policies that do not plan think with."""

    fingerprint: str | None = None

    def begin(self, goals: Sequence[np.ndarray]) -> None:
        """Nothing is remembered."""

    def observe(self, episode: int, observation: dict[str, Any], action: np.ndarray | None) -> None:
        """Nothing is remembered."""

    def problem(self, episodes: Sequence[int]) -> tuple[Any, Any, Any]:
        """No dynamics, no objective, no state."""
        return None, None, None
