"""The base loop: what every planner that samples candidates shares.

    propose a mean (the previous plan, shifted) -> sample -> roll out -> cost -> update, until done or out
    of time

An algorithm is a subclass with a `name`, a `config_type`, and three methods that read like its paper:
`initial`, `sample` and `update`. The loop owns bounds, warm start, candidate 0, costs that are not
finite, the deadline, the best sequence so far and the record. All state is in the immutable distribution
that the methods hand on.
"""

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import ClassVar, Generic, TypeVar

import numpy as np
import torch
from torch import Generator, Tensor

from planner import checks
from planner.actions import ActionSpace, shift
from planner.evaluation import Best, Scores, cost_curve, score
from planner.plan import Plan, Stopped, command_times
from planner.problem import Problem

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class SearchConfig:
    """Settings of every planner; raises `ValueError` when they contradict each other.

    `horizon` is in control steps. `samples` is the number of candidates per iteration and problem,
    candidate 0 (the current mean) included. `action_repeat` is the number of control steps that one
    search variable is held. `deadline_ms`, if given, ends the search after the iteration beyond which it
    would be missed. `warm_start` says whether the previous plan is the first proposal of the next.
    """

    horizon: int = 10
    samples: int = 128
    iterations: int = 5
    action_repeat: int = 1
    deadline_ms: float | None = None
    warm_start: bool = True

    def __post_init__(self) -> None:
        """Check the settings; raises `ValueError`."""
        object.__setattr__(self, "horizon", checks.integer("horizon", self.horizon, 1))
        object.__setattr__(self, "samples", checks.integer("samples", self.samples, 2))
        object.__setattr__(self, "iterations", checks.integer("iterations", self.iterations, 1))
        object.__setattr__(self, "action_repeat", checks.integer("action_repeat", self.action_repeat, 1))
        if self.action_repeat > self.horizon:
            raise ValueError(f"action_repeat ({self.action_repeat}) is larger than horizon ({self.horizon})")
        if self.deadline_ms is not None:
            object.__setattr__(self, "deadline_ms", checks.real("deadline_ms", self.deadline_ms, above=0.0))
        checks.flag("warm_start", self.warm_start)


@dataclass(frozen=True)
class Distribution:
    """What a search believes. `mean` (B, V, A) is its proposal; subclasses add fields, tensors with
    leading B.
    """

    mean: Tensor

    def where(self: "D", learned: Tensor, old: "D") -> "D":
        """Self in the problems where `learned` (B,) holds, and the `old` distribution in the others."""
        rows = {}
        for field in fields(self):
            new, before = getattr(self, field.name), getattr(old, field.name)
            if isinstance(new, Tensor) and isinstance(before, Tensor) and new.shape == before.shape:
                rows[field.name] = torch.where(learned.view(-1, *[1] * (new.ndim - 1)), new, before)
        return replace(self, **rows)


D = TypeVar("D", bound=Distribution)
C = TypeVar("C", bound=SearchConfig)


