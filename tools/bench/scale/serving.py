"""Plans a second of a server with two replicas, beside one, for as many clients as wait for nothing but plans."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from forearm.serve.client import Client
from tools.bench.budget import Budget
from tools.bench.scale.rows import Row, measured
from tools.bench.timing import rounds
from tools.reliability.server import Served

CLIENTS = 8
AIM = 1.7
REPLICAS = 2
WORDS = ("check_goals=false", "threads=1")


def rows(budget: Budget) -> list[Row]:
    """Both servers run all the time, and are asked in turns."""
    with _served("replicas=1") as one, _served(f"replicas={REPLICAS}") as two:
        asked = {"one": Asked(one.url, budget.scale_serve_s), "two": Asked(two.url, budget.scale_serve_s)}
        rounds(asked, budget.scale_rounds, warmup=0)
    return [measured("serve: two replicas over one", "plans/s", asked["one"].rates, asked["two"].rates, AIM)]


class Asked:
    """Clients that ask again as soon as they are answered, for so many seconds.

    They connect anew in each run, so that the kernel spreads them anew.
    """

    def __init__(self, url: str, seconds: float) -> None:
        self._url, self._seconds = url, seconds
        self.rates: list[float] = []

    def reset(self, seed: int) -> None:
        """Nothing to prepare."""

    def run(self) -> None:
        """One run."""
        ready = threading.Barrier(CLIENTS)
        counts = [0.0] * CLIENTS

        def ask(number: int) -> None:
            rng = np.random.default_rng(number)
            with Client(self._url, timeout=120.0) as client:
                side, readings = client.metadata["resolution"], client.metadata["proprio_dim"]
                frames = rng.integers(0, 256, (2, side, side, 3), dtype=np.uint8)
                proprio = np.zeros(readings, np.float32) if readings else None
                client.plan(frames[0], frames[1], proprio=proprio)
                ready.wait()
                begun, asked = time.perf_counter(), 0
                while time.perf_counter() - begun < self._seconds:
                    client.plan(frames[0], proprio=proprio)
                    asked += 1
                counts[number] = asked / (time.perf_counter() - begun)

        threads = [threading.Thread(target=ask, args=(number,), daemon=True) for number in range(CLIENTS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.rates.append(sum(counts))


@contextmanager
def _served(*words: str) -> Iterator[Served]:
    served = Served(*WORDS, *words)
    try:
        yield served
    finally:
        served.stop()
