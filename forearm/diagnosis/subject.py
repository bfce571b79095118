"""What is diagnosed: a contender's world model, planner and simulator, as one object."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from forearm.agent.absolute import AbsolutePlanner
from forearm.agent.agent import Agent
from forearm.diagnosis.cells import Cell, CellModel
from forearm.diagnosis.costs import PositionCost
from forearm.diagnosis.futures import Eyes, positions
from forearm.errors import ForearmError
from forearm.evaluation.closed_loop import Outcome, run_episodes
from forearm.evaluation.protocol import Rules, meets

if TYPE_CHECKING:
    from forearm.diagnosis.probe import Probe
    from forearm.envs import Environment
    from forearm.evaluation.manifest import HeldOutEpisode

Array = NDArray[np.float64]


@dataclass
class Subject:
    """A planner with its world model, and the simulator to hold them against.

    Attributes:
        env: the simulator.
        eyes: the world model.
        planner: the search; the same object in every cell.
        rules: how episodes begin and what counts as solved.
        replan_every: control steps carried out from each plan.
        max_steps: of an episode; None: the rules' or the task's.
    """

    env: "Environment"
    eyes: Eyes
    planner: Any
    rules: Rules
    replan_every: int
    max_steps: int | None = None

    @property
    def solved(self) -> "Callable[[Environment], bool]":
        """The rules' criterion, now."""
        return lambda env: meets(env, self.rules)

    def geometry(self, episode: "HeldOutEpisode") -> PositionCost:
        """Where things are at an episode's start, and where in its goal."""
        self.env.restore(np.asarray(episode.goal_state))
        goal = positions(self.env)
        self.env.restore(np.asarray(episode.start_state))
        return PositionCost(positions(self.env), goal)

    def run(
        self, cell: Cell, episode: "HeldOutEpisode", seed: int, probe: "Probe | None", keep: bool = False
    ) -> tuple[Outcome, CellModel]:
        """One episode in one cell; with `keep`, the planning model holds every plan's candidates."""
        planning_model = CellModel(cell, self.env, self.eyes, probe, self.solved, self.geometry(episode), keep)
        agent = Agent(self.planner, planning_model, self.replan_every)
        [outcome] = run_episodes(agent, [self.env], [episode], seed, self.max_steps, None, self.rules)
        return outcome, planning_model

    def expert_steps(self, episode: "HeldOutEpisode", rng: np.random.Generator) -> int | None:
        """Control steps in which the task's expert solves an episode; None where it does not, or there is none."""
        self.env.restore(np.asarray(episode.start_state))
        try:
            expert = self.env.expert(rng)
        except ValueError:
            return None
        for step in range(1, (self.max_steps or self.rules.max_steps or self.env.max_episode_steps) + 1):
            self.env.advance(np.asarray(expert.act(), np.float32))
            if self.solved(self.env):
                return step
        return None


def check_planner(planner: Any, name: str) -> None:
    """Raise `ForearmError` for a planner that cannot be diagnosed: one without a search, that wants gradients, or
    whose commands are absolute joint positions.
    """
    from forearm.planner import Planner

    if isinstance(planner, AbsolutePlanner):
        raise ForearmError("a model whose commands are absolute joint positions cannot be diagnosed yet")
    if not isinstance(planner, Planner):
        raise ForearmError(f"planner={name} does not search, so there is nothing to diagnose: choose another planner")
    if planner.differentiable or planner.uses_residuals:
        raise ForearmError(
            f"planner={name} follows gradients, and a simulator has none: "
            "diagnose one that samples, such as planner=cem"
        )
