"""The steps of a round, each of which is done once, whatever kills come between."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from forearm.agent.checkpoint import LoadedCheckpoint
from forearm.agent.checkpoint_reading import file_beside, place_of
from forearm.agent.fast import wants_student
from forearm.common.files import write_json
from forearm.common.progress import Progress
from forearm.errors import ForearmError
from forearm.evaluation.comparison import Comparison, compare
from forearm.practice.settings import Practice
from forearm.recording.collect import Collection, collect, practising
from forearm.world_model.data.atomic import plain

if TYPE_CHECKING:
    from forearm.agent.setup import PlanningSetup
    from forearm.world_model.training.run import Training

EXPLORER = "explorer"
Found = dict[str, Any]


def once(path: Path, do: Callable[[], Found]) -> Found:
    """What `do` comes to, kept in the JSON file `path`, and taken from there if it was done before.

    Numbers that are not finite, such as the error of a probe that there is not, are None.
    """
    if not path.exists():
        write_json(path, plain(do()))
    return dict(json.loads(path.read_text(encoding="utf-8")))


def film(practice: Practice, number: int, task: Mapping[str, Any], workers: int, tell: Progress) -> Found:
    """Film what the planners do with the checkpoint of `task`; the films' folders, relative to the round's."""
    films, done = _films(practice, number, task), 0
    for collection in films:
        for state in collect(collection, workers):
            tell("filming", done + state.episodes_done, practice.episodes)
        done += collection.episodes
    return {"films": [collection.out.name for collection in films], "episodes": done}


def _films(practice: Practice, number: int, task: Mapping[str, Any]) -> list[Collection]:
    agents: dict[str, PlanningSetup | None] = {EXPLORER: None}
    if practice.practice:
        agents = {
            str(planner["name"]): practising(task, planner, practice.replan_every, practice.hold)
            for planner in practice.planners
        }
    shares = np.diff(np.linspace(0, practice.episodes, len(agents) + 1).round().astype(int))
    return [
        Collection(
            str(task["name"]),
            practice.folder(number) / f"film-{name}",
            episodes=int(share),
            steps=practice.steps,
            seed=int(np.random.SeedSequence([practice.seed, number, index]).generate_state(1)[0]),
            camera=task["camera"],
            resolution=task["resolution"],
            storage=practice.storage,
            use=practice.use,
            practice=practice.practice,
            agent=agent,
        )
        for index, ((name, agent), share) in enumerate(zip(agents.items(), shares, strict=True))
    ]


def merge(practice: Practice, number: int, tell: Progress) -> Found:
    """Put the data and all films up to this round into one data set."""
    from forearm.world_model.data.merging import merge as merge_folders

    films = []
    for earlier in range(1, number + 1):
        told = json.loads((practice.folder(earlier) / "film.json").read_text(encoding="utf-8"))
        films += [practice.folder(earlier) / name for name in told["films"]]
    merged = practice.folder(number) / "data"
    info = merge_folders([practice.data, *films], merged, lambda done, of: tell("merging", done, of))
    return {"episodes": info["total_episodes"], "frames": info["total_frames"]}


def training_of(practice: Practice, number: int, task: Mapping[str, Any]) -> "Training":
    """The training that goes on from the checkpoint of `task`, on the merged data of a round.

    Raises ValueError for settings that make no sense.
    """
    from forearm.world_model.config import LossConfig, TrainConfig
    from forearm.world_model.training.run import Training
    from forearm.world_model.training.warm_start import Init

    read = LoadedCheckpoint.read(task)
    document = read.document
    given = {"learning_rate": practice.learning_rate, "precision": practice.precision}
    changed = {key: value for key, value in given.items() if value is not None}
    changed |= {"steps": practice.train_steps, "seed": practice.seed + number, "share": 1.0}
    columns = document.get("dataset", {}).get("chosen", {})
    described = ("task_description", "name")
    return Training(
        data=practice.folder(number) / "data",
        out=practice.folder(number) / "model",
        model=read.model.config,
        loss=LossConfig(**_known(LossConfig, document.get("loss", {}))),
        train=TrainConfig(**(_known(TrainConfig, document.get("train", {})) | changed)),
        description={"task": task["name"]} | {key: document[key] for key in described if key in document},
        camera_key=str(document["camera"]),
        action_key=columns.get("action_key"),
        state_key=columns.get("state_key"),
        init=Init(str(place_of(str(task["checkpoint"]))), practice.freeze_encoder, whole=True),
        cache_dir=practice.cache_dir,
    )


def train(practice: Practice, number: int, task: Mapping[str, Any], tell: Progress) -> Found:
    """Train the checkpoint of `task` on, on the merged data; a run that was stopped goes on from where it was saved."""
    from forearm.world_model.training.run import train as train_model

    with _finite(number):
        return train_model(
            training_of(practice, number, task),
            device=practice.device,
            on_progress=lambda at: tell("training", at.step, practice.train_steps),
            on_decoded=lambda done, of: tell("decoding the video", done, of),
            on_features=lambda done, of: tell("looking at the video", done, of),
        )


def train_heads(practice: Practice, number: int, task: Mapping[str, Any], tell: Progress) -> Found:
    """Train heads and sub-goals, and keep recorded ways, such as the checkpoint of `task` has, on the round's model and
    data; none if it has none.
    """
    from forearm.world_model.config import from_mapping
    from forearm.world_model.heads.action_prior import PriorConfig
    from forearm.world_model.heads.checkpoint import heads_path, load_heads
    from forearm.world_model.heads.distance import DistanceConfig
    from forearm.world_model.heads.recorded import RecordedConfig
    from forearm.world_model.heads.student import StudentConfig
    from forearm.world_model.heads.student_checkpoint import load_student, student_path
    from forearm.world_model.heads.subgoal import SubgoalConfig
    from forearm.world_model.heads.subgoal_checkpoint import load_subgoal, recorded_path, subgoal_path
    from forearm.world_model.heads.training import HeadsTraining
    from forearm.world_model.heads.training import train_heads as train_all

    sha256 = str(LoadedCheckpoint.read(task).document["weights_sha256"])
    former: dict[str, dict[str, Any]] = {}
    if (path := file_beside(task, "heads", heads_path)).is_file():
        former["heads"] = load_heads(path, sha256).document
    named = {"subgoals": task.get("subgoals"), "recorded": (task.get("hierarchical") or {}).get("data")}
    for part, key, beside in (("subgoal", "subgoals", subgoal_path), ("recorded", "recorded", recorded_path)):
        if (path := file_beside({**task, **named}, key, beside)).is_file():
            former[part] = load_subgoal(path, sha256)[1]
    if any(wants_student(task, planner) for planner in practice.planners):
        former["student"] = load_student(file_beside(task, "student", student_path), sha256)[1]
    if not former:
        return {"heads": None}
    steps = {} if practice.heads_steps is None else {"steps": practice.heads_steps}
    configs: dict[str, Any] = {
        part: from_mapping(kind, {**former[file][part], **steps})
        for part, file, kind in (
            ("prior", "heads", PriorConfig),
            ("distance", "heads", DistanceConfig),
            ("student", "student", StudentConfig),
            ("subgoal", "subgoal", SubgoalConfig),
        )
        if file in former
    }
    if "recorded" in former:
        told = {key: value for key, value in former["recorded"]["recorded"].items() if key != "shape"}
        configs["recorded"] = from_mapping(RecordedConfig, told)
    about, model = next(iter(former.values())), practice.folder(number) / "model"
    training = HeadsTraining(
        checkpoint=model,
        data=practice.folder(number) / "data",
        out=heads_path(model),
        parts=tuple(former),
        seed=practice.seed + number,
        description={key: about[key] for key in ("task", "task_description") if key in about},
        cache_dir=practice.cache_dir,
        **configs,
    )
    with _finite(number):
        return {"heads": train_all(training, tell)}


@contextmanager
def _finite(number: int) -> Iterator[None]:
    """A loss that is no longer finite is an error that says what to change."""
    try:
        yield
    except FloatingPointError as error:
        raise ForearmError(f"round {number}: {error}; or give learning_rate= or precision=, and another out=") from None


def measure(practice: Practice, number: int, task: Mapping[str, Any], workers: int, tell: Progress) -> Found:
    """Successes of the checkpoint of `task` on the validation episodes, in all and by planner."""
    comparison = Comparison(
        tasks=[task],
        planners=practice.planners,
        protocol=practice.protocol,
        out=practice.folder(number) / "measure",
        episodes=practice.validation,
        seed=practice.validation_seed,
        baselines=(),
        replan_every=practice.replan_every,
        films=0,
        use=practice.use,
        hold=lambda task: practice.hold,
        to_end=False,
        command=practice.command,
    )
    document = compare(comparison, 1, workers, tell)
    rows = {row["planner"]: row["successes"] for row in document["rows"]}
    return {
        "successes": sum(rows.values()),
        "episodes": sum(row["episodes"] for row in document["rows"]),
        "planners": rows,
        "checkpoint": document["rows"][0]["checkpoint"],
        "manifest_sha256": document["manifest_sha256"],
    }


def _known(kind: type[Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Of what a checkpoint tells, the settings of `kind`."""
    names = {item.name for item in fields(kind)}
    return {key: value for key, value in given.items() if key in names}
