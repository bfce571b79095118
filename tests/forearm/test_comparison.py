import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import forearm
from forearm.cli import main as cli
from forearm.cli.compare import comparison_of
from forearm.evaluation import comparison as engine
from forearm.settings import compose as settings
from tests.conftest import run_here

ROW = {
    "task", "planner", "dynamics", "episodes", "successes", "success", "ci95", "final_distance_m", "plan_ms",
    "model_evals_per_plan", "outcomes", "checkpoint", "name", "label", "key", "code",
    "touched", "held", "settings", "searches", "draws_prior", "model_evals",
}  # fmt: skip
PAIR = {
    "task", "a", "b", "only_a", "only_b", "p", "p_holm", "verdict", "test", "n", "difference", "more_episodes",
    "final_distance_m", "plan_ms",
}  # fmt: skip


@pytest.fixture
def serial(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs run here, one after the other: no new processes."""
    monkeypatch.setattr(engine, "run_jobs", lambda function, jobs, workers: map(function, jobs))


def words(
    checkpoints: Path, out: Path, *more: str, tasks: Sequence[str] = ("reach", "push"), second: str = "random_shooting"
) -> list[str]:
    return [
        f"task=[{','.join(tasks)}]", f"planner=[cem,{second}]", "planner.samples=8", "planner.iterations=2",
        "cem.elites=2", "planner.horizon=4", *(f"{task}.checkpoint={checkpoints}/{task}.json" for task in tasks),
        "task.max_steps=6", "episodes=3", "films=1", f"out={out}", *more,
    ]  # fmt: skip


def compare(words: list[str], batch: int = 1, workers: int = 1) -> dict[str, Any]:
    return engine.compare(comparison_of(settings.load("compare", words)), batch, workers)


def outcomes(document: dict[str, Any]) -> Any:
    return [(row["task"], row["planner"], row["outcomes"]) for row in document["rows"]]


def test_the_document_is_the_one_that_is_promised(checkpoints: Path, tmp_path: Path, serial: None) -> None:
    more = ("oracle=true", "oracle_episodes=1")
    document = compare(words(checkpoints, tmp_path, *more, tasks=["reach"], second="mppi"))
    assert document == json.loads((tmp_path / "results.json").read_text())
    keys = {"version", "created", "machine", "seed", "manifest_sha256", "rows", "pairs"}
    keys |= {"protocol", "solved_at_start", "command", "seeds", "manifests", "criteria", "budget", "device", "alpha"}
    keys |= {"confidence", "detectable", "across"}
    assert set(document) == keys
    assert document["version"] == forearm.__version__
    rows = {(row["planner"], row["dynamics"]): row for row in document["rows"]}
    assert list(rows) == [
        ("cem", "learned"), ("mppi", "learned"), ("cem", "oracle"), ("mppi", "oracle"),
        ("random", "none"), ("hold", "none"), ("expert", "none"),
    ]  # fmt: skip
    for (_, dynamics), row in rows.items():
        assert set(row) == ROW
        assert row["episodes"] == len(row["outcomes"]) == (1 if dynamics == "oracle" else 3)
        assert row["ci95"][0] <= row["success"] <= row["ci95"][1]
        assert [o["episode"] for o in row["outcomes"]] == list(range(row["episodes"]))
        assert set(row["outcomes"][0]) == {
            "episode", "seed", "success", "touched", "held", "steps", "final_distance_m", "run", "sha256", "film",
        }  # fmt: skip
    assert rows["cem", "learned"]["model_evals_per_plan"] == 16
    times = rows["cem", "learned"]["plan_ms"]
    every = [ms for episode in times["episodes"] for ms in episode]
    assert len(times["episodes"]) == 3 and len(every) >= 3 and min(every) <= times["p50"] <= times["p95"] <= max(every)
    assert rows["hold", "none"]["plan_ms"] == {"p50": None, "p95": None, "episodes": []}
    seeds = [[o["seed"] for o in row["outcomes"]] for row in rows.values()]
    assert all(seed == seeds[0][: len(seed)] for seed in seeds)  # the same episodes for every row
    assert [set(pair) for pair in document["pairs"]] == [PAIR]
    films = sorted(path.name for path in (tmp_path / "films").iterdir())
    assert films == [f"reach-{name}-000.mp4" for name in ("cem", "cem-oracle", "mppi", "mppi-oracle")]
    assert {path.name for path in tmp_path.iterdir()} == {"films", "manifest.json", "results.json", "settings.json"}


def test_outcomes_do_not_depend_on_batch_or_workers(
    checkpoints: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(engine, "run_jobs", run_here)
        one = compare(words(checkpoints, tmp_path / "a", "films=0", tasks=["push"]), batch=1, workers=1)
    other = compare(words(checkpoints, tmp_path / "b", "films=0", tasks=["push"]), batch=2, workers=2)
    assert outcomes(one) == outcomes(other)
    assert one["manifest_sha256"] == other["manifest_sha256"]


def test_the_expert_does_it_and_holding_still_does_not(tmp_path: Path, serial: None) -> None:
    only = ["task=push", "planner=cem", "episodes=3", f"out={tmp_path}"]
    chosen = comparison_of(settings.load("compare", only))
    document = engine.compare(replace(chosen, learned=False), 2, 1)
    solved = {row["planner"]: row["successes"] for row in document["rows"]}
    assert solved["expert"] == 3 and solved["hold"] == 0


def test_a_stopped_run_goes_on_where_it_stopped(
    checkpoints: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[Any] = []

    def stopping_after(limit: int) -> Any:
        def run(function: Any, jobs: Any, workers: int) -> Iterator[Any]:
            for job in jobs:
                if function is engine.run_chunk:
                    if len(ran) == limit:
                        raise KeyboardInterrupt
                    ran.append((job.contender.label, job.episodes[0].episode))
                yield function(job)

        return run

    monkeypatch.setattr(engine, "run_jobs", stopping_after(1000))
    whole = compare(words(checkpoints, tmp_path / "whole"))
    everything = list(ran)
    assert [episode for _, episode in ran] == sorted(episode for _, episode in ran)  # rows take turns
    ran.clear()
    monkeypatch.setattr(engine, "run_jobs", stopping_after(7))
    with pytest.raises(KeyboardInterrupt):
        compare(words(checkpoints, tmp_path / "cut"))
    assert not (tmp_path / "cut" / "results.json").exists()
    half = next((tmp_path / "cut" / "partial").rglob("*.json"))
    half.write_text(half.read_text()[:20])  # as if the disk had been full
    (tmp_path / "cut" / "films" / ".x.0.tmp.mp4").write_text("left by a kill")
    monkeypatch.setattr(engine, "run_jobs", stopping_after(1000))
    resumed = compare(words(checkpoints, tmp_path / "cut"))
    assert outcomes(resumed) == outcomes(whole)
    assert sorted(set(ran)) == sorted(everything) and len(ran) == len(everything) + 1
    assert not list((tmp_path / "cut").rglob(".*"))


@pytest.mark.parametrize("kill", [signal.SIGINT, signal.SIGKILL])
def test_no_worker_outlives_its_parent(kill: signal.Signals, tmp_path: Path) -> None:
    command = [
        sys.executable, "-c", "import sys; from forearm.cli.main import main; sys.exit(main(sys.argv[1:]))",
        "collect", "task=push", "episodes=4000", "shard_episodes=1000", "workers=1", f"out={tmp_path}/data",
    ]  # fmt: skip
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # Whoever runs the tests in the background of a shell has Ctrl-C ignored, and so have its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 60
    while not (tmp_path / "data" / "meta").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(4)
    if kill == signal.SIGINT:
        os.killpg(process.pid, kill)
        said = process.communicate(timeout=30)[1]
        assert process.returncode == cli.INTERRUPTED
        assert said.strip() == "forearm: interrupted; finished parts are kept"
    else:
        process.kill()
        process.communicate(timeout=30)
    deadline = time.monotonic() + 10
    while running(process.pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not running(process.pid)


def running(group: int) -> list[str]:
    """Processes of a process group, apart from those that have ended and that nobody has asked about."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, its_group = path.read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(its_group) == group and state != "Z":
            found.append(path.parent.name)
    return found


@pytest.mark.parametrize("far", [float("nan"), float("inf")])
def test_a_simulation_that_diverged_leaves_results_that_are_json(
    checkpoints: Path, tmp_path: Path, serial: None, monkeypatch: pytest.MonkeyPatch, far: float
) -> None:
    from forearm.evaluation import workers

    run = workers.run_episodes
    monkeypatch.setattr(workers, "run_episodes", lambda *a: [replace(o, final_distance_m=far) for o in run(*a)])
    document = compare(words(checkpoints, tmp_path, "oracle=false", tasks=["reach"]))
    kept = json.loads((tmp_path / "results.json").read_text(), parse_constant=pytest.fail)
    assert kept["rows"] == document["rows"]
    planned = [row for row in kept["rows"] if row["planner"] == "cem"]
    assert all(row["final_distance_m"] is None for row in planned)
    assert all(outcome["final_distance_m"] is None for row in planned for outcome in row["outcomes"])
