"""One run of a search: what it is asked, and how far each of its problems has come."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache

import torch
from torch import Generator, Tensor

from forearm.common import checks
from forearm.errors import InputError
from forearm.planner.plan import Plan, Stopped
from forearm.planner.problem import Past, Problem
from forearm.planner.proposals import recall
from forearm.planner.sampling.action_space import ActionSpace
from forearm.planner.sampling.knots import make_knots
from forearm.planner.sampling.noise import Noise
from forearm.planner.search.config import SearchConfig
from forearm.planner.search.deadline import Stopwatch
from forearm.planner.search.evaluation import Scores
from forearm.planner.search.record import DeviceRecord, HostRecord, Record

logger = logging.getLogger(__name__)


class Run:
    """One call of `plan` for B problems: its space, past, noise, stopwatch and record, and what was counted.

    `running` says which problems have not converged, and so does `rows` (B,), as a tensor; both are None while all run.
    `after` more evaluations follow the search. `bad` holds how many costs of each problem were not finite, (B,) per
    iteration, if any were.

    Raises `ValueError` for generators, previous plans and times that do not fit, and for knots beyond the horizon.
    """

    def __init__(
        self,
        config: SearchConfig,
        problem: Problem,
        generators: Sequence[Generator],
        previous: Sequence[Plan | None] | None,
        elapsed_steps: int,
        encode_ms: float,
        clock: Callable[[], float],
        after: int = 0,
    ) -> None:
        batch, device = problem.batch, problem.low.device
        self.config, self.problem, self.generators = config, problem, generators
        self.watch = Stopwatch(clock, encode_ms, config.deadline_ms, device, after)
        if len(generators) != batch:
            raise InputError(f"{len(generators)} generators for {batch} problems; give one to each")
        self.space = search_space(config, problem)
        self.past = past_of(config, self.space, previous, elapsed_steps)
        self.noise = Noise(generators)
        self.record: Record = HostRecord(batch) if problem.low.is_cpu else DeviceRecord()
        self.has_curve = getattr(problem.objective, "curve", None) is not None
        self.running: list[bool] | None = None
        self.rows: Tensor | None = None
        self.bad: list[Tensor] = []
        self.stopped: Stopped = "iterations"
        self._candidates: list[int] = []  # of each iteration
        self._converged_after: dict[int, int] = {}  # iterations, by problem
        self._typical: list[Tensor] = []  # the median costs (B,) of each iteration

    def count(self, scores: Scores, candidates: int) -> None:
        """Note an iteration of so many candidates to each problem that is still running."""
        self._candidates.append(candidates)
        if scores.bad is not None:
            self.bad.append(scores.bad if self.rows is None else scores.bad * self.rows.to(scores.bad.device))
        self.watch.lap("select")

    def converged(self, scores: Scores, spread: Callable[[], Tensor], tolerance: float) -> bool:
        """Whether no problem is left that goes on; those with nothing more to find no longer do.

        They gain little, by the `tolerance`, and look nowhere else, by the `spread` (B,) or their candidates' costs.
        """
        self._typical.append(scores.finite.detach().median(dim=1).values)
        if len(self._typical) < 2:
            return False
        record = torch.tensor(self.record.costs(), dtype=torch.float64).cummin(dim=0).values
        first, before, now = record[0], record[-2], record[-1]
        little = before - now <= tolerance * (first - now)  # never where no cost was finite: inf - inf
        share = self.config.spread_tolerance
        narrow = (spread() <= share).to(little.device)
        # Strictly: that all costs are the same does not say that nothing is to be found.
        middle, usual = (costs.to(now) for costs in (self._typical[-1], self._typical[0]))
        level = middle - now < share * (usual - now)
        for b, done in enumerate((little & (narrow | level)).tolist()):
            if done:
                self._converged_after.setdefault(b, len(self._candidates))
        if self._converged_after:
            self.running = [b not in self._converged_after for b in range(self.space.batch)]
            self.rows = torch.tensor(self.running, device=self.space.low.device)
        return len(self._converged_after) == self.space.batch

    @property
    def iterations(self) -> list[int]:
        """How many each problem has had (B), until it converged."""
        return [self._converged_after.get(b, len(self._candidates)) for b in range(self.space.batch)]

    def evaluations(self, iterations: Sequence[int]) -> list[int]:
        """How many candidates each problem has had evaluated in its `iterations` (B)."""
        return [sum(self._candidates[:count]) for count in iterations]

    def out_of_time(self) -> bool:
        """Whether another iteration would miss the deadline, which then is why the search stopped."""
        if not self.watch.no_time_for_another():
            return False
        self.stopped = "deadline"
        return True


def past_of(
    config: SearchConfig, space: ActionSpace, previous: Sequence[Plan | None] | None, elapsed_steps: int
) -> Past:
    """The previous plans shifted in time; no plans at all without a warm start."""
    steps = checks.integer("elapsed_steps", elapsed_steps, 0)
    if previous is not None and len(previous) != space.batch:
        raise InputError(f"{len(previous)} previous plans for {space.batch} problems; give one or None to each")
    if previous is None or not config.warm_start:
        previous = [None] * space.batch
    return recall(space, previous, steps)


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
