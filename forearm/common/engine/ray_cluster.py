"""Jobs on a Ray cluster: that of a machine alone, or one that runs already.

A job is a Ray task. Ray carries it and what it comes to between the machines, as it carries everything. What a job
reads goes as bytes by its hash (`luggage`), and what it writes comes home with its result. Ray runs nothing again by
itself: what was lost is told to `run_jobs`.
"""

import logging
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, is_dataclass, replace
from pathlib import Path
from typing import Any

from forearm.common.engine.answering import check_answering
from forearm.common.engine.crew import ONE_THREAD, Answer, Crew, Done, Engine, Lost, attempt
from forearm.common.engine.luggage import Luggage, Packed, brought_home, put_away
from forearm.common.engine.versions import check_nodes, here
from forearm.errors import ForearmError, one_line

_PATIENCE = 20.0
"""s that nothing may happen before it is looked whether the cluster has any machine for a job."""

logger = logging.getLogger(__name__)
Sent = tuple[Packed, list[Any]]
"""Files by their hash, and a reference to their contents in a list, so that Ray does not fetch them unasked."""


@contextmanager
def ray_cluster(address: str | None, workers: int, gpus: float = 0.0) -> Iterator[Engine]:
    """A Ray cluster to use.

    Args:
        address: `auto` for that of which this machine is a part, or HOST:PORT of its head; None: one of this machine
            alone, which ends with this. If this process is connected with one already, that is used.
        workers: jobs at a time of one that is started here.
        gpus: of a GPU, for each job.

    Raises `ForearmError` without Ray, for an address where no cluster answers, and for one whose machines have other
    versions of Python, Ray or forearm, or no GPU where one is wanted.
    """
    try:
        import ray
    except ImportError:
        raise ForearmError("engine=ray needs more packages: pip install 'forearm[scale]'") from None
    began = not ray.is_initialized()
    try:
        if began:
            _connect(ray, address, workers)
        check_nodes(ray, address)
        if gpus and not ray.cluster_resources().get("GPU"):
            raise ForearmError(f"ray.gpus={gpus:g}: no machine of the cluster has a GPU that Ray knows of")
        yield RayEngine(ray, gpus)
    finally:
        if began:
            ray.shutdown()


def _connect(ray: Any, address: str | None, workers: int) -> None:
    """Where none is started, other versions of Python and Ray or a wrong token are told in Ray's own words."""
    if address is not None:
        check_answering(address)
    logging.getLogger("ray").setLevel(logging.ERROR)  # of what it warns, nothing is for whoever typed the command
    own: dict[str, Any] = {"num_cpus": workers, "include_dashboard": False} if address is None else {}
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # a cluster that is started here tells nobody of itself
    try:
        ray.init(
            address or "local",
            runtime_env={"env_vars": ONE_THREAD},
            log_to_driver=False,
            configure_logging=False,
            **own,
        )
    except Exception as error:
        where = "engine=ray" if address is None else f"ray.address={address}"
        raise ForearmError(f"{where}: {one_line(error)}") from error


class RayEngine(Engine):
    """A cluster that this process is connected with."""

    def __init__(self, ray: Any, gpus: float) -> None:
        self.ray, self._gpus = ray, gpus
        self._contents: dict[str, Any] = {}

    def default_workers(self) -> int:
        """One for each CPU of the cluster."""
        return max(1, int(self.ray.cluster_resources().get("CPU", 1)))

    def crew(self, function: Callable[[Any], Any], workers: int) -> Crew:
        """See `Engine`."""
        task = self.ray.remote(max_retries=0, num_cpus=1, num_gpus=self._gpus)(_work)
        return _Crew(self, task, function, workers)

    def send(self, luggage: Luggage) -> Sent:
        """Files on their way: each content is put where the cluster finds it once."""
        packed, contents = Packed.of(luggage)
        if packed.sha256 not in self._contents:
            self._contents[packed.sha256] = self.ray.put(contents)
        return packed, [self._contents[packed.sha256]]


@dataclass
class _AtWork:
    number: int
    job: Any


