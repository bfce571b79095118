"""Both engines, and what is timed of the jobs that they do."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from forearm.common.engine.crew import Engine
from forearm.common.engine.local import Local
from forearm.common.engine.ray_cluster import ray_cluster
from forearm.common.engine.run import using
from tools.bench.scale.start import WORKERS

LOCAL, RAY = "local", "Ray"
SKIPPED = 2

Note = Callable[[], None]
"""To be called when a job is done."""


@contextmanager
def engines() -> Iterator[dict[str, Engine]]:
    """By name: worker processes, and a Ray cluster of this machine alone."""
    with ray_cluster(None, WORKERS) as cluster:
        yield {LOCAL: Local(), RAY: cluster}


class Timed:
    """Runs `do(note)` on an engine, and keeps of each run how fast jobs were done.

    The clock runs from where workers have done two jobs each, so that start-up does not count: `SKIPPED` of them.

    Attributes:
        rates: jobs a second.
        driver: s of processor time, for each job, of the process that hands them out.
    """

    def __init__(self, engine: Engine, workers: int, do: Callable[[Note], None]) -> None:
        self._engine, self._workers, self._do = engine, workers, do
        self.rates: list[float] = []
        self.driver: list[float] = []

    def reset(self, seed: int) -> None:
        """Nothing to prepare."""

    def run(self) -> None:
        """One run."""
        moments: list[tuple[float, float]] = []
        with using(self._engine):
            self._do(lambda: moments.append((time.perf_counter(), time.process_time())))
        before = SKIPPED * self._workers
        (begun, spent), (ended, in_all) = moments[before - 1], moments[-1]
        jobs = len(moments) - before
        self.rates.append(jobs / (ended - begun))
        self.driver.append((in_all - spent) / jobs)
