"""The same episodes otherwise: a row a strength, paired with the one where nothing is."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from forearm.cli.main import main
from forearm.evaluation import comparison as engine
from forearm.evaluation import workers
from forearm.evaluation.closed_loop import run_episodes
from forearm.evaluation.env_pool import environment
from forearm.evaluation.vary_picture import curves, save_curves

Failing = Callable[..., str]
SHORT = ("planner.samples=8", "planner.iterations=2", "planner.horizon=4", "planner.elites=2", "task.max_steps=4",
         "episodes=2", "films=0", "baselines=[hold]", "workers=1")  # fmt: skip


@pytest.fixture(autouse=True)
def serial(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs run here, one after the other: no new processes."""
    monkeypatch.setattr(engine, "run_jobs", lambda function, jobs, workers: map(function, jobs))


def compared(checkpoints: Path, out: Path, *words: str) -> dict[str, Any]:
    own = ("task=reach", f"task.checkpoint={checkpoints / 'reach.json'}", f"out={out}")
    assert main(["compare", *own, *SHORT, *words]) == 0
    found: dict[str, Any] = json.loads((out / "results.json").read_text(encoding="utf-8"))
    return found


def test_a_row_a_strength_paired_with_the_plain_one(checkpoints: Path, tmp_path: Path) -> None:
    words = ("vary=[light,friction]", "vary.light.strength=[0.5,1,1.3]", "vary.friction.strength=2")
    document = compared(checkpoints, tmp_path / "varied", *words)
    assert [(row["name"], row.get("vary")) for row in document["rows"]] == [
        ("cem", None),
        ("cem light=0.5", {"factor": "light", "strength": 0.5}),
        ("cem light=1.3", {"factor": "light", "strength": 1.3}),
        ("cem friction=2", {"factor": "friction", "strength": 2.0}),
        ("hold", None),
        ("hold friction=2", {"factor": "friction", "strength": 2.0}),
    ]
    assert [(pair["a"], pair["b"]) for pair in document["pairs"]] == [
        ("cem", "cem light=0.5"),
        ("cem", "cem light=1.3"),
        ("cem", "cem friction=2"),
    ]
    described = json.loads((tmp_path / "varied/settings.json").read_text(encoding="utf-8"))["rows"]
    assert [row.get("vary") for row in described] == [row.get("vary") for row in document["rows"]]

    plain = compared(checkpoints, tmp_path / "plain")
    assert plain["manifest_sha256"] == document["manifest_sha256"]
    kept = {row["name"]: row for row in document["rows"]}
    for row in plain["rows"]:  # what runs beside it changes nothing
        assert row["outcomes"] == kept[row["name"]]["outcomes"]
    again = compared(checkpoints, tmp_path / "again", *words)
    assert [row["outcomes"] for row in again["rows"]] == [row["outcomes"] for row in document["rows"]]
    assert kept["cem light=0.5"]["outcomes"] != kept["cem"]["outcomes"]


def test_the_curve_begins_where_nothing_is_otherwise(checkpoints: Path, tmp_path: Path) -> None:
    document = compared(checkpoints, tmp_path / "out", "vary=[light]", "vary.light.strength=[0.5,1.3]")
    found = curves(document)
    assert list(found) == ["light"] and list(found["light"]) == ["reach-cem"]
    assert [strength for strength, _ in found["light"]["reach-cem"]] == [0.5, 1.0, 1.3]
    picture = np.asarray(Image.open(tmp_path / "out/vary.png").convert("RGB"))
    assert picture.std() > 5
    plain = {**document, "rows": [row for row in document["rows"] if not row.get("vary")]}
    assert not save_curves(tmp_path / "none.png", plain) and not (tmp_path / "none.png").exists()


class Watching:
    """Holds still, and keeps what it saw."""

    def __init__(self) -> None:
        self.goals: list[np.ndarray] = []
        self.frames: list[np.ndarray] = []

    def reset(self, goals: Any, seeds: Any) -> None:
        self.goals = list(goals)

    def act(self, observations: Any) -> list[Any]:
        from forearm.agent.agent import Act

        self.frames += [seen["pixels"] for seen in observations if seen is not None]
        return [None if seen is None else Act(np.zeros(4, np.float32), None, False) for seen in observations]


