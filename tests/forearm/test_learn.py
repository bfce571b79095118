"""`forearm learn`: a model within so many minutes or steps, which goes on where it was stopped and loses nothing."""

import hashlib
import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from PIL import Image

from forearm.cli.learn import learning_of
from forearm.cli.main import main
from forearm.errors import ForearmError
from forearm.learning import films as filming_module
from forearm.learning import run, steps
from forearm.learning import settings as learning_settings
from forearm.learning.settings import Budget, stages_of
from forearm.recording.collect import Collection, collect
from forearm.settings import compose as settings
from tests.forearm.one_process import in_one_process

MODEL = (
    "world_model.width=8", "world_model.latent_dim=8", "world_model.predictor_width=16", "world_model.loss.rollout=2",
    "world_model.loss.beginnings=2", "world_model.loss.directions=8", "world_model.train.batch=8",
    "world_model.train.save_every=2", "device=cpu", "workers=1",
    *(() if hasattr(torch.optim, "Muon") else ("world_model.train.optimizer=adamw",)),
)  # fmt: skip
SMALL = (
    *MODEL, "task=reach", "planner=guided", "planner.samples=4", "protocol.max_steps=3", "task.guided.subgoal=4",
    "task.guided.horizon=4", "task.guided.replan_every=2", "prior.horizon=4", "subgoal.horizon=4", "prior.steps=4",
    "distance.steps=4", "subgoal.steps=4", "prior.width=8", "distance.width=8", "subgoal.width=8", "validation=4",
    "episodes=8", "episode_steps=12", "look=true",
)  # fmt: skip


@contextmanager
def at_once(films: Any, workers: int) -> Iterator[Any]:
    """What is filmed beside the training is filmed before it, in this thread, to which the simulator belongs."""
    list(filming_module.film(films, workers))
    yield SimpleNamespace(check=lambda: None, going_on=False)


def here(replace: Callable[[Any, str, Any], None]) -> None:
    in_one_process(replace)
    replace(filming_module, "run_jobs", lambda function, jobs, workers: map(function, jobs))
    replace(steps, "filming", at_once)
    replace(learning_settings, "CHUNK", 2)


@pytest.fixture(autouse=True)
def serial(monkeypatch: pytest.MonkeyPatch) -> None:
    here(monkeypatch.setattr)
    torch.set_num_threads(1)


def words(out: Path, *more: str) -> list[str]:
    return ["learn", *SMALL, f"out={out}", *(more or ["steps=8"])]


def weights(out: Path, stages: int = 2) -> list[str]:
    parts = [f"model{part}.safetensors" for part in ("", ".heads", ".subgoal")]
    of = [out / f"stage-{number}" / "model" / part for number in range(1, stages + 1) for part in parts]
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in of]


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("learned") / "out"
    with pytest.MonkeyPatch.context() as patch:
        here(patch.setattr)
        assert main(words(out)) == 0
    return out


