"""The steps of a stage, each of which is done once, whatever kills come between."""

import json
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from forearm.agent.checkpoint import OF_A_CHECKPOINT, LoadedCheckpoint
from forearm.agent.checkpoint_reading import BESIDE_IT
from forearm.common.progress import ALL_ROWS, Progress
from forearm.errors import ForearmError
from forearm.evaluation.comparison import Comparison, compare
from forearm.learning.films import film, filming, finished
from forearm.learning.settings import MINUTES, Learning, Stage

if TYPE_CHECKING:
    from forearm.world_model.training.run import Training, TrainProgress

Found = dict[str, Any]
FILMING = 0.08
"""Share of a leg in minutes that goes into films before training begins, at least one of them."""
LOOK = 4
"""One episode of so many is measured where a leg goes on."""
PER_MILLE = 1000
"""Of a training, for its bar."""


class Pace:
    """Tells how far a comparison is, and finds out how long an episode of it takes, once all workers are at work."""

    def __init__(self, tell: Progress) -> None:
        self._tell = tell
        self._ends: list[tuple[float, int]] = []

    def __call__(self, what: str, done: int, of: int) -> None:
        """As `Progress`."""
        if what == ALL_ROWS and done:
            self._ends.append((time.perf_counter(), done))
        self._tell(what, done, of)

    @property
    def each(self) -> float:
        """Seconds from the end of one episode to that of the next; 0 where fewer than two ended."""
        if not self._ends or self._ends[-1][1] == self._ends[0][1]:
            return 0.0
        (began, first), (ended, last) = self._ends[0], self._ends[-1]
        return (ended - began) / (last - first)


