"""Scripted experts for the Fetch tasks, which ship none. They look at true positions; lengths in metres."""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from forearm.envs.contract import Array, Environment, Policy

STEP = 0.05  # displacement of the hand that is asked for at an action of 1
HALF = 0.025  # half a block, radius of the puck
CLEAR = 0.10  # how far above the object the hand travels
BEHIND = 0.055  # from the object's centre to the hand that is about to push


class FetchTask(Environment, Protocol):
    """What an expert looks at, beside what every environment offers: `Fetch`."""

    inner: Any

    def goal(self) -> Array:
        """(3,) the position to reach, in m."""
        ...

    def proprio(self) -> Array:
        """Arm joints (rad, rad/s), fingers (m), hand (m)."""
        ...

    def actuate(self, action: Array) -> None:
        """Carry out one action (4,), without counting it as a step."""
        ...


def _towards(hand: Array, target: Array, gripper: float = -1.0, gain: float = 1.0) -> Array:
    action = np.append(gain * (target - hand) / STEP, gripper)
    return np.clip(action, -1.0, 1.0)


class Skill:
    """A skill towards a target (3,), or towards the episode's own goal where it is None."""

    def __init__(self, env: FetchTask, target: Array | None, rng: np.random.Generator) -> None:
        self.env, self._target, self.rng = env, target, rng

    @property
    def target(self) -> Array:
        """(3,) where hand or object must go."""
        return self.env.goal() if self._target is None else self._target

    def places(self) -> tuple[Array, Array]:
        """Hand and object, (3,) each."""
        found = self.env.positions()
        return found["ee_position"], found.get("object_position", found["ee_position"])


class Reach(Skill):
    """Straight there."""

    def act(self) -> Array:
        """(4,) action in [-1, 1]."""
        return _towards(self.places()[0], self.target)


class Push(Skill):
    """Over the block to its far side, down, and along the line to the target."""

    def act(self) -> Array:
        """(4,) action in [-1, 1]."""
        hand, block = self.places()
        way = (self.target - block)[:2]
        left = float(np.linalg.norm(way))
        if left < 0.01:
            return np.array([0.0, 0.0, 0.0, -1.0])
        direction = way / left
        relative = (hand - block)[:2]
        along = float(relative @ direction)
        aside = relative - along * direction
        low = block[2] - 0.005
        if along < -0.03 and np.linalg.norm(aside) < 0.015 and hand[2] < low + 0.03:
            ahead = min(left, 0.6 * STEP)
            target = np.append(block[:2] + direction * (ahead - 0.04) - 0.5 * aside, low)
            return _towards(hand, target)
        spot = block[:2] - direction * BEHIND
        if np.linalg.norm(hand[:2] - spot) < 0.015:
            return _towards(hand, np.append(spot, low))
        # A block is 5 cm high: the hand crosses it well above, and comes down only where it is free.
        high = low + CLEAR
        beside = np.linalg.norm(relative) > 0.075
        if hand[2] < high - 0.03 and not beside:
            return _towards(hand, np.append(hand[:2], high))
        return _towards(hand, np.append(spot, high))


class PickAndPlace(Skill):
    """Above the block, down, close, carry."""

    def act(self) -> Array:
        """(4,) action in [-1, 1]."""
        hand, block = self.places()
        opening = float(self.env.proprio()[14:16].sum())
        aside = float(np.linalg.norm((hand - block)[:2]))
        around = aside < 0.015 and abs(hand[2] - block[2]) < 0.015
        if around and opening < 2 * HALF + 0.004:
            return _towards(hand, hand + self.target - block, gain=0.8)
        if around:
            return np.array([0.0, 0.0, 0.0, -1.0])
        if aside > 0.015:
            height = max(block[2] + CLEAR, 0.5)
            lift = hand[2] < block[2] + 0.06 and aside < 0.08
            return _towards(hand, np.append(hand[:2] if lift else block[:2], height), gripper=1.0)
        return _towards(hand, block, gripper=1.0)


class Slide(Push):
    """A run-up and a strike as hard as the way is long; how hard is tried out on the simulation beforehand."""

    def __init__(self, env: FetchTask, target: Array | None, rng: np.random.Generator) -> None:
        super().__init__(env, target, rng)
        self._speed: float | None = None
        self._struck = 0

    def act(self) -> Array:
        """(4,) action in [-1, 1]."""
        hand, puck = self.places()
        if self._struck:
            return self._strike()
        way = (self.target - puck)[:2]
        direction = way / max(float(np.linalg.norm(way)), 1e-9)
        spot = np.append(puck[:2] - direction * 0.09, puck[2])
        if np.linalg.norm(hand - spot) < 0.012:
            self._aim(direction)
            return self._strike()
        relative = hand[:2] - puck[:2]
        if np.linalg.norm(hand[:2] - spot[:2]) < 0.02:
            return _towards(hand, spot)
        high = puck[2] + CLEAR
        if hand[2] < high - 0.03 and np.linalg.norm(relative) < 0.075:
            return _towards(hand, np.append(hand[:2], high))
        return _towards(hand, np.append(spot[:2], high))

    def _aim(self, direction: Array) -> None:
        """Try strikes on the simulation, which is put back afterwards, and keep the one that ends nearest."""
        here = self.env.snapshot()
        self._direction, tried = direction, {}
        speeds = list(np.linspace(0.15, 1.0, 9))
        for _ in range(2):
            for speed in speeds:
                tried[speed] = self._tried(speed, here)
            best = min(tried, key=lambda speed: tried[speed])
            speeds = [best + offset for offset in (-0.05, -0.025, 0.025, 0.05) if 0 < best + offset <= 1.0]
        self.env.restore(here)
        self._speed = min(tried, key=lambda speed: tried[speed])

    def _tried(self, speed: float, here: Array) -> float:
        """How far from the target (m) the puck comes to rest after a strike at `speed`."""
        self.env.restore(here)
        for step in range(SLIDING):
            self.env.actuate(self._push(speed) if step < STRIKE else np.zeros(4))
        return float(np.linalg.norm(self.places()[1] - self.target))

    def _push(self, speed: float) -> Array:
        return np.append(speed * self._direction, [0.0, -1.0])

    def _strike(self) -> Array:
        assert self._speed is not None
        self._struck += 1
        return self._push(self._speed) if self._struck <= STRIKE else np.zeros(4)


STRIKE, SLIDING = 5, 40
"""Control steps for which the hand drives on, and for which the puck is watched."""


SKILLS: dict[str, Callable[[FetchTask, Array | None, np.random.Generator], Policy]] = {
    "reach": Reach,
    "push": Push,
    "pick-and-place": PickAndPlace,
    "slide": Slide,
}


def random_target(env: FetchTask, rng: np.random.Generator) -> Array:
    """(3,) a place like the benchmark's goals, and a little beyond them."""
    inner = env.inner
    reach = 1.2 * inner.target_range
    target = inner.initial_gripper_xpos[:3] + rng.uniform(-reach, reach, 3)
    if inner.has_object:
        target += inner.target_offset
        target[2] = inner.height_offset
        if inner.target_in_the_air and rng.random() < 0.5:
            target[2] += rng.uniform(0.0, 0.3)
    return target
