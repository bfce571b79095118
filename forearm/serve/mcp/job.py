"""A call that is worked on: how far it is, and whether anybody still wants it."""

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from forearm.agent.candidates import Candidates

Told = tuple[float, float, str]
"""How much is done, of how much, and what it is."""


class Cancelled(Exception):
    """Nobody wants the answer any more."""


class Job:
    """Handed to what takes long, which tells `step` how far it is.

    Args:
        tell: is told; from the thread that works.
    """

    def __init__(self, tell: Callable[[Told], Any] = lambda told: None) -> None:
        self._tell, self._unwanted = tell, threading.Event()

    @property
    def cancelled(self) -> bool:
        """Whether nobody wants the answer any more."""
        return self._unwanted.is_set()

    def cancel(self) -> None:
        """Nobody wants the answer any more; from any thread."""
        self._unwanted.set()

    def step(self, done: float, total: float, what: str) -> None:
        """So much is done; raises `Cancelled` if nobody wants the rest."""
        if self.cancelled:
            raise Cancelled
        self.say(done, total, what)

    def say(self, done: float, total: float, what: str) -> None:
        """So much is done, of what cannot be left in the middle."""
        self._tell((done, total, what))


class Search(Candidates):
    """Counts what a planner tries instead of keeping it, and ends the search of a job that is cancelled."""

    def __init__(self, job: Job, evaluations: int) -> None:
        super().__init__()
        self._job, self._total, self._done = job, evaluations, 0

    def add(self, actions: np.ndarray, costs: np.ndarray, trajectory: Any) -> None:
        """See `Candidates.add`; raises `Cancelled`."""
        self._done += 1
        self._job.step(min(self._done, self._total), self._total, "searching")
