"""The base loop: what every planner that samples candidates shares.

    propose a mean (the previous plan, shifted) -> draw -> evaluate (roll out, cost, record) -> learn, until converged,
    done or out of time -> plans

An algorithm is a subclass with a `name`, a `config_type`, and three methods that read like its paper:
`initial`, `sample` and `update`. The loop owns bounds, warm start, proposals, candidate 0, costs that are not
finite, convergence, the deadline, the best sequence so far and the record. All state is in the immutable
distribution that the methods hand on.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from forearm.planner.plan import Plan, command_times
from forearm.planner.problem import Past, Problem, Proposal
from forearm.planner.proposals import PreviousPlan, propose
from forearm.planner.pytree import all_arrays
from forearm.planner.sampling.action_space import ActionSpace
from forearm.planner.sampling.arrays import on_host
from forearm.planner.sampling.noise import Noise
from forearm.planner.search.config import MEAN, SearchConfig
from forearm.planner.search.distribution import D
from forearm.planner.search.evaluation import Scores, evaluate, evaluate_with_gradients
from forearm.planner.search.executed_mean import with_means
from forearm.planner.search.gate import gated, margin_of
from forearm.planner.search.record import cost_curve
from forearm.planner.search.run import Run, report_bad_costs

C = TypeVar("C", bound=SearchConfig)
Polish = Callable[["Planner[Any, Any]", Sequence[Plan], Problem, Sequence[Generator]], list[Plan]]


class Planner(ABC, Generic[D, C]):
    """A search over command sequences. `clock` returns seconds and is there to be replaced in tests.

    `proposals` provide a share of the candidates (`prior_share`) of problems that bring none of their own; by default,
    the previous plan. With a `gate`, plans that cost no less than the first of them alone, by more than that, give way
    to it, see `gated`.

    Stateless: two calls of `plan` with generators in the same state give the same plans, and B problems planned
    together the same as one by one, bit for bit, if the dynamics and the objective do. That is between calls on one
    processor, with one number of threads and one release of torch (`docs/numerics.md`); an accelerator may round by B.
    """

    name: ClassVar[str]
    config_type: ClassVar[type[SearchConfig]]
    differentiable: ClassVar[bool] = False  # a planner that wants gradients of the costs sets this
    differentiable_last: ClassVar[bool] = True  # False: of the last candidates it wants the costs alone
    uses_residuals: ClassVar[bool] = False  # a planner that wants what the costs are the squares of sets this
    polish: ClassVar[Polish]  # the package fills this in: gradient descent, which polishes, is a planner itself
    proposals_last: ClassVar[bool] = True  # False: candidates go on from one iteration to the next, so only at first

    def __init__(
        self,
        config: C,
        clock: Callable[[], float] = time.perf_counter,
        proposals: Sequence[Proposal] = (),
        gate: float | None = None,
    ) -> None:
        self.config = config
        self.clock = clock
        self.gate = margin_of("gate", gate)
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
            plans = self._search(problem, generators, previous, elapsed_steps, encode_ms)
        if self.config.execute == MEAN:
            plans = with_means(plans, problem, self.clock)
        if self.config.polish:
            plans = self.polish(plans, problem, generators)
        if self.gate is None:
            return plans
        proposals = problem.proposals or self.proposals
        return gated(plans, problem, proposals, self.gate, self.config, previous, elapsed_steps, self.clock)

    def _search(
        self,
        problem: Problem,
        generators: Sequence[Generator],
        previous: Sequence[Plan | None] | None,
        elapsed_steps: int,
        encode_ms: float,
    ) -> list[Plan]:
        """The loop: draw, evaluate, learn, until the iterations are done or the search ends before."""
        after = int(self.config.execute == MEAN) + int(self.gate is not None)
        run = Run(self.config, problem, generators, previous, elapsed_steps, encode_ms, self.clock, after)
        dist = self.resume(self.initial(run.space, run.past.mean), run.past)
        for iteration in range(self.config.iterations):
            samples = self._draw(run, dist, iteration)
            scores = self._evaluate(run, samples, iteration)
            dist = self._learn(run, dist, samples, scores)
            run.count(scores, samples.shape[1])
            if self._ends(run, dist, scores, iteration):
                break
        return self._plans(run, dist)

    def _draw(self, run: Run, dist: D, iteration: int) -> Tensor:
        """All candidates (B, K, V, A) of an iteration, within the bounds: the mean, samples, proposals."""
        space = run.space
        samples = self.sample(dist, space, run.noise, iteration)
        wanted = self.config.prior_share and (self.proposals_last or iteration == 0)
        if wanted and (count := self.proposed(samples.shape[1] - 1)):
            proposals = run.problem.proposals or self.proposals
            drawn = propose(proposals, run.problem, space, run.past, run.noise, count)
            samples = torch.cat((samples[:, : samples.shape[1] - count], drawn.to(samples.dtype)), dim=1)
        samples.select(1, 0).copy_(dist.mean)
        return space.clip_(samples)

    def proposed(self, others: int) -> int:
        """How many of `others` candidates come from proposals; they are the last ones."""
        return round(self.config.prior_share * others)

    def _evaluate(self, run: Run, samples: Tensor, iteration: int) -> Scores:
        """Costs of the candidates (B, K, V, A), with gradients if a step along them follows; the record takes the best.

        The trajectories end here: the next rollout can have their memory.
        """
        follow = self.differentiable and (self.differentiable_last or iteration + 1 < self.config.iterations)
        commands = run.space.commands(samples.requires_grad_() if follow else samples)
        run.watch.lap("select")
        if follow:
            trajectory, scores = evaluate_with_gradients(run.problem, commands, self.name)
        else:
            trajectory, scores = evaluate(run.problem, commands, self.uses_residuals)
        run.watch.lap("rollout")
        run.record.add(scores, commands, trajectory if run.has_curve and all_arrays(trajectory) else None, run.running)
        return scores

    def _learn(self, run: Run, dist: D, samples: Tensor, scores: Scores) -> D:
        """The next distribution; the old one in problems without a single finite cost, and in those that have converged
        and keep what they had, whatever the others still do.
        """
        learned = self.learn(dist, run.space, samples, scores)
        if scores.usable is not None:
            learned = learned.where(scores.usable, dist)
        return learned if run.rows is None else learned.where(run.rows, dist)

    def _ends(self, run: Run, dist: D, scores: Scores, iteration: int) -> bool:
        """Whether all problems have converged, or another iteration would miss the deadline."""
        if iteration + 1 == self.config.iterations:
            return False  # by itself
        tolerance = self.config.tolerance
        if tolerance is not None and run.converged(scores, partial(self.spread, dist, run.space), tolerance):
            return True
        return run.out_of_time()

    def _plans(self, run: Run, dist: D) -> list[Plan]:
        """What was found, problem by problem."""
        space, best = run.space, run.record.best()
        iterations = run.iterations
        evaluations = run.evaluations(iterations)
        report_bad_costs(self.name, run.bad, evaluations)
        curves = cost_curve(run.problem.objective, best)
        actions = doubles(best.commands)[:, 0]
        mean = doubles(space.commands(space.clip_(dist.mean.detach().clone())))
        times = command_times(space.horizon, run.problem.control_period)
        elites = self._handed_on(dist, space)
        lowest = run.record.so_far()
        run.watch.lap("select")
        timings = run.watch.timings_ms()
        return [
            Plan.trusted(
                actions=actions[b],
                times=times,
                mean=mean[b],
                cost=lowest[b][-1],
                cost_per_iteration=lowest[b][: iterations[b]],
                model_evals=evaluations[b],
                iterations=iterations[b],
                timings_ms=dict(timings),
                planner=self.name,
                config=dict(self._settings),
                stopped=run.stopped if run.running is None or run.running[b] else "converged",
                deadline_ms=self.config.deadline_ms,
                seed=run.generators[b].initial_seed(),
                predicted_cost_curve=None if curves is None else curves[b],
                batch=space.batch,
                elites=elites[b],
            )
            for b in range(space.batch)
        ]

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
