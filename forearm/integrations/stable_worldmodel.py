"""stable-worldmodel's own solvers as planners here: `planner=forearm.integrations.stable_worldmodel:CEM`.

The package is imported when a solver is made. Its solvers search between -1 and 1, which are the bounds of each command
here. Some of them keep no bounds: candidates and what is returned are clipped, as no other command can be carried out.
"""

import contextlib
import importlib
import io
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Generator, Tensor

from forearm.common import checks
from forearm.errors import ForearmError, InputError
from forearm.planner import Plan, Problem
from forearm.planner.plan import command_times
from forearm.planner.problem import as_tensor


@dataclass(frozen=True, kw_only=True)
class SolverConfig:
    """Settings of every solver; its other ones are as stable-worldmodel has them. Raises `ValueError` for odd ones.

    Attributes:
        horizon: control steps looked ahead.
        action_repeat: control steps that a searched action is held; divides the horizon.
        samples: candidates in an iteration (num_samples).
        iterations: how many (n_steps).
        elites: best candidates that are learned from (topk).
        std: spread of the first candidates, as a share of half of the range of a command (var_scale).
        warm_start: begin with what is left of the plan before.
    """

    horizon: int = checks.setting(12, checks.integer, least=1)
    action_repeat: int = checks.setting(1, checks.integer, least=1)
    samples: int = checks.setting(300, checks.integer, least=2)
    iterations: int = checks.setting(30, checks.integer, least=1)
    elites: int = checks.setting(30, checks.integer, least=2)
    std: float = checks.setting(1.0, checks.real, above=0.0)
    warm_start: bool = True

    def __post_init__(self) -> None:
        """Check the settings; raises `ValueError`."""
        checks.settings(self)
        if self.horizon % self.action_repeat:
            raise InputError(f"action_repeat={self.action_repeat} must divide horizon={self.horizon}")
        if self.elites > self.samples:
            raise InputError(f"elites ({self.elites}) is larger than samples ({self.samples})")


@dataclass(frozen=True, kw_only=True)
class MPPIConfig(SolverConfig):
    """Those of MPPI.

    Attributes:
        temperature: of the weights of its average.
    """

    temperature: float = checks.setting(0.5, checks.real, above=0.0)


class Solver:
    """A solver of stable-worldmodel; one problem at a time, as the problems of a batch share its random numbers."""

    name: ClassVar[str]
    solver: ClassVar[str]
    config_type: ClassVar[type[SolverConfig]] = SolverConfig

    def __init__(self, config: SolverConfig) -> None:
        self.config = config
        try:
            kind = getattr(importlib.import_module("stable_worldmodel.solver"), self.solver)
        except ImportError as error:
            raise ForearmError(f"planner {self.name} needs stable-worldmodel ({error}): install it") from None
        named = {"num_samples": config.samples, "n_steps": config.iterations, "topk": config.elites}
        more = {"temperature": config.temperature} if isinstance(config, MPPIConfig) else {}
        self._solver = kind(self, **named, var_scale=config.std, **more)
        self._problem: Problem | None = None
        self._dims = 0

    def plan(
        self,
        problem: Problem,
        generators: Sequence[Generator],
        previous: Sequence[Plan | None] | None = None,
        elapsed_steps: int = 1,
        encode_ms: float = 0.0,
    ) -> list[Plan]:
        """One plan; raises `ValueError` for more problems than one."""
        if problem.batch != 1:
            raise InputError(f"planner {self.name} plans one episode at a time, not {problem.batch}: give batch=1")
        started = time.perf_counter()
        self._problem = problem
        self._configure(len(problem.low))
        self._solver.torch_gen.manual_seed(int(torch.randint(2**62, (), generator=generators[0])))
        last = previous[0] if previous else None
        with contextlib.redirect_stdout(io.StringIO()):  # its solvers print how long they took
            found = self._solver.solve({"state": torch.zeros(1, 1)}, self._rest_of(last, elapsed_steps))["actions"]
        commands = self._commands(found[:, None])
        cost = float(self._cost(commands)[0, 0])
        actions = commands[0, 0].double().numpy()
        spent = encode_ms + 1e3 * (time.perf_counter() - started)
        config = self.config
        return [
            Plan(
                actions=actions,
                times=command_times(config.horizon, problem.control_period),
                mean=actions,
                cost=cost if np.isfinite(cost) else float("inf"),
                cost_per_iteration=[cost] * config.iterations,
                model_evals=config.samples * config.iterations,
                iterations=config.iterations,
                timings_ms={"encode": encode_ms, "rollout": 0.0, "select": 0.0, "total": spent},
                planner=self.name,
                config=asdict(config),
                seed=generators[0].initial_seed(),
            )
        ]

    def get_cost(self, info: Any, candidates: Tensor) -> Tensor:
        """What a solver asks of its model: costs (1, K) of candidates (1, K, V, A) between -1 and 1."""
        return self._cost(self._commands(candidates))

    def _cost(self, commands: Tensor) -> Tensor:
        assert self._problem is not None
        trajectory = self._problem.dynamics.rollout(self._problem.state, commands)
        return as_tensor(self._problem.objective.cost(trajectory, commands), commands.device)

    def _commands(self, candidates: Tensor) -> Tensor:
        """(1, K, H, A) in the units of the commands."""
        assert self._problem is not None
        low, high = self._problem.low, self._problem.high
        inside = candidates.to(low).clamp(-1.0, 1.0).repeat_interleave(self.config.action_repeat, dim=2)
        return low + (inside + 1.0) / 2 * (high - low)

    def _configure(self, dims: int) -> None:
        if dims == self._dims:
            return
        from gymnasium.spaces import Box

        space = Box(-1.0, 1.0, (1, dims), np.float32)  # the first axis is that of the environments
        variables = self.config.horizon // self.config.action_repeat
        self._solver.configure(action_space=space, n_envs=1, config=SimpleNamespace(horizon=variables, action_block=1))
        self._dims = dims

    def _rest_of(self, plan: Plan | None, elapsed_steps: int) -> Tensor | None:
        """What is left of the last plan, (1, V', A) between -1 and 1."""
        if plan is None or not self.config.warm_start:
            return None
        assert self._problem is not None
        low, high = self._problem.low, self._problem.high
        rest = torch.as_tensor(plan.mean[elapsed_steps :: self.config.action_repeat]).to(low)
        return (2 * (rest - low) / (high - low) - 1)[None] if len(rest) else None


class CEM(Solver):
    """Its cross-entropy method."""

    name, solver = "stable-worldmodel CEM", "CEMSolver"


class ICEM(Solver):
    """Its iCEM."""

    name, solver = "stable-worldmodel iCEM", "ICEMSolver"


class MPPI(Solver):
    """Its MPPI."""

    name, solver, config_type = "stable-worldmodel MPPI", "MPPISolver", MPPIConfig
