"""Spawned worker processes that use one thread each and say clearly when one of them dies.

Every worker has two pipes of its own, one for jobs and one for results, each with one writer and one reader. Nothing is
shared and nothing is locked: a worker can be ended at any moment, in the middle of a result, and leaves only an end.
(`concurrent.futures` waits for the rest of such a result for ever, and for locks that an interrupt left taken.)
"""

import copy
import multiprocessing
import multiprocessing.connection
import os
import queue
import signal
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from forearm.common.dotted import import_own
from forearm.errors import ForearmError, debugging, user_message

Job = TypeVar("Job")
Result = TypeVar("Result")

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_PATIENCE = 5.0
"""s that a worker that was told to end may take before it is killed."""
_WORKER = "forearm-worker"
"""Name of the processes."""
_UNGUARDED = 113
"""Exit status of a worker that, on its way to its first job, came upon the call that had started it."""


def import_modules(names: Sequence[str]) -> None:
    """Import modules of the user's own, which register tasks or planners. Raises `ForearmError` if one is missing.

    The current folder is looked through last: what lies there takes the place of no module that is installed.
    """
    for name in names:
        import_own(name, f"use={name}")


def default_workers() -> int:
    """Number of cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return max(1, len(affinity(0)) if affinity else os.cpu_count() or 1)


@contextmanager
def one_thread() -> Iterator[None]:
    """One torch thread inside: results then do not depend on the number of cores, and processes do not
    fight.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def check_guarded() -> None:
    """End this process if it is a worker that is only about to begin, and runs the script that started it.

    A new process imports the script of its parent. One without `if __name__ == "__main__":` does everything again.
    """
    process = multiprocessing.current_process()
    if process.name == _WORKER and getattr(process, "_inheriting", False):
        os._exit(_UNGUARDED)


