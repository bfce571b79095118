"""A point in the plane that must be moved to a goal, with world models whose one fault is known."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from gymnasium import spaces

from forearm.agent.action_spec import ActionSpec
from forearm.planner import LatentDistance, Problem
from forearm.world_model.runtime.latent_dynamics import LatentState

STEP, NEAR = 0.1, 0.12
WALL = 0.7
"""Half the length of the wall at x = 0."""


class PlaneEnv:
    """The contract of an environment, for a point (x, y) in [-1, 1]^2 with a goal; with `wall`, one stands between."""

    name, description, camera, cameras = "plane", "A point goes to a goal.", "top", ("top",)
    resolution, control_period, max_episode_steps = 16, 0.1, 25
    action_names, state_names = ("dx", "dy"), ("x", "y")
    action_space = spaces.Box(-1.0, 1.0, (2,), np.float32)

    def __init__(self, wall: bool = False) -> None:
        self.wall, self.point, self.goal, self.steps = wall, np.zeros(2), np.zeros(2), 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, Any]:
        rng = np.random.default_rng(seed)
        side = rng.choice([-1.0, 1.0])
        self.point = np.array([-0.3 * side, rng.uniform(-0.15, 0.15)])
        self.goal = np.array([0.3 * side, rng.uniform(-0.15, 0.15)]) if self.wall else rng.uniform(-0.9, 0.9, 2)
        self.steps = 0
        goal_state = np.concatenate([self.goal, self.goal, [0]])
        here = self.snapshot()
        self.restore(goal_state)
        frame = self.render()
        self.restore(here)
        return self.observe(), {
            "goal": frame, "goal_state": goal_state, "distance_m": self.distance(), "success": self.success(),
        }  # fmt: skip

    def advance(self, action: Any) -> None:
        after = [clipped(x + STEP * clipped(float(by))) for x, by in zip(self.point.tolist(), action, strict=True)]
        crossed = self.point[0] * after[0] <= 0 and self.point[0] != after[0]
        if self.wall and crossed and abs(after[1]) < WALL:
            after[0] = self.point[0]
        self.point, self.steps = np.array(after), self.steps + 1

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.advance(action)
        return self.observe(), -self.distance(), self.success(), self.steps >= self.max_episode_steps, {}

    def observe(self) -> dict[str, Any]:
        return {"pixels": self.render(), "proprio": self.point.astype(np.float32)}

    def render(self, camera: str | None = None, resolution: int | None = None) -> np.ndarray:
        """Where the point is stands in the first pixels, two of them for each coordinate."""
        frame = np.zeros((16, 16, 3), np.uint8)
        for i, x in enumerate(self.point.tolist()):
            frame[0, i, :2] = divmod(int((clipped(x) + 1) / 2 * 65535), 256)
        return frame

    def snapshot(self) -> np.ndarray:
        return np.concatenate([self.point, self.goal, [self.steps]])

    def restore(self, snapshot: Any) -> None:
        snapshot = np.asarray(snapshot, np.float64)
        self.point, self.goal, self.steps = snapshot[:2].copy(), snapshot[2:4].copy(), int(snapshot[4])

    def distance(self) -> float:
        return math.dist(self.point, self.goal)

    def success(self) -> bool:
        return self.distance() < NEAR

    def positions(self) -> dict[str, np.ndarray]:
        return {"ee_position": np.array([*self.point, 0.0])}

    def expert(self, rng: np.random.Generator) -> Any:
        return Way(self)

    def explorer(self, rng: np.random.Generator) -> Any:
        return Wander(rng)


def clipped(x: float) -> float:
    """To [-1, 1]: numpy takes ten times as long for a single number."""
    return min(max(x, -1.0), 1.0)


@dataclass
class Way:
    """Straight to the goal, or round the wall."""

    env: PlaneEnv

    def act(self) -> np.ndarray:
        point, goal = self.env.point, self.env.goal
        target = goal
        if self.env.wall and point[0] * goal[0] < 0:
            round_it = np.array([0.05 * np.sign(goal[0]), WALL + 0.1])
            target = round_it if point[1] >= WALL + 0.02 else np.array([point[0], WALL + 0.1])
        return np.clip((target - point) / STEP, -1, 1)


@dataclass
class Wander:
    """The same way for a while, then another."""

    rng: np.random.Generator
    way: np.ndarray | None = None
    left: int = 0

    def act(self) -> np.ndarray:
        if self.left == 0:
            self.way, self.left = self.rng.uniform(-1, 1, 2), int(self.rng.integers(3, 9))
        self.left -= 1
        assert self.way is not None
        return self.way


def seen(frames: np.ndarray) -> torch.Tensor:
    """Points (N, 2) that frames (N, 16, 16, 3) show."""
    high, low = (torch.as_tensor(frames[:, 0, :2, i].astype(np.float32)) for i in (0, 1))
    return (256 * high + low) / 65535 * 2 - 1


def good(points: torch.Tensor) -> torch.Tensor:
    return points


def blind(points: torch.Tensor) -> torch.Tensor:
    """Shows nothing."""
    return torch.zeros_like(points)


def folded(points: torch.Tensor) -> torch.Tensor:
    """Holds the whole point, but what is near in it need not be near in the plane."""
    return torch.cat([torch.sin(400 * points), torch.cos(400 * points), 0.05 * points], -1)


class PlaneEyes:
    """A world model of the plane: latents are `features` of the point; with `inert`, commands change nothing."""

    frameskip = 1
    fingerprint = None

    def __init__(self, features: Any = good, inert: bool = False) -> None:
        self.features, self.inert = features, inert
        self.goals: torch.Tensor = torch.zeros(0)
        self.now: dict[int, torch.Tensor] = {}

    def encode(self, frames: np.ndarray, readings: np.ndarray | None = None) -> torch.Tensor:
        return self.features(seen(frames))

    def begin(self, goals: list[np.ndarray]) -> None:
        self.goals = self.encode(np.stack(goals))

    def observe(self, episode: int, observation: dict[str, Any], action: Any) -> None:
        self.now[episode] = seen(observation["pixels"][None])[0]

    def problem(self, episodes: Sequence[int]) -> Problem:
        points = torch.stack([self.now[b] for b in episodes])
        state = LatentState(points[:, None], torch.zeros(len(episodes), 0, 2))
        actions = ActionSpec(PlaneEnv.action_space.low, PlaneEnv.action_space.high, PlaneEnv.control_period)
        return actions.problem(self, self.toward(self.goals[list(episodes)], []), state, len(episodes))

    def toward(self, goals: torch.Tensor, last_actions: list[np.ndarray]) -> LatentDistance:
        return LatentDistance(goals, "exp", 0.8)

    def rollout(self, state: LatentState, actions: torch.Tensor) -> torch.Tensor:
        moves = torch.zeros_like(actions) if self.inert else STEP * actions.clamp(-1, 1).cumsum(2)
        return self.features((state.states[:, None, -1:] + moves).clamp(-1, 1))
