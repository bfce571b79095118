"""How long it takes until workers work, and what a job costs beside itself as jobs get small."""

import subprocess
import sys
from collections.abc import Callable

from forearm.common.engine.run import run_jobs
from tools.bench.budget import Budget
from tools.bench.scale.engines import LOCAL, RAY, Note, Timed, engines
from tools.bench.scale.jobs import spin
from tools.bench.scale.rows import Row, measured
from tools.bench.scale.start import KINDS, STARTS, WORKERS
from tools.bench.timing import rounds

SMALL = {0: 400, 1: 400, 10: 200, 100: 40}
"""How many jobs of so many ms of processor time each."""


def rows(budget: Budget) -> list[Row]:
    """Start-up of either engine, and the cost of a job."""
    return [*_starts(budget), *_small_jobs(budget)]


class Start:
    """One start, in a process of its own."""

    def __init__(self, engine: str, kind: str) -> None:
        self._words = [sys.executable, "-m", "tools.bench.scale.start", engine, kind]
        self.seconds: list[float] = []

    def reset(self, seed: int) -> None:
        """Nothing to prepare."""

    def run(self) -> None:
        """One start; raises CalledProcessError where there is none."""
        said = subprocess.run(self._words, stdout=subprocess.PIPE, check=True, text=True).stdout
        self.seconds.append(float(said.split()[-1]))


def _starts(budget: Budget) -> list[Row]:
    starts = {(engine, kind): Start(engine, kind) for kind in KINDS for engine in STARTS}
    rounds({" ".join(key): start for key, start in starts.items()}, budget.scale_rounds, warmup=0)
    return [
        measured(f"start-up of two {kind}: Ray over local", "s", starts[LOCAL, kind].seconds, starts[RAY, kind].seconds)
        for kind in KINDS
    ]


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
