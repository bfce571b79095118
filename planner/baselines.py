"""Baselines, which do not plan: random commands and holding still, floors to compare planners with, and imitation.

They answer the same call as a planner, so that whatever runs a planner runs them.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
import torch
from torch import Generator, Tensor

from forearm.common import checks
from forearm.errors import InputError
from forearm.planner.plan import Plan, command_times
from forearm.planner.problem import Problem
from forearm.planner.proposals import no_past, propose
from forearm.planner.sampling.action_space import ActionSpace
from forearm.planner.sampling.noise import Noise


@dataclass(frozen=True, kw_only=True)
class BaselineConfig:
    """Settings of every baseline; raises `ValueError` when they cannot be.

    Attributes:
        horizon: control steps of commands that are given at once.
    """

    horizon: int = checks.setting(1, checks.integer, least=1)

    def __post_init__(self) -> None:
        """Check the settings; raises `ValueError`."""
        checks.settings(self)


@dataclass(frozen=True, kw_only=True)
class HoldConfig(BaselineConfig):
    """Settings of `hold`.

    Attributes:
        command: what to repeat, in the units of the commands; a number, or one per action dimension.
    """

    command: float | tuple[float, ...] = checks.setting(0.0, checks.reals, least=-np.inf)


C = TypeVar("C", bound=BaselineConfig)


class Baseline(ABC, Generic[C]):
    """Commands without a search: nothing is rolled out and nothing predicted."""

    name: ClassVar[str]
    config_type: ClassVar[type[BaselineConfig]]

    def __init__(self, config: C) -> None:
        self.config = config

    @abstractmethod
    def act(self, problem: Problem, generators: Sequence[Generator]) -> Tensor:
        """Commands (B, H, A) within the bounds."""

    def plan(
        self,
        problem: Problem,
        generators: Sequence[Generator],
        previous: Sequence[Plan | None] | None = None,
        elapsed_steps: int = 1,
        encode_ms: float = 0.0,
    ) -> list[Plan]:
        """B plans with an infinite cost, no iterations and no model evaluations; `previous` does not
        matter.
        """
        if len(generators) != problem.batch:
            raise InputError(f"{len(generators)} generators for {problem.batch} problems; give one to each")
        with torch.inference_mode():
            commands = torch.clamp(self.act(problem, generators), problem.low, problem.high)
        actions = commands.double().cpu().numpy()
        timings = {"encode": encode_ms, "rollout": 0.0, "select": 0.0, "total": encode_ms}
        config: dict[str, Any] = asdict(self.config)
        return [
            Plan(
                actions=actions[b],
                times=command_times(self.config.horizon, problem.control_period),
                mean=actions[b],
                cost=float("inf"),
                cost_per_iteration=[],
                model_evals=0,
                iterations=0,
                timings_ms=timings,
                planner=self.name,
                config=config,
                seed=generators[b].initial_seed(),
                batch=problem.batch,
            )
            for b in range(problem.batch)
        ]


class RandomBaseline(Baseline[BaselineConfig]):
    """Uniform between the bounds, every step on its own."""

    name = "random"
    config_type = BaselineConfig

    def act(self, problem: Problem, generators: Sequence[Generator]) -> Tensor:
        """Uniform commands (B, H, A); those of problem b come from `generators[b]` only."""
        shape = (self.config.horizon, problem.low.shape[0])
        return Noise(generators).uniform(shape, problem.low) * (problem.high - problem.low) + problem.low


class HoldBaseline(Baseline[HoldConfig]):
    """The same command for ever, zero unless told otherwise.

    That holds an arm still where a command is a displacement from what was commanded last. Elsewhere only the
    environment knows what does: `forearm compare` asks its `hold()`.
    """

    name = "hold"
    config_type = HoldConfig

    def act(self, problem: Problem, generators: Sequence[Generator]) -> Tensor:
        """The configured command, or the nearest within the bounds, (B, H, A); `ValueError` if it does
        not fit A.
        """
        dims = problem.low.shape[0]
        command = checks.per_dimension(self.config.command)
        if len(command) not in (1, dims):
            raise InputError(f"command has {len(command)} numbers but an action has {dims} dimensions")
        row = torch.tensor(command, dtype=problem.low.dtype, device=problem.low.device)
        return row.expand(problem.batch, self.config.horizon, dims)


class PriorBaseline(Baseline[BaselineConfig]):
    """What the learned prior proposes first, without a search: imitation, beside which a search must show its worth."""

    name = "prior"
    config_type = BaselineConfig

    def act(self, problem: Problem, generators: Sequence[Generator]) -> Tensor:
        """The first candidate (B, H, A) of the problem's proposals; raises `ValueError` where there are none."""
        if not problem.proposals:
            raise InputError("baseline 'prior' follows the problem's proposals, but the problem has none: give it some")
        space = ActionSpace(problem.low, problem.high, self.config.horizon, 1, problem.batch)
        first = propose(problem.proposals, problem, space, no_past(space), Noise(generators), 1)
        return space.commands(space.clip(first))[:, 0]
