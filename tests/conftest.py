"""For every test: a property is judged by its values, never by the time that a machine takes to try them."""

import gc
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from multiprocessing.reduction import ForkingPickler
from typing import Any

import pytest
from hypothesis import settings

settings.register_profile("without_deadline", deadline=None)
settings.load_profile("without_deadline")

# Half a million objects of libraries and tests stay to the end: nobody looks through them for garbage.
gc.disable()


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


WORKERS_OF = ("forearm.evaluation.comparison", "forearm.recording.collect", "forearm.diagnosis.run")


@pytest.fixture
def quick_probes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The report after a training says less well how much latents show: for tests of everything else in it."""
    monkeypatch.setattr("forearm.world_model.training.report.PROBE_STEPS", 20)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """What worker processes do is done in this one, which has long imported what it needs."""
    for name in WORKERS_OF:
        monkeypatch.setattr(import_module(name), "run_jobs", run_here)


def run_here(function: Callable[[Any], Any], jobs: Sequence[Any], workers: int) -> Iterator[Any]:
    """Jobs and results are made ready to be sent all the same."""
    function, jobs = sent((function, list(jobs)))
    for job in jobs:
        yield sent(function(job))


def sent(thing: Any) -> Any:
    """As it comes out of a pipe."""
    return ForkingPickler.loads(ForkingPickler.dumps(thing))
