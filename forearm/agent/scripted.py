"""Policies that look inside the simulator as agents: the scripted expert, and whatever holds the arm still."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from forearm.agent.action_spec import ActionSpec, Holding
from forearm.agent.agent import Act

if TYPE_CHECKING:
    from forearm.envs import Environment, Policy


class _Scripted(ABC):
    """Acts in every environment of `envs` as a policy made for it does."""

    def __init__(self, envs: "Sequence[Environment]") -> None:
        self._envs = envs
        self._policies: list[Any] = []

    @abstractmethod
    def _policy(self, env: "Environment", seed: int) -> "Policy":
        """What acts in `env` from its present state on."""

    def reset(self, goals: Sequence[np.ndarray], seeds: Sequence[int]) -> None:
        """Begin `len(goals)` episodes; policy b draws its own noise, if it has any, from `seeds[b]`."""
        self._policies = [self._policy(env, seed) for env, seed in zip(self._envs, seeds, strict=False)]

    def act(self, observations: Sequence[dict[str, Any] | None]) -> list[Act | None]:
        """The next action of every episode that is still observed."""
        return [
            None if observation is None else Act(np.asarray(policy.act(), np.float64), None, fresh=False)
            for policy, observation in zip(self._policies, observations, strict=True)
        ]


class ExpertAgent(_Scripted):
    """Acts as each task's expert does: shows that the task can be done."""

    def _policy(self, env: "Environment", seed: int) -> "Policy":
        return env.expert(np.random.default_rng(seed))


class HoldAgent(_Scripted):
    """Keeps each arm where it starts: the floor beside which a success rate is read.

    `hold` says how, where an adapter is chosen; else the environment does.
    """

    def __init__(self, envs: "Sequence[Environment]", hold: Holding | None = None) -> None:
        super().__init__(envs)
        self._hold = hold

    def _policy(self, env: "Environment", seed: int) -> "Policy":
        from forearm.envs.holding import Same

        command = None if self._hold is None else self._hold(ActionSpec.of_env(env), env.observe())
        return holding(env) if command is None else Same(command)


def holding(env: "Environment") -> "Policy":
    """What holds the arm of `env` where it is now: the environment's own way, or a command of zero."""
    from forearm.envs import Still

    own = getattr(env, "hold", None)
    return Still(len(env.action_names)) if own is None else own()