class _Crew(Crew):
    """As many jobs of one function at a time as there may be."""

    def __init__(self, engine: RayEngine, task: Any, function: Callable[[Any], Any], workers: int) -> None:
        self._engine, self._ray, self._task = engine, engine.ray, task
        self._function, self._workers = function, workers
        self._at_work: dict[Any, _AtWork] = {}
        self._sent: dict[tuple[Any, ...], Sent] = {}

    def wants(self, waiting: int) -> bool:
        """See `Crew`."""
        return len(self._at_work) < self._workers

    def give(self, number: int, job: Any) -> None:
        """See `Crew`."""
        luggage = [self._send(each) for each in getattr(job, "luggage", ())]
        reference = self._task.remote(self._function, job, luggage, here())
        self._at_work[reference] = _AtWork(number, job)

    def _send(self, luggage: Luggage) -> Sent:
        key = luggage.text, *luggage.files.items()
        if key not in self._sent:
            self._sent[key] = self._engine.send(luggage)
        return self._sent[key]

    def take(self) -> Iterator[Done | Lost]:
        """See `Crew`."""
        ready: list[Any] = []
        while not ready:
            references = list(self._at_work)
            ready, _ = self._ray.wait(references, num_returns=1, timeout=_PATIENCE)
            if not ready and not self._ray.cluster_resources().get("CPU"):
                logger.warning("the cluster has no machine that works: jobs wait for one")
        for reference in ready:
            yield self._ended(reference)

    def _ended(self, reference: Any) -> Done | Lost:
        """What came of a task, whose files are put away."""
        from ray import exceptions

        at_work = self._at_work.pop(reference)
        try:
            answer, files = self._ray.get(reference)
        except exceptions.RayTaskError as error:  # before it could say what is wrong, so forearm was not found
            raise ForearmError(f"a machine of the cluster cannot do jobs of forearm's: {_cause(error)}") from error
        except exceptions.RayError as error:
            return Lost(at_work.number, _loss(error))
        if files:
            put_away(at_work.job.out, files)
        return Done(at_work.number, answer)

    def dismiss(self, gently: bool) -> None:
        """See `Crew`."""
        for reference in list(self._at_work):
            with suppress(Exception):
                if gently:
                    self._ended(reference)
                else:
                    self._ray.cancel(reference, force=True)
        self._at_work.clear()


def _loss(error: Exception) -> str:
    from ray import exceptions

    if isinstance(error, exceptions.OutOfMemoryError):
        return "a worker process of the cluster was killed for want of memory"
    if isinstance(error, exceptions.NodeDiedError | exceptions.ObjectLostError):
        return "a machine of the cluster was lost"
    if isinstance(error, exceptions.WorkerCrashedError):
        return "a worker process of the cluster was killed, or lost with its machine"
    return f"a job was lost by the cluster ({type(error).__name__}: {one_line(error)[:200]})"


def _cause(error: Exception) -> str:
    return one_line(str(error).strip().rpartition("\n")[2])


def _work(function: Callable[[Any], Any], job: Any, luggage: Sequence[Sent], versions: Any) -> tuple[Answer, list[Any]]:
    """What a job comes to, on a machine of the cluster, and the files that it wrote."""
    files: list[tuple[str, bytes]] = []

    def away(job: Any) -> Any:
        if versions != here():
            raise ForearmError(f"a machine of the cluster has {here()}, the command {versions}: install the same there")
        for packed, contents in luggage:
            _receive(packed, contents)
        if not (is_dataclass(job) and hasattr(job, "out")):
            return function(job)
        with tempfile.TemporaryDirectory(prefix="forearm-", ignore_cleanup_errors=True) as folder:
            try:
                return function(replace(job, out=Path(folder)))  # type: ignore[type-var]
            finally:
                files.extend(brought_home(Path(folder)))

    return attempt(away, job), files


def _receive(packed: Packed, contents: Sequence[Any]) -> None:
    import ray

    if not packed.folder.is_dir():
        packed.keep(ray.get(contents[0]))
    packed.unpack()
