"""How long it takes until workers work, and what a job costs beside itself as jobs get small."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from forearm.common.engine.crew import Engine
from forearm.common.engine.local import Local
from forearm.common.engine.ray_cluster import ray_cluster
from forearm.common.engine.run import run_jobs, using
from tools.bench.budget import Budget
from tools.bench.scale.engines import LOCAL, RAY, WORKERS, Note, Timed, engines
from tools.bench.scale.jobs import nothing, ready, spin
from tools.bench.scale.rows import Row, measured
from tools.bench.timing import rounds

SMALL = {0: 400, 1: 400, 10: 200, 100: 40}
"""How many jobs of so many ms of processor time each."""
STARTS: dict[str, Callable[[], AbstractContextManager[Engine]]] = {
    LOCAL: lambda: nullcontext(Local()),
    RAY: lambda: ray_cluster(None, WORKERS),
}
KINDS = {"workers that answer": nothing, "workers that have loaded torch and the simulator": ready}


def rows(budget: Budget) -> list[Row]:
    """Start-up of either engine, and the cost of a job."""
    return [*_starts(budget), *_small_jobs(budget)]


class Start:
    """From nothing to where both workers have answered."""

    def __init__(self, engine: Callable[[], AbstractContextManager[Engine]], function: Callable[[int], Any]) -> None:
        self._engine, self._function = engine, function
        self.seconds: list[float] = []

    def reset(self, seed: int) -> None:
        """Nothing to prepare."""

    def run(self) -> None:
        """One start; the end is not timed."""
        begun = time.perf_counter()
        with self._engine() as engine, using(engine):
            list(run_jobs(self._function, range(WORKERS), WORKERS))
            self.seconds.append(time.perf_counter() - begun)


def _starts(budget: Budget) -> list[Row]:
    starts = {f"{kind} {name}": Start(STARTS[name], KINDS[kind]) for kind in KINDS for name in STARTS}
    rounds(starts, budget.scale_rounds, warmup=0)
    return [
        measured(
            f"start-up of two {kind}: Ray over local", "s",
            starts[f"{kind} {LOCAL}"].seconds, starts[f"{kind} {RAY}"].seconds,
        )
        for kind in KINDS
    ]  # fmt: skip


def _small_jobs(budget: Budget) -> list[Row]:
    with engines() as found:
        cells = {
            (ms, name): Timed(engine, WORKERS, _spinning(ms, min(count, 20 * budget.scale_jobs)))
            for ms, count in SMALL.items()
            for name, engine in found.items()
        }
        rounds({f"{ms} {name}": cell for (ms, name), cell in cells.items()}, budget.scale_rounds, warmup=0)
    cost = {(ms, name): [1e3 * WORKERS / rate - ms for rate in cell.rates] for (ms, name), cell in cells.items()}
    return [measured(f"cost of a job of {ms} ms: Ray over local", "ms", cost[ms, LOCAL], cost[ms, RAY]) for ms in SMALL]


def _spinning(ms: int, count: int) -> Callable[[Note], None]:
    def do(note: Note) -> None:
        for _ in run_jobs(spin, [ms] * count, WORKERS):
            note()

    return do
