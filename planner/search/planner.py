"""The base loop: what every planner that samples candidates shares.

    propose a mean (the previous plan, shifted) -> sample -> roll out -> cost -> update, until converged, done
    or out of time

An algorithm is a subclass with a `name`, a `config_type`, and three methods that read like its paper:
`initial`, `sample` and `update`. The loop owns bounds, warm start, proposals, candidate 0, costs that are not
finite, convergence, the deadline, the best sequence so far and the record. All state is in the immutable
distribution that the methods hand on.
"""

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import lru_cache
from itertools import accumulate
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from forearm.errors import InputError
from forearm.planner import checks
from forearm.planner.plan import Plan, Stopped, command_times
from forearm.planner.problem import Problem
from forearm.planner.proposals import Past, PreviousPlan, Proposal, propose, recall
from forearm.planner.sampling.action_space import ActionSpace
from forearm.planner.sampling.arrays import on_host
from forearm.planner.sampling.knots import make_knots
from forearm.planner.sampling.noise import Noise
from forearm.planner.search.config import MEAN, SearchConfig
from forearm.planner.search.deadline import Stopwatch
from forearm.planner.search.distribution import D, Distribution
from forearm.planner.search.evaluation import DeviceRecord, HostRecord, Record, Scores, cost_curve, evaluate
from forearm.planner.search.executed_mean import with_means

__all__ = ["Distribution", "Planner", "SearchConfig"]

logger = logging.getLogger(__name__)


C = TypeVar("C", bound=SearchConfig)


