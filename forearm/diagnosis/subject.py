"""What is diagnosed: a row's world model, planner and simulator, as one object."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from forearm.agent.agent import Agent, Observation
from forearm.diagnosis.cells import Cell, CellImagination
from forearm.diagnosis.costs import PositionCost
from forearm.diagnosis.futures import Eyes, positions
from forearm.errors import ForearmError
from forearm.evaluation.closed_loop import Outcome, run_episodes
from forearm.evaluation.protocol import Rules, meets

if TYPE_CHECKING:
    from forearm.agent.latent import LatentPlanningModel
    from forearm.diagnosis.probe import Probe
    from forearm.envs import Environment
    from forearm.evaluation.manifest import Episode
    from forearm.world_model.model.jepa import JEPA
    from forearm.world_model.runtime.latent_dynamics import LatentState

Array = NDArray[np.float64]


class LatentEyes:
    """A latent imagination and the encoder it looks through."""

    def __init__(self, planning_model: "LatentPlanningModel", model: "JEPA") -> None:
        self._planning_model, self._model = planning_model, model
        self.frameskip = model.config.frameskip
        self.fingerprint = planning_model.fingerprint

    @torch.inference_mode()
    def encode(self, frames: NDArray[np.uint8]) -> torch.Tensor:
        """Latents (N, D) of frames (N, R, R, 3)."""
        return self._model.encode(np.ascontiguousarray(frames))

    def begin(self, goals: list[NDArray[np.uint8]]) -> None:
        """See `forearm.agent.agent.Imagination`."""
        self._planning_model.begin(goals)

    def observe(self, episode: int, observation: Observation, action: Array | None) -> None:
        """See `forearm.agent.agent.Imagination`."""
        self._planning_model.observe(episode, observation, action)

    def problem(self, episodes: list[int]) -> "tuple[Any, Any, LatentState]":
        """See `forearm.agent.agent.Imagination`."""
        return self._planning_model.problem(episodes)

    def toward(self, goals: torch.Tensor, last_actions: list[Array]) -> Any:
        """See `Eyes`."""
        return self._planning_model.toward(goals, last_actions)

    def proposals(self, episodes: list[int]) -> tuple[Any, ...]:
        """See `forearm.agent.agent.Imagination`."""
        return self._planning_model.proposals(episodes)


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

    def geometry(self, episode: "Episode") -> PositionCost:
        """Where things are at an episode's start, and where in its goal."""
        self.env.restore(np.asarray(episode.goal_state))
        goal = positions(self.env)
        self.env.restore(np.asarray(episode.start_state))
        return PositionCost(positions(self.env), goal)

    def run(
        self, cell: Cell, episode: "Episode", seed: int, probe: "Probe | None", keep: bool = False
    ) -> tuple[Outcome, CellImagination]:
        """One episode in one cell; with `keep`, the imagination holds every plan's candidates."""
        planning_model = CellImagination(cell, self.env, self.eyes, probe, self.solved, self.geometry(episode), keep)
        low, high = self.env.action_space.low, self.env.action_space.high
        agent = Agent(self.planner, planning_model, low, high, self.env.control_period, self.replan_every)
        [outcome] = run_episodes(agent, [self.env], [episode], seed, self.max_steps, None, self.rules)
        return outcome, planning_model

    def expert_steps(self, episode: "Episode", rng: np.random.Generator) -> int | None:
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
    """Raise `ForearmError` for a planner that cannot be diagnosed: one without a search, or that wants gradients."""
    from forearm.planner import Planner

    if not isinstance(planner, Planner):
        raise ForearmError(f"planner={name} does not search, so there is nothing to diagnose: choose another planner")
    if planner.differentiable or planner.uses_residuals:
        raise ForearmError(
            f"planner={name} follows gradients, and a simulator has none: "
            "diagnose one that samples, such as planner=cem"
        )
