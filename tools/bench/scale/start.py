"""`python -m tools.bench.scale.start ENGINE KIND`: a process of its own that says how many seconds a start took.

New workers import what their parent was started with, so this imports little.
"""

import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from forearm.common.engine.crew import Engine
from forearm.common.engine.local import Local
from forearm.common.engine.ray_cluster import ray_cluster
from forearm.common.engine.run import run_jobs, using
from tools.bench.scale.jobs import nothing, ready

WORKERS = 2
STARTS: dict[str, Callable[[], AbstractContextManager[Engine]]] = {
    "local": lambda: nullcontext(Local()),
    "Ray": lambda: ray_cluster(None, WORKERS),
}
KINDS: dict[str, Callable[[int], Any]] = {
    "workers that answer": nothing,
    "workers that have loaded torch and the simulator": ready,
}


def main(engine: str, kind: str) -> None:
    """From nothing to where two workers have answered; the end is not timed."""
    begun = time.perf_counter()
    with STARTS[engine]() as found, using(found):
        list(run_jobs(KINDS[kind], range(WORKERS), WORKERS))
        seconds = time.perf_counter() - begun
    sys.stdout.write(f"{seconds}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
