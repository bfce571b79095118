"""Episodes that are fixed in a file, and comparisons that run them."""

import json
from pathlib import Path
from typing import Any

import pytest

import forearm
from forearm.cli import manifest as command
from forearm.cli.compare import chosen_of, comparison_of
from forearm.cli.main import main
from forearm.errors import ForearmError
from forearm.evaluation import comparison as engine
from forearm.evaluation.closed_loop import check_goal
from forearm.evaluation.manifest import read_manifest
from tests.forearm.conftest import Failing

SMALL = ("planner=[cem,mppi]", "planner.samples=8", "planner.iterations=2", "cem.elites=2", "planner.horizon=4",
         "films=0", "workers=1")  # fmt: skip


@pytest.fixture(autouse=True)
def serial(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs run here, one after the other: no new processes."""
    monkeypatch.setattr(engine, "run_jobs", lambda function, jobs, workers: map(function, jobs))


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Three short episodes of reach."""
    path = tmp_path / "m.json"
    words = [
        "task=reach",
        "episodes=3",
        "seed=5",
        "task.max_steps=6",
        "protocol.hold_steps=2",
        f"out={path}",
        "workers=1",
    ]
    assert command.main(words) == 0
    return path


def of(checkpoints: Path, tmp_path: Path, *more: str) -> Any:
    words = [*SMALL, f"reach.checkpoint={checkpoints}/reach.json", f"out={tmp_path / 'out'}", *more]
    return comparison_of(chosen_of(words), words)


def test_a_manifest_says_where_episodes_start_and_what_counts(manifest: Path) -> None:
    document = json.loads(manifest.read_text())
    assert set(document) == {"seed", "sha256", "protocol", "criteria", "episodes"}
    assert document["seed"] == 5 and document["criteria"]["reach"]["hold_steps"] == 2
    assert document["criteria"]["reach"]["max_steps"] == 6
    first = document["episodes"][0]
    assert first["start_state"] and first["goal_state"] and first["seed"] and first["sha256"]
    read = read_manifest(manifest)
    assert json.loads(json.dumps(read.document)) == document and list(read.episodes) == ["reach"]


def test_a_comparison_takes_all_that_its_manifest_brings(manifest: Path, checkpoints: Path, tmp_path: Path) -> None:
    chosen = of(checkpoints, tmp_path, f"manifest={manifest}")
    assert (chosen.seed, chosen.episodes, chosen.protocol["hold_steps"]) == (5, 3, 2)
    document = engine.compare(chosen, 1, 1)
    episodes = json.loads(manifest.read_text())["episodes"]
    for row in document["rows"]:
        assert [o["seed"] for o in row["outcomes"]] == [episode["seed"] for episode in episodes]
        assert [o["sha256"] for o in row["outcomes"]] == [episode["sha256"][:16] for episode in episodes]
        assert all(outcome["steps"] <= 6 for outcome in row["outcomes"])
    assert document["manifest_sha256"] == json.loads(manifest.read_text())["sha256"]
    drawn = of(checkpoints, tmp_path / "drawn", "task=reach", "seed=5", "episodes=3", "task.max_steps=6",
               "protocol.hold_steps=2")  # fmt: skip
    again = engine.compare(drawn, 1, 1)
    assert [row["outcomes"] for row in again["rows"]] == [row["outcomes"] for row in document["rows"]]
    # What a comparison leaves behind is a manifest too.
    assert read_manifest(tmp_path / "drawn" / "out" / "manifest.json") == read_manifest(manifest)


def test_a_manifest_may_be_run_in_part_and_then_whole(
    manifest: Path, checkpoints: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[Any] = []
    run = engine.run_chunk
    monkeypatch.setattr(engine, "run_chunk", lambda job: ran.append(job.episodes[0].episode) or run(job))
    part = engine.compare(of(checkpoints, tmp_path, f"manifest={manifest}", "episodes=2", "baselines=[]"), 1, 1)
    assert [row["episodes"] for row in part["rows"]] == [2, 2] and sorted(ran) == [0, 0, 1, 1]
    ran.clear()
    whole = engine.compare(of(checkpoints, tmp_path, f"manifest={manifest}", "baselines=[hold]"), 1, 1)
    # The rows grow by what is new, and so does the table.
    assert sorted(ran) == [0, 1, 2, 2, 2]
    for before, after in zip(part["rows"], whole["rows"], strict=False):
        assert (
            after["outcomes"][:2] == before["outcomes"]
            and after["plan_ms"]["episodes"][:2] == before["plan_ms"]["episodes"]
        )
        assert after["model_evals"][:2] == before["model_evals"] and after["key"] == before["key"]


def test_films_keep_up_with_the_names_of_rows(
    checkpoints: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[Any] = []
    run = engine.run_chunk
    monkeypatch.setattr(engine, "run_chunk", lambda job: ran.append(job.contender.label) or run(job))
    words = ["task=reach", "task.max_steps=4", "episodes=1", "films=1", "planner=cem", "baselines=[]"]
    first = engine.compare(of(checkpoints, tmp_path, *words), 1, 1)
    assert first["rows"][0]["outcomes"][0]["film"] == "films/reach-cem-000.mp4"
    second = engine.compare(of(checkpoints, tmp_path, *words, "planner.samples=9,8"), 1, 1)
    assert ran == ["reach-cem", "reach-cem samples=9"]
    films = [row["outcomes"][0]["film"] for row in second["rows"]]
    assert films == ["films/reach-cem-samples=9-000.mp4", "films/reach-cem-samples=8-000.mp4"]
    assert sorted(path.name for path in (tmp_path / "out" / "films").iterdir()) == sorted(
        Path(film).name for film in films
    )


@pytest.mark.parametrize(
    "words, said",
    [
        (["protocol.hold_steps=3"], "reach: hold_steps is 3 here, but 2 in the manifest"),
        (["task.max_steps=9"], "reach: max_steps is 9 here, but 6 in the manifest"),
        (["protocol=strict"], "reach: .* in the manifest"),
        (["seed=6"], "seed=6, but the manifest was drawn with seed=5"),
        (["seed=5,6"], "a manifest has one seed"),
        (["episodes=4"], "episodes=4, but the manifest has 3 of reach"),
        (["task=push"], "task=push is not in the manifest, which has reach"),
    ],
)
def test_what_differs_from_a_manifest_is_named(
    words: list[str], said: str, manifest: Path, checkpoints: Path, tmp_path: Path
) -> None:
    words = [f"manifest={manifest}", f"out={tmp_path / 'out'}", "learned=false", *words]
    with pytest.raises(ForearmError, match=said):
        engine.compare(comparison_of(chosen_of(words)), 1, 1)
    assert not (tmp_path / "out").exists()


def test_what_is_no_manifest_is_refused(manifest: Path, tmp_path: Path, failing: Failing) -> None:
    document = json.loads(manifest.read_text())
    moved = [{**episode, "seed": 7} for episode in document["episodes"]]
    broken: dict[str, Any] = {
        "text": "{", "list": [], "old": {key: document[key] for key in ("seed", "sha256", "episodes")},
        "fewer": {**document, "episodes": document["episodes"][:2]},
        "more": {**document, "criteria": {**document["criteria"], "push": {}}},
        "other": {**document, "episodes": [{**moved[0], "what": 1}, *moved[1:]]},
    }  # fmt: skip
    for name, content in broken.items():
        path = tmp_path / f"{name}.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        assert f"manifest={path}" in failing("compare", f"manifest={path}")
    assert "nothing.json" in failing("compare", f"manifest={tmp_path / 'nothing.json'}")
    assert "is a folder; name a file" in failing("manifest", f"out={tmp_path}")
    assert "episodes must be a whole number" in failing("manifest", "episodes=0")


def test_a_goal_that_is_another_is_told(manifest: Path) -> None:
    [episode, *_] = read_manifest(manifest).episodes["reach"]
    check_goal(episode.start_distance_m, episode)
    for distance in (episode.start_distance_m + 0.001, float("nan")):
        with pytest.raises(ForearmError, match="episode 0 does not have the goal that its manifest says"):
            check_goal(distance, episode)


def test_a_manifest_with_another_goal_is_not_run(manifest: Path, checkpoints: Path, tmp_path: Path) -> None:
    document = json.loads(manifest.read_text())
    for episode in document["episodes"]:
        episode["start_distance_m"] += 0.01
    manifest.write_text(json.dumps(document))
    with pytest.raises(ForearmError, match="does not have the goal that its manifest says"):
        engine.compare(of(checkpoints, tmp_path, f"manifest={manifest}"), 1, 1)


def test_python_takes_a_manifest(manifest: Path, tmp_path: Path, capsys: Any) -> None:
    document = forearm.compare(out=tmp_path / "out", manifest=str(manifest), learned=False, baselines=["hold"])
    assert [(row["name"], row["episodes"]) for row in document["rows"]] == [("hold", 3)]
    assert main(["manifest", "--cfg", "job"]) == 0 and "hold_steps: 1" in capsys.readouterr().out
