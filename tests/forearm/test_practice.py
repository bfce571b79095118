"""`forearm practice`: rounds that go on where a kill stopped them, keep what is better alone, and lose nothing."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from forearm.cli.main import main
from forearm.cli.practice import practice_of
from forearm.practice import run, steps
from forearm.recording.collect import Collection, collect
from forearm.settings import compose as settings
from forearm.world_model.data.reader import read_dataset
from tests.forearm.one_process import in_one_process

STEPS = ("film.json", "merge.json", "train.json", "heads.json", "measure.json")
SMALL = (
    "rounds=1", "episodes=4", "steps=6", "train_steps=4", "heads_steps=4", "validation=2", "workers=1", "device=cpu",
    "planner=[guided,random_shooting]", "guided.samples=4", "guided.horizon=4", "random_shooting.samples=4",
    "random_shooting.horizon=4", "random_shooting.iterations=1", "replan_every=2", "protocol.max_steps=3",
)  # fmt: skip


@pytest.fixture(autouse=True)
def serial(monkeypatch: pytest.MonkeyPatch) -> None:
    """All is done here, one after the other, on one thread: no new processes."""
    in_one_process(monkeypatch.setattr)
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data of reach, and beside them a tiny model with its heads and sub-goals."""
    folder = tmp_path_factory.mktemp("begun")
    with pytest.MonkeyPatch.context() as patch:
        in_one_process(patch.setattr)
        list(collect(Collection("reach", folder / "data", episodes=6, steps=20, shard_episodes=3), 1))
    told = {
        "width": 8, "latent_dim": 8, "predictor_width": 16, "loss.rollout": 2, "loss.directions": 16, "train.steps": 4,
        "train.batch": 8, "train.validate_every": 2, "train.save_every": 2, "train.warmup": 1, "train.validation": 0.2,
        "train.precision": "float32",
    }  # fmt: skip
    given = [f"world_model.{key}={value}" for key, value in told.items()]
    data, model = f"data={folder / 'data'}", folder / "model"
    assert main(["train", "task=reach", data, f"out={model}", "device=cpu", *given]) == 0
    parts = ("prior", "distance", "subgoal")
    small = [f"{head}.{key}={value}" for head in parts for key, value in (("width", 8), ("steps", 4))]
    small += ["parts=[heads,subgoal,recorded]", "subgoal.horizon=4", "recorded.horizon=4", "validation=0.2"]
    assert main(["train-heads", "task=reach", data, f"task.checkpoint={model}", *small]) == 0
    return folder


def words(begun: Path, out: Path, *more: str) -> list[str]:
    own = ["task=reach", f"data={begun / 'data'}", f"task.checkpoint={begun / 'model'}", f"out={out}"]
    return ["practice", *own, *SMALL, *more]


def came_to(out: Path, rounds: int = 1) -> list[Any]:
    """What the first rounds came to, and hashes of all weights that they made."""
    document = json.loads((out / "practice.json").read_text(encoding="utf-8"))["rounds"][: rounds + 1]
    told = [(each["successes"], each["planners"], each["kept"], each["checkpoint"]) for each in document]
    parts = ("", ".heads", ".subgoal", ".recorded")
    found = [out / f"round-{n}" / "model" / f"model{of}.safetensors" for n in range(1, rounds + 1) for of in parts]
    return [*told, *(hashlib.sha256(path.read_bytes()).hexdigest() for path in found)]


