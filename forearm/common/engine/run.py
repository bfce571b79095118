"""The one way in which jobs are handed out: `run_jobs`, on whatever engine is in use.

Jobs that are lost with a process or a machine are given out again, so that each is answered once.
"""

import logging
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from forearm.common.engine.crew import Engine, Lost
from forearm.common.engine.local import Local, check_guarded
from forearm.errors import ForearmError

Job = TypeVar("Job")
Result = TypeVar("Result")

TRIES = 3
"""How often a job may lose the process that does it, before it is taken to be the reason."""

logger = logging.getLogger(__name__)

_IN_USE: ContextVar[Engine | None] = ContextVar("engine", default=None)


@contextmanager
def using(engine: Engine) -> Iterator[Engine]:
    """Inside, jobs run on `engine`."""
    token = _IN_USE.set(engine)
    try:
        yield engine
    finally:
        _IN_USE.reset(token)


def in_use() -> Engine:
    """The engine on which jobs run: worker processes of this machine unless another is in use."""
    return _IN_USE.get() or Local()


def run_jobs(function: Callable[[Job], Result], jobs: Sequence[Job], workers: int) -> Iterator[Result]:
    """Yield `function(job)` for every job as it is done, in no fixed order, from `workers` of the engine in use.

    The function must be importable by name in a fresh interpreter. The first failure cancels what has not
    started and is raised here, when the jobs in hand are finished. A job whose worker was killed (out of memory, by a
    signal, with its machine) is done again, which a warning tells; `ForearmError` where it loses `TRIES` of them. So
    does a script that calls this without `if __name__ == "__main__":`. Ctrl-C, and whoever stops asking for results,
    ends the workers at once: what they had not finished is lost.
    """
    check_guarded()
    if not jobs:
        return
    waiting = deque(enumerate(jobs))
    unanswered, losses = len(jobs), Counter[int]()
    gently = False
    crew = in_use().crew(function, min(workers, len(jobs)))
    try:
        while unanswered:
            while waiting and crew.wants(len(waiting)):
                crew.give(*waiting.popleft())
            for ended in crew.take():
                if isinstance(ended, Lost):
                    _count(losses, ended)
                    waiting.appendleft((ended.number, jobs[ended.number]))
                    continue
                unanswered -= 1
                done, answer, said = ended.answer
                if not done:
                    gently = True
                    answer.__cause__ = RuntimeError(f"in a worker process:\n{said}")
                    raise answer
                yield answer
        gently = True
    finally:
        crew.dismiss(gently)


def _count(losses: Counter[int], lost: Lost) -> None:
    """Tell that a job will be done again; raises `ForearmError` where that was done often enough."""
    if lost.why is None:
        return
    losses[lost.number] += 1
    if losses[lost.number] >= TRIES:
        raise ForearmError(
            f"{lost.why}, {TRIES} times with the same job: repeat the command to go on "
            "where it stopped, with fewer workers= if it happens again"
        )
    logger.warning("%s: the job that it had in hand is done again", lost.why)