def test_it_films_trains_and_measures_and_goes_on(learned: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = json.loads((learned / "curve.json").read_text())
    first, second = document["stages"]
    assert (first["films"], second["films"]) == (1, 4)  # a quarter first, the others while it trains
    assert (first["steps"], second["steps"]) == (2, 8) and (first["episodes"], second["episodes"]) == (1, 4)
    assert document["checkpoint"] == str(learned / "stage-2" / "model") and not (learned / "stage-2" / "data").exists()
    described = json.loads((learned / "stage-2" / "model" / "model.json").read_text())
    assert described["dataset"]["episodes"] == 8 and described["init"]["whole"] is True
    with Image.open(learned / "curve.png") as picture:
        assert picture.size[0] > 500
    before, kept = weights(learned), {path: path.stat().st_mtime_ns for path in learned.glob("stage-*/*.json")}
    capsys.readouterr()
    for _ in range(2):  # more steps, once; the same command again finds them there
        assert main(words(learned, "steps=10", "resume=true")) == 0
        assert "after 10 steps: " in capsys.readouterr().out
    assert weights(learned) == before and {path: path.stat().st_mtime_ns for path in kept} == kept
    assert json.loads((learned / "legs.json").read_text()) == [8.0, 2.0]
    model = json.loads((learned / "stage-3" / "model" / "model.json").read_text())
    assert model["train"]["steps"] == 2 and model["train"]["seed"] == 3


def test_stopped_between_any_two_steps_it_goes_on_to_the_same_weights(
    learned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, real = tmp_path / "out", os.replace
    until = [
        *("settings.json", "films/000", "stage-1/film.json", "films/002", "stage-1/model/training", "stage-1/train"),
        *("stage-2/data/meta", "stage-2/plan.json", "stage-2/model/training", "model.heads", "stage-2/heads.json"),
        *("stage-2/measure", "stage-2/stage.json", "curve.json", "curve.png"),
    ]

    def killing(source: Any, target: Any) -> None:
        if until and until[0] in str(target):
            until.pop(0)
            raise KeyboardInterrupt
        real(source, target)

    monkeypatch.setattr(os, "replace", killing)
    codes = []
    while not codes or codes[-1] == 130:
        codes.append(main(words(out, "steps=8", "resume=true")))
    assert codes[-1] == 0 and len(codes) == 16 and not until
    assert weights(out) == weights(learned)


def test_a_full_disk_is_told_and_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: Callable[..., str]
) -> None:
    out, real = tmp_path / "out", os.replace

    def full(source: Any, target: Any) -> None:
        if "stage-1/model" in str(target):
            raise OSError(28, "No space left on device", str(target))
        real(source, target)

    monkeypatch.setattr(os, "replace", full)
    said = failing(*words(out, "steps=2", "episodes=2"))
    assert "No space left" in said or "disk is full" in said
    assert filming_module.finished([Collection("reach", out / "films" / "000", episodes=2, steps=12)]) == 1
    assert {path.name for path in (out / "stage-1").iterdir()} <= {"film.json", "merge.json", "plan.json", "model"}
    assert not list(out.rglob(".*.tmp*"))


def test_recorded_data_of_an_arm_without_a_simulator(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    list(collect(Collection("reach", tmp_path / "data", episodes=3, steps=10), 1))
    about = ["learn", *MODEL, "task=own", f"data={tmp_path / 'data'}", f"out={tmp_path / 'out'}", "steps=1"]
    assert main(about) == 0
    said = capsys.readouterr().out
    assert "task 'own' has no simulator: its error is told" in said and "copy last" in said and "solved (" not in said
    (made,) = json.loads((tmp_path / "out" / "curve.json").read_text())["stages"]
    assert made["films"] == 0 and "successes" not in made and made["error"] > 0
    assert (tmp_path / "out" / "curve.png").exists() and not (tmp_path / "out" / "films").exists()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["minutes=0"], "minutes=0: expected a number above 0"),
        (["minutes=soon"], "minutes=soon: expected a number above 0"),
        (["steps=1.5"], "steps=1.5: expected a whole number above 0"),
        (["data=nowhere"], "data=nowhere: no such folder"),
        (["task=own"], "has no simulator"),
        (["storage=gif"], "storage=gif: expected one of png, mp4"),
        (["episodes=0"], "episodes must be a whole number"),
        (["world_model.train.batch=4"], "batch is 4"),
        (["device=cuda:99"], "cuda:99"),
    ],
)
def test_bad_learning(more: list[str], said: str, tmp_path: Path, failing: Callable[..., str]) -> None:
    assert said in failing("learn", *MODEL, f"out={tmp_path / 'out'}", *more)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_holds_something_else(learned: Path, tmp_path: Path, failing: Callable[..., str]) -> None:
    before = weights(learned)
    assert "already there: go on with resume=true" in failing(*words(learned))
    other = failing(*words(learned, "steps=8", "resume=true", "episodes=6"))
    assert "begun with other settings (episodes was 8, is 6): give another out=" in other
    assert "budget was steps, is minutes" in failing(*words(learned, "minutes=1", "resume=true"))
    (tmp_path / "notes.txt").touch()
    assert "holds something that is no learning" in failing(*words(tmp_path))
    (tmp_path / "settings.json").write_text("[]")
    assert "cannot be gone on from" in failing(*words(tmp_path, "steps=8", "resume=true"))
    assert weights(learned) == before


def test_minutes_that_filming_takes_all_of(tmp_path: Path, failing: Callable[..., str]) -> None:
    said = failing(*words(tmp_path / "out", "minutes=0.0001"))
    assert "minutes=0.0001 are too few" in said and "went into films" in said and "resume=true minutes=" in said
    assert list((tmp_path / "out" / "films").rglob("*.parquet"))


def made(stage: int, seconds: dict[str, float], episodes: int) -> dict[str, Any]:
    about = {"stage": stage, "leg": 0, "amount": 65.0, "look": True, "films": 2, "episodes": episodes}
    return about | {"seconds": sum(seconds.values()), "of_each": seconds}