@pytest.fixture(scope="module")
def undisturbed(begun: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    with pytest.MonkeyPatch.context() as patch:
        in_one_process(patch.setattr)
        assert main(words(begun, out, "rounds=2")) == 0
    return out


def test_rounds_film_merge_train_and_measure(begun: Path, undisturbed: Path, capsys: Any) -> None:
    out = undisturbed
    for folder in ("round-1", "round-2"):
        assert sorted(path.name for path in (out / folder).glob("*.json")) == sorted([*STEPS, "round.json"])
        films = [read_dataset(out / folder / name) for name in ("film-guided", "film-random_shooting")]
        assert [len(film) for film in films] == [2, 2] and len(films[0].episode(0)) == 7
        assert not (out / folder / "data").exists()
    merged = [json.loads((out / folder / "merge.json").read_text())["episodes"] for folder in ("round-1", "round-2")]
    assert merged == [10, 14]  # films of earlier rounds stay, kept or not
    assert len(set(came_to(out, 2)[3:])) == 8  # two models with heads, sub-goals and recorded ways, all different
    document = json.loads((out / "practice.json").read_text())
    assert document["rounds"][0]["kept"] is True
    assert document["planners"] == ["guided", "random_shooting"] and document["seed"] == 0
    assert all(set(each["planners"]) == set(document["planners"]) for each in document["rounds"])
    with Image.open(out / "practice.png") as picture:
        assert picture.size[0] > 500
    # What is done is told again, and nothing is done again.
    before = {path: path.stat().st_mtime_ns for path in out.glob("round-*/*.json") if path.name in STEPS}
    capsys.readouterr()
    assert main(words(begun, out, "rounds=2")) == 0
    said = capsys.readouterr().out
    assert "before practice: " in said and "round 2 of 2: " in said and said.count("solved (") == 3
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_stopped_at_every_file_it_goes_on_to_the_same_weights(
    begun: Path, undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before each file that is written for the first time the process ends once: no step's file is written twice."""
    out, reached, finished = tmp_path / "out", set[str](), dict[str, int]()
    real = os.replace

    def killing(source: Any, target: Any) -> None:
        name = str(target)
        if str(out) in name and name not in reached:
            reached.add(name)
            raise KeyboardInterrupt
        if Path(name).name in STEPS:
            finished[name] = finished.get(name, 0) + 1
        real(source, target)

    monkeypatch.setattr(os, "replace", killing)
    codes = []
    while not codes or codes[-1] == 130:
        codes.append(main(words(begun, out)))
    assert codes[-1] == 0 and len(codes) > 25
    assert set(finished.values()) == {1} and len(finished) == 1 + len(STEPS)
    assert came_to(out) == came_to(undisturbed)


def test_a_process_that_was_killed_in_training_is_continued(begun: Path, undisturbed: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-m", "tests.forearm.one_process", *words(begun, out)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    state, deadline = out / "round-1" / "model" / "training.safetensors", time.monotonic() + 120
    while not state.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert state.exists() and not (out / "practice.json").exists()
    assert main(words(begun, out)) == 0
    assert came_to(out) == came_to(undisturbed)


def test_a_round_counts_only_with_strictly_more_successes(
    begun: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    solved = iter([3, 3, 5, 4])
    began: list[str] = []
    monkeypatch.setattr(run, "film", lambda practice, number, task, *_: began.append(task["checkpoint"]) or {})
    for step in ("merge", "train", "train_heads"):
        monkeypatch.setattr(run, step, lambda *_: {})
    told = {"episodes": 8, "planners": {"guided": 0, "random_shooting": 0}, "checkpoint": "x", "manifest_sha256": "y"}
    monkeypatch.setattr(run, "measure", lambda *_: {"successes": next(solved), **told})
    assert main(words(begun, tmp_path / "out", "rounds=3")) == 0
    document = json.loads((tmp_path / "out" / "practice.json").read_text())
    assert [each["kept"] for each in document["rounds"]] == [True, False, True, False]
    # The second round goes on from where the first began, the third from the second, which is what stays.
    second = str(tmp_path / "out" / "round-2" / "model")
    assert began == [str(begun / "model"), str(begun / "model"), second] and document["checkpoint"] == second
    said = capsys.readouterr().out
    assert "round 1 of 3: 3 of 8 solved" in said and "3 before: not kept" in said and "3 before: kept" in said


def test_without_practice_the_explorer_is_filmed(begun: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert main(words(begun, out, "rounds=1", "practice=0")) == 0
    assert len(read_dataset(out / "round-1" / "film-explorer")) == 4


def test_a_search_toward_sub_goals_practises_with_those_of_its_round(begun: Path, tmp_path: Path) -> None:
    small = ("planner=hierarchical", "hierarchical.samples=4", "hierarchical.elites=2", "hierarchical.iterations=1")
    own = [word for word in words(begun, tmp_path / "out") if not word.startswith(("planner=", "guided.", "random_"))]
    assert main([*own, *small, "reach.hierarchical.horizon=4"]) == 0
    told = json.loads((tmp_path / "out" / "practice.json").read_text())["rounds"]
    assert [list(each["planners"]) for each in told] == [["hierarchical"]] * 2


FULL = (
    "film-guided",
    "film.json",
    "round-1/data",
    "training.safetensors",
    "model.heads",
    "round-1/measure",
    "practice.png",
)


def lasting(out: Path) -> set[Path]:
    """Every file but those of the merged data, which go with their round."""
    return {path for path in out.rglob("*") if path.is_file() and out / "round-1" / "data" not in path.parents}


def test_a_full_disk_costs_nothing_that_was_finished(
    begun: Path, undisturbed: Path, tmp_path: Path, failing: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is full at one place after the other, and there is room again each time."""
    out, real, room = tmp_path / "out", os.replace, list(FULL)

    def full(source: Any, target: Any) -> None:
        if room and room[0] in str(target):
            raise OSError(28, "No space left on device", str(target))
        real(source, target)

    monkeypatch.setattr(os, "replace", full)
    while room:
        before = lasting(out)
        said = failing(*words(begun, out))
        assert "disk is full" in said or "No space left on device" in said, said
        assert room.pop(0) in said
        assert before <= lasting(out) and not list(out.rglob(".*.tmp*"))
    assert main(words(begun, out)) == 0
    assert came_to(out) == came_to(undisturbed)


def test_a_practice_that_was_begun_goes_on_with_its_own_settings_alone(
    begun: Path, undisturbed: Path, failing: Callable[..., str]
) -> None:
    before = came_to(undisturbed)
    other = failing(*words(begun, undisturbed, "episodes=6"))
    assert "begun with other settings (episodes was 4, is 6): give another out=" in other
    assert "checkpoints was" in failing(*words(begun, undisturbed, "task.checkpoint=reach"))
    assert "planners was" in failing(*words(begun, undisturbed, "guided.samples=5"))
    theirs = (undisturbed / "settings.json").read_text(encoding="utf-8")
    for spoiled in ("[]", theirs[:-9]):
        (undisturbed / "settings.json").write_text(spoiled, encoding="utf-8")
        assert "settings.json: cannot be gone on from" in failing(*words(begun, undisturbed))
    (undisturbed / "settings.json").write_text(theirs, encoding="utf-8")
    assert came_to(undisturbed) == before


def test_an_interrupted_round_that_lost_its_films_says_which(
    begun: Path, tmp_path: Path, failing: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out, real = tmp_path / "out", run.merge

    def stop(*_: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "merge", stop)
    assert main(words(begun, out)) == 130
    monkeypatch.setattr(run, "merge", real)
    (out / "round-1" / "film-guided").rename(tmp_path / "elsewhere")
    assert "film-guided" in failing(*words(begun, out))
    (tmp_path / "elsewhere").rename(out / "round-1" / "film-guided")
    assert main(words(begun, out)) == 0


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["episodes=0"], "episodes must be a whole number of at least 1"),
        (["episodes=1"], "one of them would begin no episode"),
        (["rounds=0"], "rounds must be a whole number of at least 1"),
        (["validation=0"], "validation must be a whole number of at least 1"),
        (["practice=2"], "must be a share of the episodes"),
        (["learning_rate=0"], "learning_rate"),
        (["precision=half"], "precision"),
        (["storage=gif"], "storage"),
        (["data=nowhere"], "forearm collect task=reach out=nowhere"),
        (["task=own"], "has no simulator"),
        (["task.checkpoint=nowhere"], "no checkpoint 'nowhere'"),
        (["task.heads=none.json"], "none.json"),
        (["planner=[guided,cem]", "cem.deadline_ms=5"], "depend on how fast this machine is"),
        (["device=cuda:99"], "cuda:99"),
    ],
)
def test_bad_practice(more: list[str], said: str, begun: Path, tmp_path: Path, failing: Callable[..., str]) -> None:
    command, *own = words(begun, tmp_path / "out")
    if "planner=[guided,cem]" in more:
        own = [word for word in own if "random_shooting" not in word]
    assert said in failing(command, *own, *more)
    assert not (tmp_path / "out").exists()


def test_episodes_are_as_long_as_the_task_says_also_in_seconds(begun: Path, tmp_path: Path) -> None:
    _, *own = words(begun, tmp_path / "out", "steps=null", "task.collect.steps=0.7s")
    assert practice_of(settings.load("practice", own)).steps == 7


def test_data_without_episodes(begun: Path, tmp_path: Path, failing: Callable[..., str]) -> None:
    (tmp_path / "empty").mkdir()
    assert "info.json" in failing(*words(begun, tmp_path / "out", f"data={tmp_path / 'empty'}"))
    assert not (tmp_path / "out").exists()


def test_what_a_step_came_to_is_kept(tmp_path: Path) -> None:
    done = []
    for _ in range(2):
        assert steps.once(tmp_path / "a.json", lambda: done.append(1) or {"n": len(done), "x": float("nan")}) == {
            "n": 1,
            "x": None,
        }
    assert done == [1]
