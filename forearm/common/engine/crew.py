"""What an engine is: it has a crew for each call, which does jobs and tells what they came to or how they were lost."""

import copy
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from forearm.errors import ForearmError, debugging, user_message

Job = TypeVar("Job")
Result = TypeVar("Result")
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
"""Environment of a worker: numeric libraries read their thread count once, when they are imported."""
Answer = tuple[bool, Any, str]
"""Whether a job was done; its result, or else what it raised; and the traceback of that."""


@dataclass(frozen=True)
class Done:
    """Job `number` came to `answer`."""

    number: int
    answer: Answer


@dataclass(frozen=True)
class Lost:
    """Job `number` went with the process or the machine that had it in hand: `why`; None where it was only waiting."""

    number: int
    why: str | None


class Crew(ABC):
    """Who does the jobs of one call."""

    @abstractmethod
    def wants(self, waiting: int) -> bool:
        """Whether somebody can take a job, where so many are waiting."""

    @abstractmethod
    def give(self, number: int, job: Any) -> None:
        """Hand out a job; never waits for it to be done."""

    @abstractmethod
    def take(self) -> Iterator[Done | Lost]:
        """Wait until something came of jobs that were handed out, and tell it; raises `ForearmError` if none will."""

    @abstractmethod
    def dismiss(self, gently: bool) -> None:
        """End: `gently` when the jobs in hand are done, or at once; in any case before this returns."""


class Engine(ABC):
    """Where jobs run."""

    @abstractmethod
    def default_workers(self) -> int:
        """How many jobs it can do at a time."""

    @abstractmethod
    def crew(self, function: Callable[[Any], Any], workers: int) -> Crew:
        """So many workers, to do jobs with `function`; raises `ForearmError` where there can be none."""


def attempt(function: Callable[[Any], Any], job: Any) -> Answer:
    """What a job comes to, in a worker."""
    try:
        return True, _guarded(function, job), ""
    except BaseException as error:
        return False, _portable(error), "".join(traceback.format_exception(error))


def _guarded(function: Callable[[Job], Result], job: Job) -> Result:
    """Tracebacks do not survive the way home, so whose fault an error is gets decided in the worker."""
    try:
        return function(job)
    except Exception as error:
        message = None if debugging() else user_message(error)
        if message is None:
            raise
        raise ForearmError(message) from None


def _portable(error: BaseException) -> Exception:
    """The error if it survives the way home, else one that says the same."""
    if isinstance(error, Exception):
        try:
            copy.copy(error)  # made anew from its arguments, as at home
            return error
        except Exception:
            pass
    return RuntimeError(f"{type(error).__name__}: {error}")
