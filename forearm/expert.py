"""The scripted expert as an agent: it looks inside the simulator, and shows that the task can be done."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from forearm.agent import Act

if TYPE_CHECKING:
    from envs import Environment


class ExpertAgent:
    """Acts in every environment of `envs` as its task's expert does."""

    def __init__(self, envs: "Sequence[Environment]") -> None:
        self._envs = envs
        self._policies: list[Any] = []

    def reset(self, goals: Sequence[np.ndarray], seeds: Sequence[int]) -> None:
        """Begin `len(goals)` episodes; expert b draws its own noise, if it has any, from `seeds[b]`."""
        pairs = zip(self._envs, seeds, strict=False)
        self._policies = [env.expert(np.random.default_rng(seed)) for env, seed in pairs]

    def act(self, observations: Sequence[dict[str, Any] | None]) -> list[Act | None]:
        """The next action of every episode that is still observed."""
        return [
            None if observation is None else Act(np.asarray(policy.act(), np.float64), None, fresh=False)
            for policy, observation in zip(self._policies, observations, strict=True)
        ]
