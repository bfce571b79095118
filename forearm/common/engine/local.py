"""Spawned worker processes that use one thread each, and are replaced when one of them dies.

Every worker has two pipes of its own, one for jobs and one for results, each with one writer and one reader. Nothing is
shared and nothing is locked: a worker can be ended at any moment, in the middle of a result, and leaves only an end.
That is why this is no pool of `concurrent.futures`, loky or pebble. They have one pipe for all results: of a worker
that is killed while it sends, they wait for the rest for ever, or for the lock that it held.
"""

import multiprocessing
import multiprocessing.connection
import os
import queue
import signal
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from forearm.common.engine.crew import ONE_THREAD, Crew, Done, Engine, Lost, attempt
from forearm.common.parallel import default_workers
from forearm.errors import ForearmError

_PATIENCE = 5.0
"""s that a worker that was told to end may take before it is killed."""
_KILLED = "a worker process was killed (often for want of memory)"
_WORKER = "forearm-worker"
"""Name of the processes."""
_UNGUARDED = 113
"""Exit status of a worker that, on its way to its first job, came upon the call that had started it."""


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
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(ONE_THREAD)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _importable_main() -> Iterator[None]:
    """A script that Python reads from a pipe calls itself '<stdin>', and no child could import it: it goes unnamed."""
    main = sys.modules["__main__"]
    file = getattr(main, "__file__", None)
    if file is None or Path(file).exists():
        yield
        return
    del main.__file__
    try:
        yield
    finally:
        main.__file__ = file


class Local(Engine):
    """Processes of this machine."""

    def default_workers(self) -> int:
        """One for each core that this process may use."""
        return default_workers()

    def crew(self, function: Callable[[Any], Any], workers: int) -> Crew:
        """See `Engine`."""
        return _Crew(function, workers)


class _Crew(Crew):
    """Workers of one function. One that dies is replaced."""

    def __init__(self, function: Callable[[Any], Any], workers: int) -> None:
        self._function = function
        self._workers: list[_Worker] = []
        try:
            _start_tracker()
            for _ in range(workers):
                self._workers.append(self._new())
        except BaseException:
            self.dismiss(gently=False)
            raise

    def wants(self, waiting: int) -> bool:
        """One job ahead, so that nobody waits while results are made use of; not the last ones, which whoever is free
        first shall have.
        """
        in_hand = len(self._freest.in_hand)
        return in_hand < 2 and waiting > (len(self._workers) if in_hand else 0)

    def give(self, number: int, job: Any) -> None:
        """A worker's thread takes it at once, so that this never waits for a job to be done."""
        self._freest.give(number, job)

    def take(self) -> Iterator[Done | Lost]:
        """See `Crew`."""
        ready = multiprocessing.connection.wait([worker.results for worker in self._workers if worker.in_hand])
        answers = [worker.take() for worker in self._workers if worker.results in ready]
        self._workers = [self._new() if worker.dead else worker for worker in self._workers]
        for answered in answers:
            yield from answered

    def dismiss(self, gently: bool) -> None:
        """See `Crew`."""
        _dismiss(self._workers, gently)

    @property
    def _freest(self) -> "_Worker":
        return min(self._workers, key=lambda worker: len(worker.in_hand))

    def _new(self) -> "_Worker":
        with _single_threaded_children(), _importable_main(), _interrupts_held():
            return _Worker(self._function)


class _Worker:
    """A process that does jobs one after the other, and the ends of its pipes."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        context = multiprocessing.get_context("spawn")
        jobs, self.jobs = context.Pipe(duplex=False)
        self.results, results = context.Pipe(duplex=False)
        self.in_hand: deque[int] = deque()
        self.dead = False
        # A daemon: should a second Ctrl-C come at the worst moment, the interpreter ends it on its way out.
        self.process = context.Process(target=_work, name=_WORKER, args=(function, jobs, results), daemon=True)
        try:
            self.process.start()
        finally:  # a pipe has an end where nobody else could write to it
            jobs.close()
            results.close()

    def give(self, number: int, job: Any) -> None:
        """One more job."""
        self.in_hand.append(number)
        with suppress(BrokenPipeError, ConnectionResetError):  # it is dead: `take` says so
            self.jobs.send(job)

    def take(self) -> list[Done | Lost]:
        """The next result; or, if it is dead, all that it had in hand."""
        try:
            answer = self.results.recv()
        except (EOFError, OSError):  # before a result, or in the middle of one
            self.process.join(_PATIENCE)
            if self.process.exitcode == _UNGUARDED:
                raise ForearmError(
                    "a worker process imports the script that starts it, and came upon this very call: put the call "
                    "under 'if __name__ == \"__main__\":'"
                ) from None
            self.dead = True
            self.close()
            first, *others = self.in_hand
            return [*(Lost(number, None) for number in reversed(others)), Lost(first, _KILLED)]
        return [Done(self.in_hand.popleft(), answer)]

    def finish(self) -> None:
        """To end after the job that it is doing, whose result nobody wants."""
        with suppress(OSError):
            self.jobs.send(None)
        self.results.close()

    def close(self) -> None:
        """End it now; a dead one is only swept up."""
        self.process.join(_PATIENCE)
        if self.process.exitcode is None:
            self.process.kill()
            self.process.join()
        self.jobs.close()
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
                worker.close()


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
        answer = attempt(function, job)
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
