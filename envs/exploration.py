"""An explorer for any environment with a skill: segments of skill, straight moves, coloured noise and rest."""

from typing import Protocol

import numpy as np

from forearm.envs.contract import Array, Environment, Policy


class Skilled(Environment, Protocol):
    """An environment that offers something to perturb."""

    def skill(self, rng: np.random.Generator) -> Policy:
        """A policy that does something with the object; raises ValueError where there is none."""
        ...


class Explorer:
    """Strings segments together, each with its own noise and speed.

    Args:
        env: what is acted in (not stepped here).
        rng: all of the policy's randomness.
    """

    kinds = ("skill", "move", "wander", "rest")
    shares = (0.72, 0.12, 0.12, 0.04)

    def __init__(self, env: Skilled, rng: np.random.Generator) -> None:
        self._env, self._rng = env, rng
        self._size = len(env.action_names)
        self._left = 0
        self._kind = "rest"
        self._policy: Policy | None = None
        self._direction = np.zeros(self._size)
        self._noise = np.zeros(self._size)
        self._noise_scale, self._speed = 0.0, 1.0

    def act(self) -> Array:
        """(A,) action in [-1, 1]."""
        if self._left <= 0:
            self._start_segment()
        self._left -= 1
        # An Ornstein-Uhlenbeck process of unit variance: misses that last long enough to matter.
        self._noise = 0.75 * self._noise + np.sqrt(1 - 0.75**2) * self._rng.standard_normal(self._size)
        if self._kind == "rest":
            return np.zeros(self._size)
        if self._kind == "wander":
            return np.clip(1.2 * self._speed * self._noise, -1.0, 1.0)
        if self._kind == "move":
            return np.clip(self._speed * self._direction + self._noise_scale * self._noise, -1.0, 1.0)
        assert self._policy is not None
        noise = self._noise_scale * self._noise
        noise[-1] *= 0.3  # the last number is the gripper, and a shaking one drops everything
        return np.clip(self._speed * self._policy.act() + noise, -1.0, 1.0)

    def _start_segment(self) -> None:
        rng, second = self._rng, 1.0 / self._env.control_period
        self._kind = str(rng.choice(self.kinds, p=self.shares))
        self._policy = None
        if self._kind == "skill":
            try:
                self._policy = self._env.skill(rng)
            except ValueError:
                self._kind = "move"
        longest = {"skill": 6.0, "move": 0.8, "wander": 1.2, "rest": 0.5}[self._kind]
        self._left = max(2, round(rng.uniform(0.3, 1.0) * longest * second))
        self._speed = float(rng.uniform(0.6, 1.0))
        self._noise_scale = float(rng.choice([0.05, 0.2, 0.4]))
        self._direction = rng.uniform(-1.0, 1.0, self._size)
