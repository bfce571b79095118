"""The benchmark of surprise: its score, what its events do, and a run of two clips onto a page."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from forearm import envs
from tools.bench import surprise
from tools.bench.__main__ import main
from tools.bench.surprise import events
from tools.bench.surprise.clips import Filming
from tools.bench.surprise.events import Event, Scene, events_of


def test_auroc_is_the_share_of_pairs_in_order() -> None:
    assert surprise.auroc([3.0, 2.0], [1.0, 0.0]) == 1.0
    assert surprise.auroc([1.0, 1.0], [1.0, 1.0]) == 0.5
    assert surprise.auroc([0.0, 2.0], [1.0, 1.0]) == 0.5


def happened(name: str, task: str = "push", steps: int = 4) -> Any:
    """An environment in which something has happened for some steps under a command of one half."""
    env: Any = envs.make(task, None, 64)
    env.reset(seed=3)
    scene = Scene(env)
    event = events_of(scene, True)[name](scene, np.random.default_rng(0)) if name else Event()
    for since in range(steps):
        done = event.command(np.full(4, 0.5 * (since + 1) / steps), since)
        event.before(env, since)
        env.advance(done)
    return env, event, done


def test_events_do_what_they_say() -> None:
    calm = happened("")[0].positions()
    moved = happened("object teleported")[0].positions()["object_position"]
    assert 0.05 < np.linalg.norm(moved - calm["object_position"]) < 0.2
    assert happened("object vanished")[0].positions()["object_position"][0] > 1.0
    assert np.linalg.norm(happened("object pushed by nobody")[0].positions()["object_position"] - moved) > 0.01
    blocked = happened("arm blocked")[0].positions()["ee_position"]
    assert np.linalg.norm(calm["ee_position"] - blocked) > 0.005
    held = happened("arm blocked", steps=1)[0].positions()["ee_position"]
    assert np.linalg.norm(held - blocked) < 0.001
    assert np.allclose(happened("actuator at half")[2], 0.25) and np.allclose(
        happened("actuator two steps late")[2], 0.25
    )
    everything = events_of(Scene(happened("")[0]), False)
    assert "gripper slips" not in everything
    frames = [np.full((8, 8, 3), value, np.uint8) for value in range(3)]
    for name, shown in (("frames frozen", [0, 0, 0]), ("frames repeated", [0, 0, 2])):
        event = everything[name](Scene(happened("")[0]), np.random.default_rng(0))
        assert [int(event.frame(frame, since)[0, 0, 0]) for since, frame in enumerate(frames)] == shown
        assert event.of_frames


def test_without_an_object_only_the_arm_and_the_camera_can_fail() -> None:
    env: Any = envs.make("reach", None, 64)
    assert not any("object" in name for name in events_of(Scene(env), False))
    film = Filming(env, lambda frames: torch.zeros(len(frames), 2), 12, 3)
    normal = next(each for each in map(film.normal, range(40)) if each is not None)
    again = film.again(normal, Event())
    for seen, before in zip(again, normal.seen[normal.begin :], strict=False):
        assert np.array_equal(seen["pixels"], before["pixels"])
    view, damping = env.model.cam_quat.copy(), env.model.dof_damping.copy()
    for name in ("camera bumped by 2 cm, 5 degrees", "arm blocked"):
        other = film.again(normal, film.events[name](film.scene, np.random.default_rng(0)))
        assert not np.array_equal(other[-1]["pixels"], again[-1]["pixels"])
    assert np.array_equal(env.model.cam_quat, view) and np.array_equal(env.model.dof_damping, damping)
    env.close()


def test_a_run_of_two_clips_comes_onto_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr(events, "OF_OBJECTS", {"object vanished": events.OF_OBJECTS["object vanished"]})
    bump = "camera bumped by 2 cm, 5 degrees"
    monkeypatch.setattr(events, "OF_ALL", {bump: events.OF_ALL[bump]})
    words = ["--only", "surprise", "--docs", str(tmp_path), "--kept", str(tmp_path / "clips")]
    assert main([*words, "--clips", "2"]) == 0
    first = json.loads((tmp_path / "data/benchmarks/surprise.json").read_text())["figures"]["rows"]
    [normal, *rows] = first
    assert normal["clips"] == 2 and normal["rate"] == 6 and [row["event"] for row in rows] == ["object vanished", bump]
    assert rows[0]["auroc"]["monitor"] == 1.0 and set(rows[0]["auroc"]) == set(surprise.SCORES)
    text = (tmp_path / "benchmarks.md").read_text(encoding="utf-8")
    assert "## Surprise" in text and "| push | object vanished | " in text and "false alarms in 0.00 hours" in text
    monkeypatch.setattr(Filming, "_film", lambda *_: pytest.fail("filmed again"))
    assert main([*words, "--clips", "2"]) == 0
    assert json.loads((tmp_path / "data/benchmarks/surprise.json").read_text())["figures"]["rows"] == first
    assert main([*words, "--clips", "0"]) == 2 and "--clips" in capsys.readouterr().err
    assert main([*words, "--tasks", "fetch/reach", "--clips", "1"]) == 2
    assert "forearm calibrate task=fetch/reach" in capsys.readouterr().err