class Planner(ABC, Generic[D, C]):
    """A search over command sequences. `clock` returns seconds and is there to be replaced in tests.

    `proposals` provide a share of the candidates (`prior_share`) of problems that bring none of their own; by default,
    the previous plan.

    Stateless: two calls of `plan` with generators in the same state give the same plans, and B problems planned
    together the same as one by one, bit for bit, if the dynamics and the objective do. That is between calls on one
    processor, with one number of threads and one release of torch (`docs/numerics.md`); an accelerator may round by B.
    """

    name: ClassVar[str]
    config_type: ClassVar[type[SearchConfig]]
    differentiable: ClassVar[bool] = False  # a planner that wants gradients of the costs sets this
    differentiable_last: ClassVar[bool] = True  # False: of the last candidates it wants the costs alone
    uses_residuals: ClassVar[bool] = False  # a planner that wants what the costs are the squares of sets this
    proposals_last: ClassVar[bool] = True  # False: candidates go on from one iteration to the next, so only at first

    def __init__(
        self, config: C, clock: Callable[[], float] = time.perf_counter, proposals: Sequence[Proposal] = ()
    ) -> None:
        self.config = config
        self.clock = clock
        self.proposals = tuple(proposals) or (PreviousPlan(),)
        self._settings = asdict(config)

    @abstractmethod
    def initial(self, space: ActionSpace, mean: Tensor) -> D:
        """The distribution to start from, given a proposed `mean` (B, V, A) within the bounds."""

    @abstractmethod
    def sample(self, dist: D, space: ActionSpace, noise: Noise, iteration: int) -> Tensor:
        """Candidates (B, K, V, A) to try, a tensor of their own, in which the loop puts the mean as candidate 0.

        They need not keep the bounds; the loop clips them.
        """

    @abstractmethod
    def update(self, dist: D, space: ActionSpace, samples: Tensor, costs: Tensor) -> D:
        """The next distribution, given all candidates (B, K, V, A), clipped, and their finite costs (B,
        K).
        """

    def learn(self, dist: D, space: ActionSpace, samples: Tensor, scores: Scores) -> D:
        """The same, for what needs more than the costs."""
        return self.update(dist, space, samples, scores.finite)

    def resume(self, dist: D, past: Past) -> D:
        """The first distribution again, with what else is of use from the previous plans."""
        return dist

    def spread(self, dist: D, space: ActionSpace) -> Tensor:
        """How far around its mean a search still looks, (B,), in halves of a command's range.

        Infinite, so that it never counts as converged, for a search whose spread is not its own to shrink.
        """
        return torch.full((space.batch,), torch.inf, device=space.low.device)

    def hand_on(self, dist: D) -> tuple[Tensor, Tensor] | None:
        """Candidates (B, E, V, A) for the next plan to begin with, and their costs (B, E), or None."""
        return None

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
        with gradients() if self.differentiable else torch.inference_mode():
            plans = self._plan(problem, generators, previous, elapsed_steps, encode_ms)
        if self.config.execute == MEAN:
            plans = with_means(plans, problem, self.clock)
        if not self.config.polish:
            return plans
        from forearm.planner.algorithms.polish import polished

        return polished(plans, self.config, problem, generators, self.clock)

    def _plan(
        self,
        problem: Problem,
        generators: Sequence[Generator],
        previous: Sequence[Plan | None] | None,
        elapsed_steps: int,
        encode_ms: float,
    ) -> list[Plan]:
        config, batch, on_cpu = self.config, problem.batch, problem.low.is_cpu
        after = int(config.execute == MEAN)
        watch = Stopwatch(self.clock, encode_ms, config.deadline_ms, problem.low.device, after)
        if len(generators) != batch:
            raise InputError(f"{len(generators)} generators for {batch} problems; give one to each")
        space = search_space(config, problem)
        past = self._past(space, previous, elapsed_steps)
        noise = Noise(generators)
        dist = self.resume(self.initial(space, past.mean), past)
        has_curve = getattr(problem.objective, "curve", None) is not None
        record: Record = HostRecord(batch) if on_cpu else DeviceRecord()
        typical: list[Tensor] = []
        bad: list[Tensor] = []
        running = [True] * batch  # problems that have not converged ...
        converged = False  # ... and whether one has
        iterations = [config.iterations] * batch
        populations: list[int] = []
        stopped: Stopped = "iterations"
        for iteration in range(config.iterations):
            samples = self._candidates(problem, space, dist, past, noise, iteration)
            follow = self.differentiable and (self.differentiable_last or iteration + 1 < config.iterations)
            commands = space.commands(samples.requires_grad_() if follow else samples)
            watch.lap("select")
            trajectory, scores = self._evaluate(problem, commands, follow)
            watch.lap("rollout")
            record.add(scores, commands, trajectory if has_curve else None, running if converged else None)
            del trajectory, commands  # the next rollout can then have their memory
            learned = self._learned(dist, space, samples, scores)
            rows = torch.tensor(running, device=space.low.device) if converged else None
            if rows is not None:
                # Those that have converged keep what they had, whatever the others still do.
                learned = learned.where(rows, dist)
            dist = learned
            if scores.bad is not None:
                bad.append(scores.bad if rows is None else scores.bad * rows.to(scores.bad.device))
            populations.append(samples.shape[1])
            watch.lap("select")
            if iteration + 1 < config.iterations:
                if config.tolerance is not None:
                    typical.append(scores.finite.detach().median(dim=1).values)
                    for b in self._converged(dist, space, record.costs(), typical, config.tolerance):
                        if running[b]:
                            running[b], iterations[b] = False, iteration + 1
                    converged = not all(running)
                    if not any(running):
                        break
                if watch.no_time_for_another():
                    iterations = [iteration + 1 if running[b] else iterations[b] for b in range(batch)]
                    stopped = "deadline"
                    break
        best, costs = record.best(), record.costs()
        totals = list(accumulate(populations))
        evaluations = [totals[count - 1] for count in iterations]
        report_bad_costs(self.name, bad, evaluations)
        curves = cost_curve(problem.objective, best)
        actions = doubles(best.commands)[:, 0]
        mean = doubles(space.commands(space.clip_(dist.mean.detach().clone())))
        times = command_times(config.horizon, problem.control_period)
        elites = self._handed_on(dist, space)
        watch.lap("select")
        timings = watch.timings_ms()
        so_far = [list(accumulate((row[b] for row in costs), min)) for b in range(batch)]
        return [
            Plan.trusted(
                actions=actions[b],
                times=times,
                mean=mean[b],
                cost=so_far[b][-1],
                cost_per_iteration=so_far[b][: iterations[b]],
                model_evals=evaluations[b],
                iterations=iterations[b],
                timings_ms=dict(timings),
                planner=self.name,
                config=dict(self._settings),
                stopped=stopped if running[b] else "converged",
                deadline_ms=config.deadline_ms,
                seed=generators[b].initial_seed(),
                predicted_cost_curve=None if curves is None else curves[b],
                batch=batch,
                elites=elites[b],
            )
            for b in range(batch)
        ]

    def _past(self, space: ActionSpace, previous: Sequence[Plan | None] | None, elapsed_steps: int) -> Past:
        """The previous plans shifted in time; no plans at all without a warm start."""
        steps = checks.integer("elapsed_steps", elapsed_steps, 0)
        if previous is not None and len(previous) != space.batch:
            raise InputError(f"{len(previous)} previous plans for {space.batch} problems; give one or None to each")
        use = previous is not None and self.config.warm_start
        return recall(space, previous if use and previous is not None else [None] * space.batch, steps)

    def _candidates(
        self,
        problem: Problem,
        space: ActionSpace,
        dist: D,
        past: Past,
        noise: Noise,
        iteration: int,
    ) -> Tensor:
        """All candidates (B, K, V, A) of an iteration, within the bounds: the mean, samples, proposals."""
        samples = self.sample(dist, space, noise, iteration)
        wanted = self.config.prior_share and (self.proposals_last or iteration == 0)
        if wanted and (count := self.proposed(samples.shape[1] - 1)):
            drawn = propose(problem.proposals or self.proposals, problem, space, past, noise, count)
            samples = torch.cat((samples[:, : samples.shape[1] - count], drawn.to(samples.dtype)), dim=1)
        samples.select(1, 0).copy_(dist.mean)
        return space.clip_(samples)

    def proposed(self, others: int) -> int:
        """How many of `others` candidates come from proposals; they are the last ones."""
        return round(self.config.prior_share * others)

    def _evaluate(self, problem: Problem, commands: Tensor, follow: bool) -> tuple[Any, Scores]:
        """Trajectories and costs, with gradients if the search wants to `follow` them."""
        if self.differentiable and not follow:
            with torch.no_grad():
                return evaluate(problem, commands, None, self.uses_residuals)
        return evaluate(problem, commands, self.name if follow else None, self.uses_residuals)

    def _learned(self, dist: D, space: ActionSpace, samples: Tensor, scores: Scores) -> D:
        """Learn, except in problems without a single finite cost: nothing was learned there."""
        new = self.learn(dist, space, samples, scores)
        return new if scores.usable is None else new.where(scores.usable, dist)

    def _converged(
        self, dist: D, space: ActionSpace, costs: list[list[float]], typical: Sequence[Tensor], tolerance: float
    ) -> list[int]:
        """Which problems gain little more and look nowhere else, given the lowest `costs` (N, B) of N iterations."""
        if len(costs) < 2:
            return []
        record = torch.tensor(costs, dtype=torch.float64).cummin(dim=0).values
        first, before, now = record[0], record[-2], record[-1]
        little = before - now <= tolerance * (first - now)  # never where no cost was finite: inf - inf
        share = self.config.spread_tolerance
        narrow = (self.spread(dist, space) <= share).to(little.device)
        # Strictly: that all costs are the same does not say that nothing is to be found.
        middle, usual = (costs.to(now) for costs in (typical[-1], typical[0]))
        level = middle - now < share * (usual - now)
        done: list[bool] = (little & (narrow | level)).tolist()
        return [b for b, yes in enumerate(done) if yes]

    def _handed_on(self, dist: D, space: ActionSpace) -> list[NDArray[np.float64] | None]:
        """Elites (E, H, A) of each problem that has some with a finite cost."""
        elites = self.hand_on(dist)
        if elites is None:
            return [None] * space.batch
        commands = space.commands(elites[0]).double().cpu().numpy()
        finite = torch.isfinite(elites[1]).cpu().numpy()
        return [commands[b][finite[b]] if finite[b].any() else None for b in range(space.batch)]


