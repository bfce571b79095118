"""MuJoCo itself as a planner's dynamics: the oracle that a learned model is measured against."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from forearm.envs.arm import kinematics
from forearm.envs.arm.env import ArmEnv
from forearm.envs.arm.futures import full_states
from forearm.envs.arm.tasks import Task
from forearm.envs.contract import Array, Environment
from forearm.envs.futures import visit


class TrueDynamics:
    """Rolls command sequences forward in MuJoCo from saved states, without moving the environment.

    Args:
        env: the environment whose model and task are used; its own state is left alone.
        threads: simulation threads inside MuJoCo.
    """

    def __init__(self, env: ArmEnv, threads: int = 1) -> None:
        self._env = env
        self._task = env.task
        self._model = env.model
        self._threads = threads

    def rollout(self, state: ArrayLike, actions: Any) -> Array:
        """True futures of candidate commands.

        Args:
            state: (B, S) snapshots of `ArmEnv`.
            actions: (B, K, H, 4) commands in [-1, 1], one a control step.

        Returns:
            (B, K, H, 6): tool position and object position in m after each control step (NaN without an object).
        """
        actions = np.asarray(actions, dtype=np.float64)
        return np.stack([self._rollout_one(s, a) for s, a in zip(np.asarray(state), actions, strict=True)])

    def _rollout_one(self, snapshot: Array, actions: Array) -> Array:
        states = full_states(self._env, snapshot, actions, self._threads)
        qpos = states[..., 1 : 1 + self._model.nq]  # a full state starts with the time
        tool = kinematics.forward(qpos[..., :7])[0]
        thing = qpos[..., 9:12] if self._task.has_object else np.full_like(tool, np.nan)
        return np.concatenate([tool, thing], -1)


class StepwiseDynamics:
    """Rolls command sequences forward in any environment, step by step, and puts it back afterwards.

    Args:
        env: what is stepped; it may be in the middle of an episode.
    """

    def __init__(self, env: Environment) -> None:
        self._env = env

    def rollout(self, state: ArrayLike, actions: Any) -> Array:
        """True futures of candidate commands.

        Args:
            state: (B, S) snapshots of the environment, each with its own goal.
            actions: (B, K, H, A) commands in [-1, 1], one a control step.

        Returns:
            (B, K, H, 1): the environment's own `cost` after each control step.
        """
        actions = np.asarray(actions, dtype=np.float64)
        here = self._env.snapshot()
        costs = np.empty((*actions.shape[:3], 1))
        for b, start in enumerate(np.asarray(state)):
            for k, h in visit(self._env, start, actions[b]):
                costs[b, k, h] = self._env.cost()
        self._env.restore(here)
        return costs


@dataclass(frozen=True)
class CostToGo:
    """Costs that `StepwiseDynamics` has already worked out, the last step counted `last_weight` times."""

    last_weight: float = 4.0

    def cost(self, trajectory: Array, actions: Any) -> Array:
        """(B, K) costs in m of trajectories (B, K, H, 1)."""
        curve = self.curve(trajectory, actions)
        weights = np.ones(curve.shape[-1])
        weights[-1] = self.last_weight
        return curve @ (weights / weights.sum())

    def curve(self, trajectory: Array, actions: Any) -> Array:
        """(B, K, H) costs in m of each step."""
        return np.asarray(trajectory)[..., 0]


@dataclass(frozen=True)
class GeometricObjective:
    """The task's own distance as a planner's cost, on trajectories of `TrueDynamics`.

    The cost of a candidate is the mean over the horizon of the distance to the goal (m), the last step counted
    `last_weight` times, plus, where an object must move, a small share of the tool's distance to the object, without
    which a planner whose horizon does not reach the object sees no slope.

    Attributes:
        task: says whose position counts.
        goals: (B, 3) goal positions in m.
    """

    task: Task
    goals: Array
    last_weight: float = 4.0
    approach_weight: float = 0.1

    def cost(self, trajectory: Array, actions: Any) -> Array:
        """(B, K) costs in m of trajectories (B, K, H, 6)."""
        distance = self.curve(trajectory, actions)
        weights = np.ones(distance.shape[-1])
        weights[-1] = self.last_weight
        return distance @ (weights / weights.sum())

    def curve(self, trajectory: Array, actions: Any) -> Array:
        """(B, K, H) costs in m of each step of trajectories (B, K, H, 6)."""
        tool, thing = trajectory[..., :3], trajectory[..., 3:]
        measured = tool if self.task.measured == "tool" else thing
        distance = np.linalg.norm(measured - self.goals[:, None, None], axis=-1)
        if self.task.measured == "object":
            distance = distance + self.approach_weight * np.linalg.norm(tool - thing, axis=-1)
        return distance