@contextmanager
def _single_threaded_children() -> Iterator[None]:
    """The numeric libraries read their thread count once, when a child imports them."""
    before = {name: os.environ.get(name) for name in _THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(_THREAD_VARIABLES, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def run_jobs(function: Callable[[Job], Result], jobs: Sequence[Job], workers: int) -> Iterator[Result]:
    """Yield `function(job)` for every job as it is done, in no fixed order, from `workers` spawned processes.

    The function must be importable by name in a fresh interpreter. The first failure cancels what has not
    started and is raised here, when the jobs in hand are finished. A worker that was killed (out of memory, by a
    signal) raises `ForearmError`, and so does a script that calls this without `if __name__ == "__main__":`. Ctrl-C,
    and whoever stops asking for results, ends the workers at once: what they had not finished is lost.
    """
    check_guarded()
    if not jobs:
        return
    waiting, crew = deque(jobs), list[_Worker]()
    gently = False
    try:
        _start_tracker()
        with _single_threaded_children(), _interrupts_held():
            for _ in range(min(workers, len(jobs))):
                crew.append(_Worker(function))
        for worker in crew:
            worker.give(waiting.popleft())
        while waiting or any(worker.in_hand for worker in crew):
            for worker in crew:
                # One job ahead, so that nobody waits while results are made use of here; not the last ones, which
                # whoever is free first shall have.
                if worker.in_hand < 2 and len(waiting) > (len(crew) if worker.in_hand else 0):
                    worker.give(waiting.popleft())
            ready = multiprocessing.connection.wait([worker.results for worker in crew if worker.in_hand])
            for answer in [worker.take() for worker in crew if worker.results in ready]:
                if isinstance(answer, _Failure):
                    gently = True
                    raise answer.error
                yield answer
        gently = True
    finally:
        _dismiss(crew, gently)


class _Failure:
    """What a job raised."""

    def __init__(self, error: Exception) -> None:
        self.error = error


class _Worker:
    """A process that does jobs one after the other, and the ends of its pipes."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        context = multiprocessing.get_context("spawn")
        jobs, self.jobs = context.Pipe(duplex=False)
        self.results, results = context.Pipe(duplex=False)
        self.in_hand = 0
        # A daemon: should a second Ctrl-C come at the worst moment, the interpreter ends it on its way out.
        self.process = context.Process(target=_work, name=_WORKER, args=(function, jobs, results), daemon=True)
        try:
            self.process.start()
        finally:  # a pipe has an end where nobody else could write to it
            jobs.close()
            results.close()

    def give(self, job: Any) -> None:
        """One more job. A worker's thread takes it at once, so that this never waits for a job to be done."""
        self.in_hand += 1
        with suppress(BrokenPipeError, ConnectionResetError):  # it is dead: `take` says so
            self.jobs.send(job)

    def take(self) -> Any:
        """The next result, or `_Failure`."""
        try:
            done, answer, said = self.results.recv()
        except (EOFError, ConnectionResetError):
            self.process.join(_PATIENCE)
            if self.process.exitcode == _UNGUARDED:
                raise ForearmError(
                    "a worker process imports the script that starts it, and came upon this very call: put the call "
                    "under 'if __name__ == \"__main__\":'"
                ) from None
            raise ForearmError(
                "a worker process was killed (often for want of memory): repeat the command to go on "
                "where it stopped, with fewer workers= if it happens again"
            ) from None
        self.in_hand -= 1
        if done:
            return answer
        answer.__cause__ = RuntimeError(f"in a worker process:\n{said}")
        return _Failure(answer)

    def finish(self) -> None:
        """To end after the job that it is doing, whose result nobody wants."""
        with suppress(OSError):
            self.jobs.send(None)
        self.results.close()


def _dismiss(crew: Sequence[_Worker], gently: bool) -> None:
    """End the workers: `gently` after the job that each is doing, or at once; in any case before this returns."""
    try:
        if gently:
            for worker in crew:
                worker.finish()
            for worker in crew:  # one that has nothing to finish may only hang on its way out
                worker.process.join(None if worker.in_hand else _PATIENCE)
    finally:
        with _interrupts_held():
            for worker in crew:
                worker.process.terminate()
            for worker in crew:
                worker.process.join(_PATIENCE)
                if worker.process.exitcode is None:
                    worker.process.kill()
                    worker.process.join()
                worker.jobs.close()
                worker.results.close()


def _start_tracker() -> None:
    """A helper of multiprocessing's that is started before the first child, and lets interrupts through again after."""
    if hasattr(signal, "pthread_sigmask"):
        from multiprocessing import resource_tracker

        resource_tracker.ensure_running()


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Ctrl-C, which reaches the whole process group, waits for the end of this.

    Two things hold it. It is blocked, so that processes that are started meanwhile never see it, even as they start.
    And the main thread only takes note of it: where other threads do not block it, it may come all the same.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    came: list[Any] = []
    handler = signal.getsignal(signal.SIGINT)
    ours = threading.current_thread() is threading.main_thread() and callable(handler)
    if ours:
        signal.signal(signal.SIGINT, lambda number, frame: came.append(frame))
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if ours:
            signal.signal(signal.SIGINT, handler)
    if came and callable(handler):
        handler(signal.SIGINT, came[0])


def _work(function: Callable[[Any], Any], jobs: Connection, results: Connection) -> None:
    """The life of a worker: Ctrl-C is left to the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    waiting: queue.SimpleQueue[Any] = queue.SimpleQueue()
    told = threading.Event()
    threading.Thread(target=_listen, args=(jobs, waiting, told), daemon=True).start()
    while True:
        job = waiting.get()
        if told.is_set():
            return
        answer: tuple[bool, Any, str]
        try:
            answer = True, _guarded(function, job), ""
        except BaseException as error:
            answer = False, _portable(error), "".join(traceback.format_exception(error))
        try:
            try:
                results.send(answer)
            except OSError:
                raise
            except Exception as error:  # nothing has been sent: a message is made as a whole first
                results.send((False, RuntimeError(f"a result cannot be sent: {error}"), traceback.format_exc()))
        except OSError:  # nobody wants it
            return


def _listen(jobs: Connection, waiting: "queue.SimpleQueue[Any]", told: threading.Event) -> None:
    """Takes jobs in as they come; ends the process when the parent is gone."""
    while True:
        try:
            job = jobs.recv()
        except (EOFError, OSError):
            os._exit(1)
        if job is None:
            told.set()
        waiting.put(job)


def _portable(error: BaseException) -> Exception:
    """The error if it survives the way home, else one that says the same."""
    if isinstance(error, Exception):
        try:
            copy.copy(error)  # made anew from its arguments, as at home
            return error
        except Exception:
            pass
    return RuntimeError(f"{type(error).__name__}: {error}")


def _guarded(function: Callable[[Job], Result], job: Job) -> Result:
    """Tracebacks do not survive the way home, so whose fault an error is gets decided in the worker."""
    try:
        return function(job)
    except Exception as error:
        message = None if debugging() else user_message(error)
        if message is None:
            raise
        raise ForearmError(message) from None
