"""Filming and comparing, on one and on two workers of each engine; and what a model of the machine makes of it."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from forearm.cli.compare import comparison_of
from forearm.common.engine.crew import Engine
from forearm.common.engine.run import using
from forearm.common.progress import ALL_ROWS
from forearm.evaluation.comparison import compare
from forearm.recording.collect import Collection, collect
from forearm.settings import compose as settings
from tools.bench.budget import Budget
from tools.bench.scale.engines import LOCAL, RAY, SKIPPED, Note, Timed, engines
from tools.bench.scale.predicting import rate
from tools.bench.scale.rows import Row, measured, predicted
from tools.bench.scale.start import WORKERS
from tools.bench.timing import rounds

COLLECT, COMPARE = "collect", "compare"
AIMS = {LOCAL: 1.8, RAY: 1.7}
"""Of two workers against one."""
RAY_TO_LOCAL = 0.9
EPISODES, STEPS = 10, 50
"""Of a job of filming."""
COMPARED = ("task=reach", "planner=cem", "baselines=[]", "films=0")
PREDICTED = (16, 128)


def rows(budget: Budget) -> list[Row]:
    """What the workers do, measured in turns; then the prediction."""
    with engines() as found:
        cells = {
            (command, name, workers): Timed(
                engine, workers, work(command, budget.scale_jobs + SKIPPED * workers, workers)
            )
            for command in (COLLECT, COMPARE)
            for name, engine in found.items()
            for workers in (1, WORKERS)
        }
        rounds({" ".join(map(str, key)): cell for key, cell in cells.items()}, budget.scale_rounds, warmup=0)
        size = shard_bytes(found[LOCAL])
    frames = EPISODES * (STEPS + 1)
    units = {COLLECT: ("frames/s", frames), COMPARE: ("episodes/s", 1)}
    speed = {key: [units[key[0]][1] * each for each in cell.rates] for key, cell in cells.items()}
    made = []
    for command, (unit, _) in units.items():
        for name in found:
            one, two = speed[command, name, 1], speed[command, name, WORKERS]
            made.append(measured(f"{command}, {name}: two workers over one", unit, one, two, AIMS[name]))
        local, ray = (speed[command, name, WORKERS] for name in (LOCAL, RAY))
        made.append(measured(f"{command}, two workers: Ray over local", unit, local, ray, RAY_TO_LOCAL))
    for name in found:
        single = cells[COLLECT, name, 1]
        alone, driver = float(np.median(single.rates)), float(np.median(single.driver))
        now = float(np.median(speed[COLLECT, name, WORKERS]))
        checked = frames * rate(WORKERS, alone, driver)
        made.append(predicted(f"collect, {name}: two workers, predicted over measured", "frames/s", now, checked))
        for workers in PREDICTED:
            many = rate(workers, alone, driver)
            what = f"collect, {name}: {workers} workers over one; {1e-6 * size * many:.0f} MB/s to the disk"
            made.append(predicted(what, "frames/s", frames * alone, frames * many))
    return made


def work(command: str, jobs: int, workers: int) -> Callable[[Note], None]:
    """So many jobs of a command, in a folder of their own that is gone after."""

    def film(note: Note) -> None:
        with _folder() as out:
            for state in collect(collection(out, jobs), workers):
                if state.shards_done:
                    note()

    def play(note: Note) -> None:
        with _folder() as out:
            words = [*COMPARED, f"episodes={jobs}", f"out={out}"]

            def tell(what: str, done: int, of: int) -> None:
                if what == ALL_ROWS and done:
                    note()

            compare(comparison_of(settings.load("compare", words)), 1, workers, tell)

    return {COLLECT: film, COMPARE: play}[command]


def collection(out: Path, jobs: int) -> Collection:
    """What is filmed in so many jobs."""
    return Collection("push", out, episodes=EPISODES * jobs, steps=STEPS, shard_episodes=EPISODES)


def shard_bytes(engine: Engine) -> int:
    """What a job of filming writes."""
    with _folder() as out, using(engine):
        list(collect(collection(out, 1), 1))
        return sum(path.stat().st_size for path in out.rglob("*") if path.is_file())


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="forearm-bench-") as folder:
        yield Path(folder) / "out"
