"""The benchmark of surprise: its score, what its events do, and a run of two clips onto a page."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forearm import envs
from tools.bench import surprise
from tools.bench.__main__ import main


def test_auroc_is_the_share_of_pairs_in_order() -> None:
    assert surprise.auroc([3.0, 2.0], [1.0, 0.0]) == 1.0
    assert surprise.auroc([1.0, 1.0], [1.0, 1.0]) == 0.5
    assert surprise.auroc([0.0, 2.0], [1.0, 1.0]) == 0.5


def happened(name: str, steps: int = 4) -> Any:
    """An environment in which something has happened for some steps under a command of one half."""
    env: Any = envs.make("push", None, 64)
    env.reset(seed=3)
    event = surprise.EVENTS[name](np.random.default_rng(0))
    for since in range(steps):
        done = event.command(np.full(4, 0.5 * (since + 1) / steps), since)
        event.before(env, since)
        env.advance(done)
        event.after(env, since)
    return env, event, done


def test_events_do_what_they_say() -> None:
    calm = happened("normal")[0].positions()
    moved = happened("object teleported")[0].positions()["object_position"]
    assert 0.05 < np.linalg.norm(moved - calm["object_position"]) < 0.2
    assert happened("object vanished")[0].positions()["object_position"][0] > 1.0
    assert np.linalg.norm(happened("object pushed by nobody")[0].positions()["object_position"] - moved) > 0.01
    blocked = happened("arm blocked")[0].positions()["ee_position"]
    assert np.linalg.norm(calm["ee_position"] - blocked) > 0.005
    assert np.allclose(happened("actuator at half")[2], 0.25) and np.allclose(
        happened("actuator two steps late")[2], 0.25
    )
    frozen = surprise.EVENTS["frames frozen"](np.random.default_rng(0))
    frames = [np.full((8, 8, 3), value, np.uint8) for value in range(3)]
    assert [int(frozen.frame(frame, since)[0, 0, 0]) for since, frame in enumerate(frames)] == [0, 0, 0]
    repeated = surprise.EVENTS["frames repeated"](np.random.default_rng(0))
    assert [int(repeated.frame(frame, since)[0, 0, 0]) for since, frame in enumerate(frames)] == [0, 0, 2]


def test_a_run_of_two_clips_comes_onto_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    kept = ("normal", "object vanished", "camera bumped by 2 cm, 5 degrees")
    monkeypatch.setattr(surprise, "EVENTS", {name: surprise.EVENTS[name] for name in kept})
    words = ["--only", "surprise", "--docs", str(tmp_path)]
    assert main([*words, "--clips", "2"]) == 0
    [normal, *rows] = json.loads((tmp_path / "data/benchmarks/surprise.json").read_text())["figures"]["rows"]
    assert normal["clips"] == 2 and [row["event"] for row in rows] == list(kept[1:])
    assert rows[0]["auroc"]["monitor"] == 1.0 and set(rows[0]["auroc"]) == set(surprise.SCORES)
    text = (tmp_path / "benchmarks.md").read_text(encoding="utf-8")
    assert "## Surprise" in text and "| push | object vanished | " in text and "false alarms in 0.00 hours" in text
    assert main([*words, "--clips", "0"]) == 2 and "--clips" in capsys.readouterr().err
    assert main([*words, "--tasks", "fetch/push", "--clips", "1"]) == 2
    assert "forearm calibrate task=fetch/push" in capsys.readouterr().err
