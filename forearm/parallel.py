"""Spawned worker processes that use one thread each and say clearly when one of them dies."""

import importlib
import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from forearm.errors import ForearmError, user_message

Job = TypeVar("Job")
Result = TypeVar("Result")

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def import_modules(names: Sequence[str]) -> None:
    """Import modules of the user's own, which register tasks or planners. Raises `ForearmError` if one is
    missing.
    """
    if names and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    for name in names:
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            raise ForearmError(f"use={name}: {error}; it must be on PYTHONPATH or in the current folder") from None


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
    started and is raised here. A worker that was killed (out of memory, by a signal) raises `ForearmError`.
    """
    if not jobs:
        return
    context = multiprocessing.get_context("spawn")
    with _single_threaded_children():
        others = set(multiprocessing.active_children())
        pool = ProcessPoolExecutor(min(workers, len(jobs)), mp_context=context, initializer=_begin_worker)
        try:
            with _interrupts_blocked():
                waiting: set[Future[Result]] = {pool.submit(_guarded, function, job) for job in jobs}
            while waiting:
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
        except BrokenProcessPool:
            raise ForearmError(
                "a worker process was killed (often for want of memory): repeat the command to go on "
                "where it stopped, with fewer workers= if it happens again"
            ) from None
        except KeyboardInterrupt:
            # A chunk may take minutes: what it has done so far is lost, what was finished is on disk.
            for child in set(multiprocessing.active_children()) - others:
                child.terminate()
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Ctrl-C, which reaches the whole process group, waits: children started meanwhile never see it, even as they
    start, and this process gets it afterwards.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin_worker() -> None:
    """Leave Ctrl-C to the parent; end with it, should it be killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    multiprocessing.connection.wait([sentinel])
    os._exit(1)


def _guarded(function: Callable[[Job], Result], job: Job) -> Result:
    """Tracebacks do not survive the way home, so whose fault an error is gets decided in the worker."""
    try:
        return function(job)
    except Exception as error:
        message = None if os.environ.get("FOREARM_DEBUG", "") not in ("", "0") else user_message(error)
        if message is None:
            raise
        raise ForearmError(message) from None