def test_goal_pictures_were_taken_before_unless_it_is_said() -> None:
    from forearm.envs.variation.factors import Variation
    from forearm.evaluation.manifest import make_episode
    from forearm.evaluation.protocol import Rules

    env = environment("push", "front", 32)
    episode = make_episode(env, 0, 0, Rules())
    seen = {}
    for name, variation, too in (
        ("plain", None, False),
        ("dark", Variation("light", 0.5), False),
        ("both", Variation("light", 0.5), True),
        ("blue", Variation("table", 1.0), True),
    ):
        agent = Watching()
        with workers.varied([env], variation) as where:
            run_episodes(agent, where, [episode], 0, max_steps=2, goal_varies=too)
        seen[name] = agent
    assert np.array_equal(seen["dark"].goals[0], seen["plain"].goals[0])
    assert seen["dark"].frames[0].mean() < 0.6 * seen["plain"].frames[0].mean()
    assert seen["both"].goals[0].mean() < 0.6 * seen["plain"].goals[0].mean()
    assert not np.array_equal(seen["blue"].goals[0], seen["plain"].goals[0])
    assert np.array_equal(env.reset(seed=episode.seed)[0]["pixels"], seen["plain"].frames[0])


def test_all_is_as_it_was_when_an_episode_fails() -> None:
    from forearm.envs.variation.factors import Variation

    env = environment("push", "front", 32)
    before = env.model.geom("table").rgba.copy()
    with pytest.raises(RuntimeError), workers.varied([env], Variation("table", 1.0)) as [where]:
        where.vary(np.random.default_rng(0))
        raise RuntimeError
    assert np.array_equal(env.model.geom("table").rgba, before)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["vary=[lihgt]"], "unknown factor 'lihgt'; did you mean 'light'?"),
        (["vary=light"], "vary must be a list in brackets"),
        (["vary=[light,light]"], "names light, or one of its strengths, twice"),
        (["vary=[light]", "vary.light.strength=1"], "names no strength at which anything changes"),
        (["vary=[light]", "vary.light.strength=[]"], "names no strength at which anything changes"),
        (["vary.light.strength=x"], "vary.light.strength"),
        (["vary.light.strength=[a]"], "vary.light.strength is a"),
        (["vary.delay.strength=0.5"], "expected a whole number from 0 to 50"),
        (["vary.light.strnegth=1"], "did you mean 'vary.light.strength'?"),
        (["vary.goal_too=3"], "vary.goal_too must be true or false"),
        (["task=reach", "vary=[mass]", "learned=false"], "task 'reach' cannot be varied by mass"),
    ],
)
@pytest.mark.parametrize("command", ["compare", "run"])
def test_bad_words_are_one_line(failing: Failing, tmp_path: Path, command: str, words: list[str], said: str) -> None:
    if command == "run" and "learned=false" in words:
        words = [word for word in words if word != "learned=false"]
    assert said in failing(command, f"out={tmp_path / 'out'}", "episodes=1", *words)
    assert not (tmp_path / "out").exists()


def test_run_varies_too(checkpoints: Path, tmp_path: Path) -> None:
    own = ("task=push", "planner=cem", f"task.checkpoint={checkpoints / 'push.json'}", f"out={tmp_path / 'out'}")
    short = [word for word in SHORT if not word.startswith("baselines")]
    assert main(["run", *own, *short, "vary=[delay]", "vary.delay.strength=1"]) == 0
    document = json.loads((tmp_path / "out/results.json").read_text(encoding="utf-8"))
    assert [row.get("vary") for row in document["rows"]] == [None, {"factor": "delay", "strength": 1.0}]
    assert (tmp_path / "out/vary.png").exists()


def test_python_takes_the_same_settings(checkpoints: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import forearm

    monkeypatch.setattr("forearm.common.engine.local.check_guarded", lambda: None)
    settings = dict(word.split("=", 1) for word in SHORT if not word.startswith(("baselines", "workers")))
    document = forearm.compare(
        "push",
        out=tmp_path / "out",
        baselines=[],
        **{**settings, "task.checkpoint": checkpoints / "push.json", "vary": ["noise"], "vary.noise.strength": [5, 10]},
    )
    assert [row["name"] for row in document["rows"]] == ["cem", "cem noise=5", "cem noise=10"]