def test_a_leg_leaves_time_for_what_comes_after_its_training(tmp_path: Path) -> None:
    learning = learning_of(settings.load("learn", [*SMALL, "minutes=10", f"out={tmp_path}", "validation=40"]))
    first, second = stages_of([10.0], "minutes")
    assert run._amount(learning, first, [], 50.0, 2) == pytest.approx(0.7 * (600 - 50) / 4)
    took = {"filming": 50.0, "training": 70.0, "heads": 5.0, "measuring": 10.0, "decoding": 3.0, "episode": 0.5}
    # 30 more episodes at half a second, heads for 4 times the steps, twice the films to decode; what begins once stays.
    expected = 600 - 140 - 4 * 5 - (10 + 30 * 0.5) - (5 + 3)
    assert run._amount(learning, second, [made(1, took, 10)], 140.0, 4) == pytest.approx(expected)
    # Films that took long leave less, but something; measuring that took long leaves a tenth of the leg.
    assert run._amount(learning, first, [], 400.0, 2) == pytest.approx(0.7 * (600 - 400) / 4)
    assert run._amount(learning, second, [made(1, {**took, "measuring": 300.0, "episode": 30.0}, 10)], 590.0, 4) == 60.0
    with pytest.raises(ForearmError, match="too few"):
        run._amount(learning, first, [], 599.5, 2)


def test_without_a_look_training_just_goes_on(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert main(words(out, "look=false", "steps=8")) == 0
    first, second = json.loads((out / "curve.json").read_text())["stages"]
    assert "successes" not in first and second["episodes"] == 4 and (first["films"], second["films"]) == (1, 4)
    assert (
        not list((out / "stage-1").glob("**/model.heads*"))
        and (out / "stage-2" / "model" / "model.heads.json").exists()
    )

    def part(number: int, *more: str) -> tuple[float, float]:
        learning = learning_of(settings.load("learn", [*SMALL, "minutes=10", f"out={out}", *more]))
        return steps.training_of(learning, stages_of([10.0, 2.0], "minutes")[number - 1], tmp_path, 60.0).part

    # One fall of the learning rate over both stages, and one for what is learned after them; else one for each.
    assert [part(number, "look=false") for number in (1, 2, 3)] == [(0.0, 0.25), (0.25, 1.0), (0.0, 1.0)]
    assert part(2) == (0.0, 1.0)
    learning = learning_of(settings.load("learn", [*SMALL, "minutes=10", f"out={out}", "look=false"]))
    unseen = made(1, {"filming": 50.0, "training": 70.0, "heads": 0.0, "measuring": 0.0, "decoding": 3.0}, 0)
    del unseen["episodes"]
    amount = run._amount(learning, stages_of([10.0], "minutes")[1], [unseen], 120.0, 2)
    assert amount == pytest.approx(480 - 5 - 60 - 90)  # more films to decode, a tenth for measuring, 15 % for heads


def test_which_heads_a_task_wants() -> None:
    def parts(*given: str) -> tuple[str, ...]:
        return learning_of(settings.load("learn", [*given, "minutes=1"])).parts

    assert parts("task=push") == () and parts("task=push", "planner=guided") == ("heads",)
    assert parts("task=pick_place") == ("heads", "subgoal")
    assert parts("task=push", "planner=hierarchical") == ("subgoal",)


def test_budgets() -> None:
    assert Budget.read("minutes", "+1.5") == Budget("minutes", 1.5, more=True)
    assert Budget.read("steps", "12") == Budget("steps", 12.0, more=False)
    assert [stage.share for stage in stages_of([12.0, 4.0], "minutes")] == [0.25, 0.75, 1.0]


def test_filming_beside_ends_with_what_it_is_beside(monkeypatch: pytest.MonkeyPatch) -> None:
    films: Any = [object()]
    monkeypatch.setattr(filming_module, "open_writer", lambda film: None)
    gone_on = threading.Event()

    def endless(films: Any, workers: int) -> Iterator[int]:
        while True:
            gone_on.set()
            yield 1

    monkeypatch.setattr(filming_module, "film", endless)
    with filming_module.filming(films, 1) as beside:
        assert gone_on.wait(30) and beside.going_on
    assert not beside.going_on and "filming" not in {thread.name for thread in threading.enumerate()}

    def full(films: Any, workers: int) -> Iterator[int]:
        raise OSError(28, "No space left on device")
        yield 1

    monkeypatch.setattr(filming_module, "film", full)
    with pytest.raises(OSError, match="No space"), filming_module.filming(films, 1):
        pass
