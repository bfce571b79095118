"""The oracle: planning in the simulator itself, with a cost of true positions.

It shows what the same planner can do. Its dynamics are others than the world model's and so is its cost, which leads
the hand to the object as well: what is lost below it is not the model's error alone. `forearm diagnose` tells how much
is the dynamics' and how much the cost's.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from forearm.agent.action_spec import ActionSpec

if TYPE_CHECKING:
    from forearm.envs import Environment
    from forearm.planner.problem import Problem


class OraclePlanningModel:
    """Sees each episode's full state instead of its frame; the episodes run in `envs`."""

    fingerprint: str | None = None

    def __init__(self, envs: "Sequence[Environment]") -> None:
        from forearm.envs import ArmEnv, StepwiseDynamics, TrueDynamics

        self._envs, self._actions = envs, ActionSpec.of_env(envs[0])
        first = envs[0]
        # The built-in arm is driven open loop, so whole rollouts can be left to MuJoCo.
        self._fast = isinstance(first, ArmEnv)
        self._dynamics: Any = TrueDynamics(first) if isinstance(first, ArmEnv) else StepwiseDynamics(first)

    def begin(self, goals: Sequence[np.ndarray]) -> None:
        """The goals are read from the environments, when planning."""

    def observe(self, episode: int, observation: dict[str, Any], action: np.ndarray | None) -> None:
        """The state is read from the environments, when planning."""

    def problem(self, episodes: Sequence[int]) -> "Problem":
        """True dynamics, geometric cost in metres, and snapshots (B, S)."""
        from forearm.envs import CostToGo, GeometricObjective

        envs: list[Any] = [self._envs[b] for b in episodes]
        objective: Any = CostToGo()
        if self._fast:
            objective = GeometricObjective(envs[0].task, np.stack([env.goal_position for env in envs]))
        return self._actions.problem(self._dynamics, objective, np.stack([env.snapshot() for env in envs]), len(envs))


class NoPlanningModel:
    """What baselines think with: all they know is what commands are."""

    fingerprint: str | None = None

    def __init__(self, actions: ActionSpec) -> None:
        self._actions = actions

    def begin(self, goals: Sequence[np.ndarray]) -> None:
        """Nothing is remembered."""

    def observe(self, episode: int, observation: dict[str, Any], action: np.ndarray | None) -> None:
        """Nothing is remembered."""

    def problem(self, episodes: Sequence[int]) -> "Problem":
        """No dynamics, no objective, no state."""
        return self._actions.problem(None, None, None, len(episodes))