@contextmanager
def gradients() -> Iterator[None]:
    """Gradients, wherever this is called from."""
    with torch.inference_mode(False), torch.enable_grad():
        yield


def doubles(values: Tensor) -> NDArray[np.float64]:
    """Numbers for a plan, in memory of their own."""
    if on_host(values):
        return values.numpy().astype(np.float64)
    return np.array(values.double().cpu().numpy())


def search_space(config: SearchConfig, problem: Problem) -> ActionSpace:
    """The space that a config searches in a problem; raises `ValueError` for knots beyond the horizon."""
    period = problem.control_period * config.action_repeat
    return _space(
        tuple(problem.low.tolist()), tuple(problem.high.tolist()), problem.low.dtype, problem.low.device,
        config.horizon, config.action_repeat, problem.batch,
        None if config.knots is None else (config.knots, config.interpolation, period),
        torch.is_inference_mode_enabled(),
    )  # fmt: skip


@lru_cache(maxsize=64)
def _space(
    low: tuple[float, ...],
    high: tuple[float, ...],
    dtype: torch.dtype,
    device: torch.device,
    horizon: int,
    repeat: int,
    batch: int,
    curve: tuple[int | tuple[float, ...], str, float] | None,
    inference: bool,
) -> ActionSpace:
    """Kept from plan to plan with what it has worked out; apart for those that want gradients, as tensors made in
    inference mode do not serve them.
    """
    with torch.inference_mode(False):
        least, most = (torch.tensor(bound, dtype=dtype, device=device) for bound in (low, high))
    space = ActionSpace(least, most, horizon, repeat, batch)
    if curve is None:
        return space
    knots, interpolation, period = curve
    return replace(space, knots=make_knots(knots, interpolation, space.slots, period))


def report_bad_costs(name: str, bad: list[Tensor], evaluations: list[int]) -> None:
    """Warn once per plan when costs were not finite. `bad` holds counts (B,) per iteration, `evaluations`
    the number of costs of each problem.
    """
    counts: list[int] = torch.stack(bad).sum(0).tolist() if bad else []
    if any(counts):
        hopeless = sum(count == all_ for count, all_ in zip(counts, evaluations, strict=True))
        logger.warning(
            "%s: %d of %d costs were NaN or infinite and count as the worst finite one; "
            "%d of %d problems had no finite cost at all",
            name, sum(counts), sum(evaluations), hopeless, len(counts),
        )  # fmt: skip