class Planner(ABC, Generic[D, C]):
    """A search over command sequences. `clock` returns seconds and is there to be replaced in tests.

    Stateless: two calls of `plan` with generators in the same state give the same plans, and B problems
    planned together give the same plans as one by one, bit for bit, if the dynamics and the objective do.
    """

    name: ClassVar[str]
    config_type: ClassVar[type[SearchConfig]]
    differentiable: ClassVar[bool] = False  # a planner that wants gradients of the costs sets this

    def __init__(self, config: C, clock: Callable[[], float] = time.perf_counter) -> None:
        self.config = config
        self.clock = clock

    @abstractmethod
    def initial(self, space: ActionSpace, mean: Tensor) -> D:
        """The distribution to start from, given a proposed `mean` (B, V, A) within the bounds."""

    @abstractmethod
    def sample(self, dist: D, space: ActionSpace, generators: Sequence[Generator], iteration: int) -> Tensor:
        """Candidates (B, K - 1, V, A) to try beside the mean, which the loop puts in front as candidate 0.

        They need not keep the bounds; the loop clips them. Noise for problem b comes from `generators[b]`
        only.
        """

    @abstractmethod
    def update(self, dist: D, space: ActionSpace, samples: Tensor, costs: Tensor) -> D:
        """The next distribution, given all candidates (B, K, V, A), clipped, and their finite costs (B,
        K).
        """

    def plan(
        self,
        problem: Problem,
        generators: Sequence[Generator],
        previous: Sequence[Plan | None] | None = None,
        elapsed_steps: int = 1,
        encode_ms: float = 0.0,
    ) -> list[Plan]:
        """Plan all B problems and return B plans; nothing is executed.

        `generators` holds one random stream per problem. `previous` holds the plans made `elapsed_steps`
        control steps ago (None where there is none): shifted by that much, their means are the first
        proposals. `encode_ms` is time already spent on this plan, which counts against the deadline.

        Raises `ValueError` for generators or previous plans that do not fit the problem, and for costs of
        the wrong shape. Costs that are NaN or infinite count as the worst finite one and are reported in
        one warning.
        """
        with torch.inference_mode(not self.differentiable), torch.set_grad_enabled(self.differentiable):
            return self._plan(problem, generators, previous, elapsed_steps, encode_ms)

    def _plan(
        self,
        problem: Problem,
        generators: Sequence[Generator],
        previous: Sequence[Plan | None] | None,
        elapsed_steps: int,
        encode_ms: float,
    ) -> list[Plan]:
        watch = Stopwatch(self.clock, encode_ms, self.config.deadline_ms, problem.low.device)
        if len(generators) != problem.batch:
            raise ValueError(f"{len(generators)} generators for {problem.batch} problems; give one to each")
        config = self.config
        space = ActionSpace(problem.low, problem.high, config.horizon, config.action_repeat, problem.batch)
        dist = self.initial(space, self._proposal(space, previous, elapsed_steps))
        has_curve = getattr(problem.objective, "curve", None) is not None
        best: Best | None = None
        record: list[Tensor] = []
        bad: list[Tensor] = []
        evaluations = 0
        stopped: Stopped = "iterations"
        for iteration in range(config.iterations):
            others = self.sample(dist, space, generators, iteration)
            samples = space.clip(torch.cat((dist.mean[:, None], others), dim=1))
            commands = space.commands(samples)
            watch.lap("select")
            trajectory = problem.dynamics.rollout(problem.state, commands)
            scores = score(problem.objective, trajectory, commands)
            watch.lap("rollout")
            best = Best.of(scores, commands, trajectory if has_curve else None).or_better(best)
            del trajectory  # so that the next one takes its place, which is still in the cache
            dist = self._learn(dist, space, samples, scores)
            record.append(best.cost)
            bad.append(scores.bad)
            evaluations += samples.shape[1]
            watch.lap("select")
            if iteration + 1 < config.iterations and watch.no_time_for_another():
                stopped = "deadline"
                break
        assert best is not None
        report_bad_costs(self.name, bad, evaluations * problem.batch, problem.batch)
        curves = cost_curve(problem.objective, best)
        means = space.commands(space.clip(dist.mean))
        costs = torch.stack(record, dim=1).double().cpu().numpy()
        actions, mean = best.commands.double().cpu().numpy(), means.detach().double().cpu().numpy()
        watch.lap("select")
        timings = watch.timings_ms()
        return [
            Plan(
                actions=actions[b],
                times=command_times(config.horizon, problem.control_period),
                mean=mean[b],
                cost=float(costs[b, -1]),
                cost_per_iteration=costs[b].tolist(),
                model_evals=evaluations,
                iterations=len(record),
                timings_ms=dict(timings),
                planner=self.name,
                config=asdict(config),
                stopped=stopped,
                deadline_ms=config.deadline_ms,
                seed=generators[b].initial_seed(),
                predicted_cost_curve=None if curves is None else curves[b],
                batch=problem.batch,
            )
            for b in range(problem.batch)
        ]

    def _proposal(self, space: ActionSpace, previous: Sequence[Plan | None] | None, elapsed_steps: int) -> Tensor:
        """The first mean (B, V, A): the previous plans shifted in time, or the middle of the bounds."""
        steps = checks.integer("elapsed_steps", elapsed_steps, 0)
        if previous is not None and len(previous) != space.batch:
            raise ValueError(f"{len(previous)} previous plans for {space.batch} problems; give one or None to each")
        middle = space.middle.double().cpu().numpy()
        nothing = np.zeros((0, space.dims))
        rows = []
        for b in range(space.batch):
            old = previous[b] if previous is not None and self.config.warm_start else None
            if old is not None and old.mean.shape[1] != space.dims:
                found = old.mean.shape[1]
                raise ValueError(f"previous plan {b} has {found} action dimensions, the problem {space.dims}")
            rows.append(shift(nothing if old is None else old.mean, steps, space.horizon, middle))
        return space.from_commands(np.stack(rows))

    def _learn(self, dist: D, space: ActionSpace, samples: Tensor, scores: Scores) -> D:
        """Update, except in problems without a single finite cost: nothing was learned there."""
        new = self.update(dist, space, samples, scores.finite)
        return new if scores.all_good else new.where(scores.usable, dist)


class Stopwatch:
    """Adds up laps by name, and judges whether the deadline leaves time for one more iteration."""

    def __init__(
        self, clock: Callable[[], float], encode_ms: float, deadline_ms: float | None, device: torch.device
    ) -> None:
        self.clock, self.deadline_ms = clock, deadline_ms
        self.encode_ms = checks.real("encode_ms", encode_ms, least=0.0)
        # Work queued on an accelerator must have been done before the time left can be judged.
        self.wait = deadline_ms is not None and device.type == "cuda"
        self.device = device
        self.started = self.last = self.iteration = clock()
        self.laps = {"rollout": 0.0, "select": 0.0}

    def lap(self, name: str) -> None:
        """Add the time since the last lap to `name`."""
        now = self.clock()
        self.laps[name] += now - self.last
        self.last = now

    def no_time_for_another(self) -> bool:
        """Called after each iteration: would another one, as long as this one, miss the deadline?"""
        if self.deadline_ms is None:
            return False
        if self.wait:
            torch.cuda.synchronize(self.device)
        now = self.clock()
        length, self.iteration = now - self.iteration, now
        return self.encode_ms + 1e3 * (now - self.started + length) > self.deadline_ms

    def timings_ms(self) -> dict[str, float]:
        """Milliseconds spent: `encode` (as told), `rollout` (model and cost), `select` (the rest),
        `total`.
        """
        laps = {name: 1e3 * seconds for name, seconds in self.laps.items()}
        return {"encode": self.encode_ms, **laps, "total": self.encode_ms + sum(laps.values())}


def report_bad_costs(name: str, bad: list[Tensor], evaluations: int, batch: int) -> None:
    """Warn once per plan when costs were not finite. `bad` holds counts (B,) per iteration."""
    counts: list[int] = torch.stack(bad).sum(0).tolist()
    if any(counts):
        hopeless = sum(count * batch == evaluations for count in counts)
        logger.warning(
            "%s: %d of %d costs were NaN or infinite and count as the worst finite one; "
            "%d of %d problems had no finite cost at all",
            name, sum(counts), evaluations, hopeless, batch,
        )  # fmt: skip
