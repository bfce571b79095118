"""Costs that a diagnosis exchanges: by true positions, by positions read off latents, by the task's own latent cost."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from forearm.diagnosis.probe import Probe
    from forearm.planner.problem import Objective

Array = NDArray[np.float64]
MOVED = 0.01
"""m from which on an object counts as one that has to be moved."""
LAST = 4.0
"""How much the last step counts beside each other one."""
APPROACH = 0.1
"""Share of the hand's distance to an object that has to be moved: a slope before they touch."""


@dataclass(frozen=True)
class PositionCost:
    """Distance in m of things from where they are in the goal, over the horizon.

    Objects that have to be moved count, with a small share of the hand's distance from the one farthest from its goal.
    Where none has to be moved, the hand counts.

    Attributes:
        start, goal: (P, 3) positions in m, the hand first.
    """

    start: Array
    goal: Array

    @property
    def counting(self) -> tuple[int, ...]:
        """Numbers of the things that count: objects that have to be moved, else the hand, 0."""
        moved = np.linalg.norm(self.goal - self.start, axis=-1)[1:] > MOVED
        return tuple(1 + int(i) for i in np.flatnonzero(moved)) or (0,)

    def between(self, positions: Array) -> Array:
        """(N, N) distances in m between N states (N, P, 3), over the things that count."""
        where = positions[:, self.counting]
        return np.linalg.norm(where[:, None] - where[None], axis=-1).sum(-1)

    def along(self, positions: Array) -> Array:
        """(..., H) cost in m of positions (..., H, P, 3)."""
        off = np.linalg.norm(positions - self.goal, axis=-1)
        moved = self.counting
        if moved == (0,):
            return off[..., 0]
        away = np.linalg.norm(positions[..., moved, :] - positions[..., :1, :], axis=-1)
        farthest = off[..., moved].argmax(-1)[..., None]
        return off[..., moved].sum(-1) + APPROACH * np.take_along_axis(away, farthest, -1)[..., 0]

    def total(self, positions: Array) -> Array:
        """(...) of positions (..., H, P, 3): the mean over the horizon, the last step counted more."""
        curve = self.along(positions)
        weights = np.ones(curve.shape[-1])
        weights[-1] = LAST
        return curve @ (weights / weights.sum())


@dataclass(frozen=True)
class ByPositions:
    """The cost of trajectories of true futures by their true positions."""

    geometry: PositionCost

    def cost(self, trajectory: Any, actions: Any) -> Array:
        """(B, K) in m."""
        return self.geometry.total(trajectory["positions"])

    def curve(self, trajectory: Any, actions: Any) -> Array:
        """(B, K, H) in m."""
        return self.geometry.along(trajectory["positions"])


@dataclass(frozen=True)
class ByProbe:
    """The same cost by positions that are read off latents."""

    geometry: PositionCost
    probe: "Probe"

    def cost(self, trajectory: Any, actions: Any) -> Array:
        """(B, K) in m."""
        return self.geometry.total(self.probe.positions(latents_of(trajectory)))

    def curve(self, trajectory: Any, actions: Any) -> Array:
        """(B, K, H') in m."""
        return self.geometry.along(self.probe.positions(latents_of(trajectory)))


@dataclass(frozen=True)
class ByLatents:
    """The task's own cost, on true futures or on predicted ones."""

    objective: "Objective"

    def cost(self, trajectory: Any, actions: Any) -> Any:
        """(B, K)."""
        return self.objective.cost(latents_of(trajectory), actions)

    def curve(self, trajectory: Any, actions: Any) -> Any:
        """(B, K, H'), or None where the cost has no curve."""
        curve = getattr(self.objective, "curve", None)
        return None if curve is None else curve(latents_of(trajectory), actions)


def latents_of(trajectory: Any) -> Any:
    """(B, K, H', D) of a trajectory of `TrueFutures`, or of latent dynamics."""
    return trajectory["latents"] if isinstance(trajectory, dict) else trajectory


@dataclass
class Recorded:
    """A cost that keeps what it was asked about: for each iteration, `actions` (K, H, A) and `costs` (K,) of the first
    of the problems.
    """

    inner: Any
    actions: list[Array] = field(default_factory=list)
    costs: list[Array] = field(default_factory=list)

    def cost(self, trajectory: Any, actions: Any) -> Any:
        """What `inner` says."""
        costs = self.inner.cost(trajectory, actions)
        self.actions.append(actions[0].detach().double().cpu().numpy().copy())
        self.costs.append(np.array(np.asarray(costs[0]), dtype=np.float64))
        return costs

    def curve(self, trajectory: Any, actions: Any) -> Any:
        """What `inner` says."""
        return self.inner.curve(trajectory, actions)