def film_first(learning: Learning, stage: Stage, workers: int, tell: Progress) -> Found:
    """Film what the training of a stage begins with; how many of the films that is."""
    films, began = learning.films(), time.perf_counter()
    if not films:
        return {"films": 0}
    first = stage.number == 1 and stage.end < 1.0
    in_minutes = learning.budget.unit == MINUTES
    wanted = films if in_minutes or not first else films[: -(-len(films) // LOOK)]
    if not in_minutes or first or stage.leg:
        with closing(film(wanted, workers)) as filmed:
            for done in filmed:
                tell("filming", done, sum(one.episodes for one in wanted))
                late = time.perf_counter() - began > FILMING * 60 * stage.of_leg
                if in_minutes and late and finished(films):
                    break
    return {"films": finished(wanted)}


def merge(learning: Learning, stage: Stage, films: int, tell: Progress) -> Found:
    """Put the films that there are into one data set; its folder, relative to the learning's."""
    from forearm.world_model.data.merging import merge as merge_folders

    if learning.data is not None:
        return {"data": None}
    sources = [one.out for one in learning.films()[:films]]
    if films == 1:
        return {"data": str(sources[0].relative_to(learning.out))}
    merged = learning.folder(stage) / "data"
    merge_folders(sources, merged, lambda done, of: tell("merging", done, of))
    return {"data": str(merged.relative_to(learning.out))}


def training_of(learning: Learning, stage: Stage, data: Path, amount: float) -> "Training":
    """The training of a stage: for `amount` seconds or steps, from the model of the stage before, if there is one.

    Raises ValueError for settings that make no sense.
    """
    from forearm.world_model.training.warm_start import Init

    training = learning.training(data, learning.folder(stage) / "model")
    train = replace(training.train, seed=learning.seed + stage.number)
    if stage.number > 1:
        before = learning.out / f"stage-{stage.number - 1}" / "model"
        model = LoadedCheckpoint.read({**learning.task, "checkpoint": str(before)}).model.config
        training = replace(training, model=model, init=Init(str(before), whole=True))
    if learning.budget.unit == MINUTES:
        part = (0.0, 1.0) if learning.look or stage.leg else (stage.end - stage.share, stage.end)
        return replace(training, train=train, seconds=amount, part=part)
    if train.precision == "auto":  # which is faster depends on the machine; by steps, weights shall not
        train = replace(train, precision="float32")
    return replace(training, train=replace(train, steps=int(amount), warmup=max(1, int(amount) // 20)))


def train(learning: Learning, stage: Stage, data: Path, amount: float, workers: int, tell: Progress) -> Found:
    """Train, and film beside it what the next stage can learn from; a run that was stopped goes on from where it was
    saved.
    """
    from forearm.world_model.training.run import train as train_model

    missing = learning.films()[finished(learning.films()) :] if stage.end < 1.0 else []
    began, decoding = time.perf_counter(), 0.0

    def decoded(done: int, of: int) -> None:
        nonlocal decoding
        decoding = time.perf_counter() - began
        tell("decoding the video", done, of)

    crew = max(1, workers // 2)
    with _finite(), _threads() as threads, filming(missing, crew) as beside:
        threads(crew if missing else 0)

        def show(at: "TrainProgress") -> None:
            beside.check()
            if learning.budget.unit == MINUTES and not beside.going_on:  # in steps, sums shall be the same every time
                threads(0)
            tell("training", round(PER_MILLE * min(1.0, at.share)), PER_MILLE)

        found = train_model(
            training_of(learning, stage, data, amount),
            device=learning.device,
            on_progress=show,
            on_decoded=decoded,
            on_features=lambda done, of: tell("looking at the video", done, of),
            probes=False,  # nobody asks for them here, and they take seconds
        )
        return {**found, "decoding": decoding}


def train_heads(learning: Learning, stage: Stage, data: Path, tell: Progress) -> Found:
    """Train the heads that the task plans with, of a stage that is looked at for a part of their steps."""
    from forearm.world_model.config import from_mapping
    from forearm.world_model.heads.action_prior import PriorConfig
    from forearm.world_model.heads.checkpoint import heads_path
    from forearm.world_model.heads.distance import DistanceConfig
    from forearm.world_model.heads.student import StudentConfig
    from forearm.world_model.heads.subgoal import SubgoalConfig
    from forearm.world_model.heads.training import HeadsTraining
    from forearm.world_model.heads.training import train_heads as train_all

    if not learning.parts:
        return {"heads": None}
    model = learning.folder(stage) / "model"
    described = json.loads((model / "model.json").read_text(encoding="utf-8"))
    configs: dict[str, Any] = {}
    kinds = {"prior": PriorConfig, "distance": DistanceConfig, "student": StudentConfig, "subgoal": SubgoalConfig}
    for name, kind in kinds.items():
        config: Any = from_mapping(kind, dict((learning.heads or {}).get(name, {})))
        configs[name] = replace(config, steps=max(1, config.steps // LOOK)) if stage.look else config
    training = HeadsTraining(
        checkpoint=model,
        data=data,
        out=heads_path(model),
        **configs,
        parts=learning.parts,
        seed=learning.seed + stage.number,
        description={key: described[key] for key in ("task", "task_description") if key in described},
        cache_dir=learning.cache_dir,
    )
    with _finite():
        return {"heads": train_all(training, tell)}


def measure(learning: Learning, stage: Stage, workers: int, tell: Progress) -> Found:
    """Successes of a stage's model on the validation episodes; of a stage that is looked at, on the first of them."""
    if not learning.validation:
        return {}
    model = learning.folder(stage) / "model"
    student = BESIDE_IT if "student" in learning.parts else None
    beside = {**dict.fromkeys(OF_A_CHECKPOINT), "student": student, "checkpoint": str(model)}
    comparison = Comparison(
        tasks=[{**learning.task, **beside}],
        planners=[learning.planner],
        protocol=learning.protocol,
        out=learning.folder(stage) / "measure",
        episodes=max(1, learning.validation // LOOK) if stage.look else learning.validation,
        seed=learning.validation_seed,
        baselines=(),
        films=0,
        use=learning.use,
        to_end=False,
        command=learning.command,
    )
    pace = Pace(tell)
    document = compare(comparison, 1, workers, pace)
    (row,) = document["rows"]
    counts = {key: row[key] for key in ("successes", "episodes")}
    return {**counts, "manifest_sha256": document["manifest_sha256"], "each": pace.each}


@contextmanager
def _threads() -> Iterator[Any]:
    """A way to leave some of this process's threads to others; all are back in the end."""
    import torch

    usual = torch.get_num_threads()
    try:
        yield lambda left: torch.set_num_threads(max(1, usual - left))
    finally:
        torch.set_num_threads(usual)


@contextmanager
def _finite() -> Iterator[None]:
    """A loss that is no longer finite is an error that says what to change."""
    try:
        yield
    except FloatingPointError as error:
        raise ForearmError(f"{error}, and another out=") from None
