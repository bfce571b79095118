import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from forearm.cli.collect import _agent
from forearm.cli.main import main
from forearm.common.seeds import collection_reset_seed
from forearm.evaluation.env_pool import environment
from forearm.recording import collect as engine
from forearm.recording.collect import Collection, collect
from forearm.recording.vary import Varying
from forearm.settings import compose as settings
from forearm.world_model.data import DatasetError, tables
from forearm.world_model.data.reader import read_dataset
from forearm.world_model.data.writer import DatasetWriter


@pytest.fixture
def serial(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shards are filmed here, one after the other: no new processes."""
    monkeypatch.setattr(engine, "run_jobs", lambda function, jobs, workers: map(function, jobs))


def small(out: Path, **changes: Any) -> Collection:
    return replace(Collection("push", out, episodes=5, steps=4, shard_episodes=2), **changes)


def content(out: Path) -> list[Any]:
    data = read_dataset(out)
    return [(e.pixels, e.state, e.action, *e.extra.values()) for e in map(data.episode, range(len(data)))]


def same(a: list[Any], b: list[Any]) -> bool:
    return len(a) == len(b) and all(
        np.array_equal(x, y) for one, other in zip(a, b, strict=True) for x, y in zip(one, other, strict=True)
    )


def test_a_collection_is_a_dataset_of_frames_and_the_actions_sent_after_them(tmp_path: Path, serial: None) -> None:
    progress = list(collect(small(tmp_path), 1))
    assert (progress[-1].episodes_done, progress[-1].frames_now, progress[-1].shards) == (5, 25, 3)
    data = read_dataset(tmp_path)
    assert len(data) == 5 and data.resolution == (64, 64)
    episode = data.episode(0)
    assert len(episode) == 5 and episode.state.shape == (5, 15)
    assert np.abs(episode.action[:-1]).max() > 0 and not episode.action[-1].any()
    assert set(episode.extra) == {"ee_position", "object_position"}


def test_a_task_without_an_object_has_no_object_position(tmp_path: Path, serial: None) -> None:
    list(collect(small(tmp_path, task="reach", episodes=1), 1))
    assert set(read_dataset(tmp_path).episode(0).extra) == {"ee_position"}


def test_data_depend_on_the_seed_and_not_on_the_shards(tmp_path: Path, serial: None) -> None:
    for name, changes in {"a": {}, "b": {"shard_episodes": 5}, "c": {"seed": 1}}.items():
        list(collect(small(tmp_path / name, **changes), 1))
    assert same(content(tmp_path / "a"), content(tmp_path / "b"))
    assert not same(content(tmp_path / "a"), content(tmp_path / "c"))


def test_a_full_disk_leaves_what_was_finished_and_the_next_call_goes_on(
    tmp_path: Path, failing: Any, monkeypatch: pytest.MonkeyPatch, serial: None
) -> None:
    whole = DatasetWriter.write_shard

    def full(self: Any, index: int, episodes: Any) -> None:
        if index == 1:
            raise OSError(28, "No space left on device", "data/chunk-000/file-001.parquet")
        whole(self, index, episodes)

    command = ["collect", "task=push", "episodes=5", "steps=4", "shard_episodes=2", f"out={tmp_path}/data"]
    monkeypatch.setattr(DatasetWriter, "write_shard", full)
    assert "disk is full" in failing(*command)
    monkeypatch.setattr(DatasetWriter, "write_shard", whole)
    assert main(command) == 0
    list(collect(small(tmp_path / "other"), 1))
    assert same(content(tmp_path / "data"), content(tmp_path / "other"))
    with Image.open(tmp_path / "data" / "contact_sheet.png") as sheet:
        assert sheet.size[0] > 64 * 9 and sheet.size[1] > 64 * 4


def test_a_killed_collection_goes_on_with_nothing_lost_or_doubled(tmp_path: Path) -> None:
    command = [
        sys.executable, "-c", "import sys; from forearm.cli.main import main; sys.exit(main(sys.argv[1:]))",
        "collect", "task=push", "episodes=60", "steps=8", "shard_episodes=5", "workers=2", f"out={tmp_path}/data",
    ]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 60
    while not list((tmp_path / "data").glob("meta/episodes/*/*.parquet")) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "data" / "meta" / "info.json").exists()
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    data = read_dataset(tmp_path / "data")
    assert [entry.index for entry in data.episodes] == list(range(60))
    assert not list((tmp_path / "data").rglob(".*.tmp"))
    assert json.loads((tmp_path / "data" / "meta" / "info.json").read_text())["total_frames"] == 60 * 9


def test_bad_collections(tmp_path: Path, failing: Any, serial: None) -> None:
    list(collect(small(tmp_path / "data"), 1))
    command = ["collect", "task=push", "episodes=5", "steps=4", "shard_episodes=2", f"out={tmp_path}/data"]
    assert "seed=0, not" in failing(*command, "seed=1")
    assert "total_episodes=5" in failing(*command, "episodes=6")
    (tmp_path / "file").touch()
    assert "is a file" in failing(*command, f"out={tmp_path}/file")
    assert "storage" in failing(*command, f"out={tmp_path}/new", "storage=gif")
    assert "at least 1" in failing(*command, f"out={tmp_path}/new", "steps=0")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(("practice", "episodes", "expected"), [(0.29, 100, 29), (0.5, 4, 2), (1.0, 3, 3), (0.3, 3, 0)])
def test_as_many_episodes_practise_as_the_share_says(practice: float, episodes: int, expected: int) -> None:
    collection = Collection("reach", Path(), episodes=episodes, steps=8, practice=practice)
    assert sum(map(collection.practises, range(episodes))) == expected


def practising(out: Path, **changes: Any) -> Collection:
    words = ["task=reach", "planner=random_shooting", "planner.samples=8", "planner.iterations=1", "practice=0.5"]
    chosen = settings.load("collect", [*words, "replan_every=2"])
    return replace(
        Collection("reach", out, episodes=4, steps=8, shard_episodes=2),
        practice=0.5, agent=_agent(chosen), **changes,
    )  # fmt: skip


def test_in_a_share_of_the_episodes_the_planner_begins_and_the_policy_takes_over(tmp_path: Path, serial: None) -> None:
    list(collect(practising(tmp_path / "a"), 1))
    list(collect(practising(tmp_path / "b", shard_episodes=1), 1))
    list(collect(replace(practising(tmp_path / "c"), practice=0.0), 1))
    mixed, other, explored = (content(tmp_path / name) for name in "abc")
    assert same(mixed, other)
    # Spread evenly: the second and the fourth are the planner's, whose first commands are its own.
    changed = [not np.array_equal(a[2], b[2]) for a, b in zip(mixed, explored, strict=True)]
    assert changed == [False, True, False, True]
    begun = json.loads((tmp_path / "a" / "meta" / "collection.json").read_text())["fingerprint"]
    assert begun["practice"] == 0.5 and begun["agent"]["planner"]["name"] == "random_shooting"
    assert "practice" not in json.loads((tmp_path / "c" / "meta" / "collection.json").read_text())["fingerprint"]


def test_another_objective_is_another_practice(tmp_path: Path, serial: None) -> None:
    begun = practising(tmp_path / "a")
    list(collect(begun, 1))
    assert begun.agent is not None
    task = {**begun.agent.task, "prior_gain": 1.3}
    with pytest.raises(DatasetError, match="was begun with"):
        list(collect(replace(begun, agent=replace(begun.agent, task=task)), 1))


def test_practice_brings_the_hand_nearer_to_its_goals_than_exploring_does(tmp_path: Path) -> None:
    """The planner's part of an episode is a real plan: a hand that it moves for 25 steps is where the goal is."""
    env = environment("reach", "front", 64)
    chosen = settings.load("collect", ["task=reach", "practice=1"])
    left = []
    for agent in (_agent(chosen), None):
        ends = []
        for episode in range(3):
            env.reset(seed=collection_reset_seed(0, episode))
            goal = env.goal_position
            filmed = engine.film_episode(env, 0, episode, 40, agent)
            ends.append(np.linalg.norm(filmed.extra["ee_position"] - goal, axis=1).min())
        left.append(np.mean(ends))
    assert left[0] < 0.6 * left[1]


def test_bad_practice(tmp_path: Path, failing: Any) -> None:
    command = ["collect", "task=reach", "episodes=1", "steps=4", f"out={tmp_path}/new"]
    assert "must be a share of the episodes" in failing(*command, "practice=1.5")
    assert "replan_every=99" in failing(*command, "practice=1", "replan_every=99")
    assert "no checkpoint 'nothing'" in failing(*command, "practice=1", "task.checkpoint=nothing")
    assert "practice=0.3 of 1 episodes is none" in failing(*command, "practice=0.3")
    assert "depend on how fast this machine is" in failing(*command, "practice=1", "planner.deadline_ms=50")
    assert not (tmp_path / "new").exists()


VARY = ["vary=[light,table,mass]", "vary.light.strength=[0.5,2]", "vary.table.strength=1", "vary.mass.strength=3"]


def varying(task: str, *words: str) -> Varying | None:
    chosen = settings.load("collect", [f"task={task}", *words])
    return Varying.of(chosen["vary"], chosen.one("task"))


def rows_of(out: Path) -> list[dict[str, Any]]:
    return [row for path in sorted(out.glob("meta/episodes/*/*.parquet")) for row in tables.episode_rows(path)]


def test_episodes_are_filmed_otherwise_and_say_how(tmp_path: Path, serial: None, capsys: Any) -> None:
    command = ["collect", "task=push", "episodes=8", "steps=2", "contact_sheet=false"]
    assert main([*command, f"out={tmp_path}/a", "shard_episodes=3", *VARY]) == 0
    assert main([*command, f"out={tmp_path}/b", "shard_episodes=8", *VARY]) == 0
    assert main([*command, f"out={tmp_path}/plain"]) == 0
    otherwise, other, plain = (content(tmp_path / name) for name in ("a", "b", "plain"))
    assert same(otherwise, other)  # in whatever shards, and by whatever processes
    drawn = [(row["vary/factor"], row["vary/strength"]) for row in rows_of(tmp_path / "a")]
    assert {factor for factor, _ in drawn} == {"none", "light", "table", "mass"}
    for (factor, strength), one, as_usual in zip(drawn, otherwise, plain, strict=True):
        assert np.array_equal(one[2], as_usual[2])  # the same commands
        assert np.array_equal(one[0], as_usual[0]) == (factor in ("none", "mass"))
        if factor == "light":
            assert (strength < 1) == (one[0].mean() < as_usual[0].mean())
    assert "vary/factor" not in rows_of(tmp_path / "plain")[0]
    begun = json.loads((tmp_path / "a/meta/collection.json").read_text())["fingerprint"]["vary"]
    assert begun["share"] == 0.5 and begun["strengths"] == {"light": [0.5, 2.0], "table": [1.0], "mass": [3.0]}

    assert main(["data", "merge", f"data=[{tmp_path}/plain,{tmp_path}/a]", f"out={tmp_path}/both"]) == 0
    told = [(row["vary/factor"], row["vary/strength"]) for row in rows_of(tmp_path / "both")]
    assert str(told) == str([("none", float("nan"))] * 8 + drawn)
    capsys.readouterr()
    assert main(["data", "inspect", str(tmp_path / "both")]) == 0
    said = capsys.readouterr().out
    assert "varied: as usual (" in said and "table 1 (" in said


def test_a_goal_of_practice_is_otherwise_where_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env, begun = environment("reach", "front", 64), practising(tmp_path).agent
    assert begun is not None
    agent, goals = begun.agent([env]), []
    own = agent.reset

    def watched(given: Any, seeds: Any) -> None:
        goals.append(given[0])
        own(given, seeds)

    monkeypatch.setattr(agent, "reset", watched)
    monkeypatch.setattr(type(begun), "agent", lambda self, envs: agent)
    for too in ("false", "true"):
        vary = varying("reach", "vary=[light]", "vary.light.strength=0.5", "vary.share=1", f"vary.goal_too={too}")
        assert engine.film_episode(env, 0, 0, 8, begun, vary).about == {"vary/factor": "light", "vary/strength": 0.5}
    assert goals[1].mean() < 0.6 * goals[0].mean()


def test_bad_variations(tmp_path: Path, failing: Any) -> None:
    command = ["collect", "task=reach", "episodes=1", "steps=4", f"out={tmp_path}/new"]
    assert "unknown factor 'lihgt'; did you mean 'light'?" in failing(*command, "vary=[lihgt]")
    assert "vary.share=2.0 must be a share of the episodes" in failing(*command, "vary.share=2")
    assert "task 'reach' cannot be varied by mass" in failing(*command, "vary=[light,mass]")
    assert "names no strength" in failing(*command, "vary=[light]", "vary.light.strength=1")
    assert not (tmp_path / "new").exists()
