"""What a search tried for a plan, listened to from outside: to be looked at, never for planning."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from forearm.agent.agent import Acting, Agent, Observation, PlanningModel

if TYPE_CHECKING:
    from forearm.envs import ArmEnv, Environment
    from forearm.planner.problem import Problem

MOST = 32
"""Candidates of a plan whose paths are drawn."""


@dataclass
class Candidates:
    """What was tried for one plan.

    Attributes:
        actions: of each evaluation, (K, H, A).
        costs: of each evaluation, (K,).
        lowest: the lowest finite cost of all.
        future: the trajectory predicted for it, such as latents (H', D); None where there is none.
    """

    actions: list[np.ndarray] = field(default_factory=list)
    costs: list[np.ndarray] = field(default_factory=list)
    lowest: float = np.inf
    future: Any = None

    def add(self, actions: np.ndarray, costs: np.ndarray, trajectory: Any) -> None:
        """Note one evaluation: `actions` (K, H, A), their `costs` (K,) and what they lead to, (K, H', ...)."""
        self.actions.append(actions)
        self.costs.append(costs)
        best = int(np.where(np.isfinite(costs), costs, np.inf).argmin())
        if costs[best] < self.lowest:
            self.lowest = float(costs[best])
            self.future = trajectory[best].detach().clone() if isinstance(trajectory, torch.Tensor) else None

    def shown(self, most: int = MOST) -> tuple[np.ndarray, np.ndarray]:
        """At most `most` of them, spread evenly over the ranks of finite costs, the dearest first: (N, H, A), (N,)."""
        costs, actions = np.concatenate(self.costs), np.concatenate(self.actions)
        order = np.argsort(-costs, kind="stable")
        order = order[np.isfinite(costs[order])]
        kept = order[np.unique(np.linspace(0, len(order) - 1, min(most, len(order))).round().astype(int))]
        return actions[kept], costs[kept]


@contextmanager
def overheard(agent: Acting, wanted: bool = True) -> Iterator[dict[int, Candidates]]:
    """What the agent's search tries inside, by episode, of each one's last plan; nothing of what does not search."""
    found: dict[int, Candidates] = {}
    if not (wanted and isinstance(agent, Agent)):
        yield found
        return
    listened_to = agent.planning_model
    agent.planning_model = _Overheard(listened_to, found)
    try:
        yield found
    finally:
        agent.planning_model = listened_to


def telling(problem: "Problem", notes: "Sequence[Candidates]") -> "Problem":
    """The same problem, of which is noted what is asked: in `notes`, one of each of its B."""
    return replace(problem, objective=_Telling(problem.objective, notes))


def paths(env: "Environment", candidates: Candidates | None) -> tuple[np.ndarray, np.ndarray] | None:
    """Where candidates command the hand to go, in shares of the picture's side, (N, H + 1, 2), and their costs (N,).

    None where there are no candidates, or an arm's commands say too little of that.
    """
    from forearm import envs

    arm = getattr(env, "unwrapped", env)
    if candidates is None or not candidates.costs or not isinstance(arm, envs.ArmEnv):
        return None
    return paths_from(arm, arm.positions()["ee_position"], candidates)


def paths_from(arm: "ArmEnv", hand: np.ndarray, candidates: Candidates) -> tuple[np.ndarray, np.ndarray]:
    """The same from where the hand (3,) is said to be, in m."""
    from forearm.agent.hand_localization import commanded_path

    actions, costs = candidates.shown()
    hands = np.broadcast_to(hand, (len(actions), 3))
    places = commanded_path(arm.task, hands, actions.swapaxes(0, 1)).swapaxes(0, 1)
    return arm.project(places.reshape(-1, 3)).reshape(*places.shape[:2], 2) / arm.resolution, costs


class _Overheard:
    """A planning model whose problems tell what costs they were asked for."""

    def __init__(self, model: PlanningModel, found: dict[int, Candidates]) -> None:
        self._model, self._found = model, found
        self.fingerprint = model.fingerprint

    def begin(self, goals: Sequence[np.ndarray]) -> None:
        self._found.clear()
        self._model.begin(goals)

    def observe(self, episode: int, observation: Observation, action: np.ndarray | None) -> None:
        self._model.observe(episode, observation, action)

    def problem(self, episodes: Sequence[int]) -> "Problem":
        asked = self._model.problem(episodes)
        for episode in episodes:
            self._found[episode] = Candidates()
        return telling(asked, [self._found[episode] for episode in episodes])

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)


class _Telling:
    """A cost that notes what it was asked about, and says what the one inside says."""

    def __init__(self, inner: Any, notes: Sequence[Candidates]) -> None:
        self._inner, self._notes = inner, notes

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def cost(self, trajectory: Any, actions: torch.Tensor) -> Any:
        costs = self._inner.cost(trajectory, actions)
        self._note(trajectory, actions, costs)
        return costs

    def residuals(self, trajectory: Any, actions: torch.Tensor) -> Any:
        residuals = getattr(self._inner, "residuals", None)
        values = None if residuals is None else residuals(trajectory, actions)
        if values is not None:
            self._note(trajectory, actions, torch.as_tensor(values).square().sum(2))
        return values

    def _note(self, trajectory: Any, actions: torch.Tensor, costs: Any) -> None:
        numbers = costs.detach().double().cpu().numpy() if isinstance(costs, torch.Tensor) else costs
        commands = actions.detach().double().cpu().numpy()
        for b, note in enumerate(self._notes):
            future = trajectory[b] if isinstance(trajectory, torch.Tensor) else None
            note.add(commands[b].copy(), np.array(numbers[b], np.float64), future)
