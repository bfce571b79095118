"""Filming: before the training, and beside it in processes of its own."""

import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from contextvars import copy_context

from forearm.common.engine.run import run_jobs
from forearm.recording.collect import Collection, ShardJob, film_shard, open_writer
from forearm.world_model.data.layout import INFO_PATH


def finished(films: Sequence[Collection]) -> int:
    """How many of `films` are whole, before the first that is not."""
    there = [(one.out / INFO_PATH).exists() for one in films]
    return there.index(False) if False in there else len(there)


def film(films: Sequence[Collection], workers: int) -> Generator[int, None, None]:
    """Film what is missing of `films`, in their order; yields, at first and after each shard, episodes that are there.

    Raises `DatasetError` if a folder holds something else or cannot be written, `ForearmError` if a worker died.
    """
    writers = {one.out: open_writer(one) for one in films if not (one.out / INFO_PATH).exists()}
    jobs = [
        ShardJob(one.out, one, shard)
        for one in films
        if one.out in writers
        for shard in writers[one.out].missing_shards()
    ]
    everything = sum(one.episodes for one in films)

    def there() -> int:
        missing = 0
        for out, writer in list(writers.items()):
            if lost := writer.missing_shards():
                missing += sum(len(writer.shard_range(shard)) for shard in lost)
            else:
                writer.finalise()
                del writers[out]
        return everything - missing

    yield there()
    for _ in run_jobs(film_shard, jobs, workers):
        yield there()


class Beside:
    """Filming that goes on while something else is done.

    Attributes:
        going_on: whether there is more to film.
    """

    def __init__(self, films: Sequence[Collection], workers: int) -> None:
        self._films, self._workers = films, workers
        self._stop = threading.Event()
        self._failed: list[BaseException] = []
        self.going_on = bool(films)

    def work(self) -> None:
        """Film until all is there, or until told to stop."""
        try:
            with closing(film(self._films, self._workers)) as filmed:
                for _ in filmed:
                    if self._stop.is_set():
                        return
        except BaseException as error:  # told by `check`, in the thread that can do something about it
            self._failed.append(error)
        finally:
            self.going_on = False

    def stop(self) -> None:
        """After the shards that are being filmed."""
        self._stop.set()

    def check(self) -> None:
        """Raise what filming failed with."""
        if self._failed:
            raise self._failed[0]


@contextmanager
def filming(films: Sequence[Collection], workers: int) -> Iterator[Beside]:
    """Inside, `films` are filmed by `workers` of the engine in use; raises what that failed with."""
    beside = Beside(films, workers)
    if not films:
        yield beside
        return
    open_writer(films[0])  # whose simulator is built here: one that draws belongs to the thread that built it
    thread = threading.Thread(target=copy_context().run, args=(beside.work,), name="filming", daemon=True)
    thread.start()
    try:
        yield beside
    finally:
        beside.stop()
        thread.join()
    beside.check()
