"""The cells of a diagnosis: the same planner on true or learned dynamics, led by one cost or another."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from forearm.diagnosis.costs import ByLatents, ByPositions, ByProbe, PositionCost, Recorded
from forearm.diagnosis.futures import Eyes, SeenState, TrueFutures

if TYPE_CHECKING:
    from forearm.agent.agent import Observation
    from forearm.diagnosis.probe import Probe
    from forearm.envs import Environment
    from forearm.planner.problem import Problem

Array = NDArray[np.float64]
TRUE, LEARNED = "true", "learned"
POSITIONS, PROBE, LATENT = "positions", "probe", "latent"


@dataclass(frozen=True, order=True)
class Cell:
    """Which `dynamics` a planner searches in, and which `cost` leads it."""

    dynamics: str
    cost: str

    @property
    def name(self) -> str:
        """For files and tables."""
        return f"{self.dynamics}-{self.cost}"


CELLS = tuple(
    Cell(dynamics, cost)
    for dynamics in (TRUE, LEARNED)
    for cost in (POSITIONS, PROBE, LATENT)
    if (dynamics, cost) != (LEARNED, POSITIONS)  # a learned model predicts latents, not positions
)
CEILING, DIAGNOSED = Cell(TRUE, POSITIONS), Cell(LEARNED, LATENT)


@dataclass(frozen=True)
class Moment:
    """One plan as it was made: from which `state`, on which `dynamics`, `distance_m` from the goal, every candidate of
    every iteration, and what the world model was `asked`.
    """

    recorded: Recorded
    state: SeenState
    dynamics: Any
    distance_m: float
    asked: "Problem"


@dataclass
class CellModel:
    """What an agent of one cell thinks with; one episode at a time, in `env`.

    `moments` is filled with what each plan was asked, where `keep` says so.
    """

    cell: Cell
    env: "Environment"
    eyes: Eyes
    probe: "Probe | None"
    solved: "Callable[[Environment], bool]"
    geometry: PositionCost
    keep: bool = False
    moments: list[Moment] = field(default_factory=list)
    fingerprint: str | None = None

    def begin(self, goals: Sequence[NDArray[np.uint8]]) -> None:
        """See `forearm.agent.agent.PlanningModel`."""
        self.moments.clear()
        self.eyes.begin(list(goals))

    def observe(self, episode: int, observation: "Observation", action: Array | None) -> None:
        """See `forearm.agent.agent.PlanningModel`."""
        self.eyes.observe(episode, observation, action)

    def problem(self, episodes: Sequence[int]) -> "Problem":
        """See `forearm.agent.agent.PlanningModel`."""
        seen = self.eyes.problem(list(episodes))
        state = SeenState(seen.state.states, seen.state.actions, snapshots=self.env.snapshot()[None])
        dynamics: Any = seen.dynamics
        if self.cell.dynamics == TRUE:
            drawn = None if self.cell.cost == POSITIONS else self.eyes
            dynamics = TrueFutures(self.env, drawn, self.solved)
        objective = self._objective(seen.objective)
        if self.keep:
            objective = Recorded(objective)
            self.moments.append(Moment(objective, state, dynamics, self.env.distance(), seen))
        return replace(seen, dynamics=dynamics, objective=objective, state=state)

    def _objective(self, own_cost: Any) -> Any:
        if self.cell.cost == LATENT:
            return ByLatents(own_cost)
        if self.cell.cost == POSITIONS:
            return ByPositions(self.geometry)
        assert self.probe is not None
        return ByProbe(self.geometry, self.probe)
