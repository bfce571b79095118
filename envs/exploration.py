"""An explorer for any environment: segments of skill, straight moves, coloured noise and rest, drawn at random.

Each has its own noise and speed, so that data cover contact from all sides, misses and recoveries as well as success.
It is an expert for the most part: 72 % of the segments, and some 94 % of the control steps, are a scripted skill with
noise, which looks inside the simulator (of the built-in arm's, 60 and 70 %). Whoever imitates it imitates that.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from forearm.envs.contract import Array, Environment, Policy
from forearm.envs.holding import Same, Still

KINDS = ("skill", "move", "wander", "rest")
WANDERING = 1.2
"""Noise of a segment that is nothing but noise, at full speed."""
STEADY = 0.3
"""Share of the noise that reaches a gripper in use: a shaking one drops everything."""


@dataclass(frozen=True)
class Segment:
    """What the explorer does for a while.

    Attributes:
        steps: control steps that it takes.
        policy: what is done, a noisy version of it.
        speed: by which the policy's actions are multiplied.
        noise: standard deviation of what is added to them.
        gripper_noise: share of that noise that reaches the last number of an action, the gripper.
    """

    steps: int
    policy: Policy
    speed: float = 1.0
    noise: float = 0.0
    gripper_noise: float = 1.0


class Explorer:
    """Strings segments together.

    Args:
        size: numbers in an action.
        draw: gives the next segment, drawn with the generator that it is called with.
        rng: all of the policy's randomness.
        rest: gives the action (A,) around which speeds and noise count, where that is not zero; else None.
    """

    def __init__(
        self,
        size: int,
        draw: Callable[[np.random.Generator], Segment],
        rng: np.random.Generator,
        rest: Callable[[], Array | None] = lambda: None,
    ) -> None:
        self._draw, self._rng, self._rest = draw, rng, rest
        self._origin: Array | None = None
        self._segment = Segment(0, Still(size))
        self._left = 0
        self._noise = np.zeros(size)

    def act(self) -> Array:
        """(A,) action in [-1, 1]."""
        if self._left <= 0:
            self._segment = self._draw(self._rng)
            self._left, self._origin = self._segment.steps, self._rest()
        self._left -= 1
        # An Ornstein-Uhlenbeck process of unit variance: misses that last long enough to matter.
        self._noise = 0.75 * self._noise + np.sqrt(1 - 0.75**2) * self._rng.standard_normal(len(self._noise))
        noise = self._segment.noise * self._noise
        noise[-1] *= self._segment.gripper_noise
        action, speed = self._segment.policy.act(), self._segment.speed
        moved = speed * action if self._origin is None else self._origin + speed * (action - self._origin)
        return np.clip(moved + noise, -1.0, 1.0)


class Skilled(Environment, Protocol):
    """An environment that offers something to perturb."""

    def skill(self, rng: np.random.Generator) -> Policy:
        """A policy that does something with the object; raises ValueError where there is none."""
        ...


def segment(env: Skilled, rng: np.random.Generator) -> Segment:
    """A segment for an environment of which no more is known than that it has a skill."""
    size, second = len(env.action_names), 1.0 / env.control_period
    kind, policy = str(rng.choice(KINDS, p=(0.72, 0.12, 0.12, 0.04))), None
    if kind == "skill":
        try:
            policy = env.skill(rng)
        except ValueError:
            kind = "move"
    longest = {"skill": 6.0, "move": 0.8, "wander": 1.2, "rest": 0.5}[kind]
    steps = max(2, round(rng.uniform(0.3, 1.0) * longest * second))
    speed, noise = float(rng.uniform(0.6, 1.0)), float(rng.choice([0.05, 0.2, 0.4]))
    direction = rng.uniform(-1.0, 1.0, size)
    if policy is not None:
        return Segment(steps, policy, speed, noise, STEADY)
    if kind == "move":
        return Segment(steps, Same(direction), speed, noise)
    rest = getattr(env, "rest", lambda: None)()
    still = Still(size) if rest is None else Same(rest)
    return Segment(steps, still, noise=WANDERING * speed if kind == "wander" else 0.0)
