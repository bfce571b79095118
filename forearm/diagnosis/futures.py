"""True futures as the world model would see them: stepped in the simulator, drawn, and encoded."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from forearm.agent.agent import PlanningModel
from forearm.envs import visit
from forearm.world_model.runtime.latent_dynamics import LatentState

if TYPE_CHECKING:
    from forearm.envs import Environment

Array = NDArray[np.float64]
FRAMES = 64
"""Frames that are encoded in one go."""


class Eyes(PlanningModel, Protocol):
    """What a world model is to a diagnosis: a planning model whose encoder can be used by itself."""

    @property
    def frameskip(self) -> int:
        """Control steps in one latent step."""
        ...

    def encode(self, frames: NDArray[np.uint8], readings: Array | None = None) -> torch.Tensor:
        """Latents (N, D) of frames (N, R, R, 3); with joint `readings` (N, P) what the dynamics predict of them."""
        ...

    def toward(self, goals: torch.Tensor, last_actions: Sequence[Array]) -> Any:
        """The task's own cost towards goal latents (B, D), after commands (A,) that were carried out last."""
        ...


@dataclass(frozen=True, kw_only=True)
class SeenState(LatentState):
    """Where B problems start: what has been seen of them, and where the simulator is, `snapshots` (B, S)."""

    snapshots: Array


def position_names(env: "Environment") -> tuple[str, ...]:
    """The things whose positions `positions` gives, the hand first."""
    return tuple(env.positions())


def positions(env: "Environment") -> Array:
    """(P, 3) positions of hand and objects in m, as the simulator knows them."""
    return np.stack(list(env.positions().values()))


class TrueFutures:
    """Rolls command sequences forward in a simulator, and puts it back afterwards.

    Args:
        env: what is stepped; it may be in the middle of an episode.
        eyes: what encodes the frames; None draws none.
        solved: the criterion of success.
    """

    def __init__(self, env: "Environment", eyes: Eyes | None, solved: "Callable[[Environment], bool]") -> None:
        self._env, self._eyes, self._solved = env, eyes, solved

    def rollout(self, state: SeenState, actions: Any) -> dict[str, Any]:
        """What candidate commands `actions` (B, K, H, A) lead to.

        Returns:
            `positions` (B, K, H, P, 3) in m, `distances` (B, K, H) from the goal in m, `solved` (B, K, H), and, where
            frames are drawn, `latents` (B, K, H / frameskip, D), or what else the dynamics predict.
        """
        commands = np.asarray(actions, dtype=np.float64)
        here = self._env.snapshot()
        futures = [self._one(start, commands[b]) for b, start in enumerate(np.asarray(state.snapshots))]
        self._env.restore(here)
        found: dict[str, Any] = {
            key: np.stack([f[key] for f in futures]) for key in ("positions", "distances", "solved")
        }
        if self._eyes is not None:
            found["latents"] = torch.stack([f["latents"] for f in futures])
        return found

    def _one(self, start: Array, commands: Array) -> dict[str, Any]:
        """The same for one problem's commands (K, H, A)."""
        env, eyes = self._env, self._eyes
        candidates, horizon = commands.shape[:2]
        where = np.empty((candidates, horizon, *positions(env).shape))
        distances, solved = np.empty((candidates, horizon)), np.zeros((candidates, horizon), bool)
        frames, readings = [], []
        for k, h in visit(env, start, commands):
            where[k, h], distances[k, h], solved[k, h] = positions(env), env.distance(), self._solved(env)
            if eyes is not None and (h + 1) % eyes.frameskip == 0:
                seen = env.observe()
                frames.append(seen["pixels"])
                readings.append(seen["proprio"])
        found: dict[str, Any] = {"positions": where, "distances": distances, "solved": solved}
        if eyes is not None:
            found["latents"] = encoded(eyes, frames, readings).unflatten(0, (candidates, -1))
        return found


def encoded(eyes: Eyes, frames: list[NDArray[np.uint8]], readings: list[Array] | None = None) -> torch.Tensor:
    """What `Eyes.encode` makes of N frames, `FRAMES` at a time."""
    parts = []
    for at in range(0, len(frames), FRAMES):
        told = None if readings is None else np.stack(readings[at : at + FRAMES])
        parts.append(eyes.encode(np.stack(frames[at : at + FRAMES]), told))
    return torch.cat(parts)


@dataclass(frozen=True)
class Explored:
    """Frames of the policy that collects data, as the world model sees them.

    Attributes:
        latents: (E, T, D), one every latent step, the first at the start.
        positions: (E, T, P, 3) in m.
        actions: (E, (T - 1) * frameskip, A), the commands between them.
    """

    latents: torch.Tensor
    positions: Array
    actions: Array


def explore(env: "Environment", eyes: Eyes, start: ArrayLike, rngs: list[np.random.Generator], steps: int) -> Explored:
    """One episode of `steps` latent steps from the snapshot `start` for each random stream."""
    frames: list[NDArray[np.uint8]] = []
    where, actions = [], []
    for rng in rngs:
        env.restore(np.asarray(start))
        policy = env.explorer(rng)
        frames.append(env.render())
        where.append(positions(env))
        for _ in range(steps):
            for _ in range(eyes.frameskip):
                action = np.clip(np.asarray(policy.act(), np.float64), -1.0, 1.0)
                actions.append(action)
                env.advance(action)
            frames.append(env.render())
            where.append(positions(env))
    shape = (len(rngs), steps + 1)
    return Explored(
        encoded(eyes, frames).unflatten(0, shape),
        np.stack(where).reshape(*shape, *where[0].shape),
        np.stack(actions).reshape(len(rngs), steps * eyes.frameskip, -1),
    )
