"""`forearm diagnose` on a real task, small; and what it refuses."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from forearm.agent.absolute import AbsolutePlanner
from forearm.cli.main import main
from forearm.diagnosis.subject import check_planner
from forearm.errors import ForearmError
from forearm.planner import make_baseline, make_planner
from forearm.world_model.absolute import AbsolutePositions

SMALL = (
    "task=reach", "planner=cem", "planner.horizon=4", "samples=8", "iterations=1", "episodes=2", "protocol.max_steps=4",
    "explore=6", "explore_steps=4", "pools=1", "pool=8", "starts=1", "ways=4", "farthest=4", "workers=1",
)  # fmt: skip


def test_writes_findings_and_a_picture_and_goes_on_where_it_stopped(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    failing: Callable[..., str],
    here: None,
) -> None:
    import forearm.diagnosis.probe as probe
    import forearm.diagnosis.run as run

    words = ["diagnose", *SMALL, f"out={tmp_path}"]
    real = run.save_picture
    monkeypatch.setattr(probe, "STEPS", 20)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "save_picture", stop)
    assert main(words) == 130

    def full(path: Path, document: dict) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(run, "save_picture", full)
    assert "disk is full" in failing(*words) and "finished parts are kept" in failing(*words)
    kept = sorted((tmp_path / "partial").rglob("*.json"))
    assert len(kept) == 4 * 2 + 2 + 1 + 1  # four cells, the planner as it is, one start, the probe's errors
    times = [path.stat().st_mtime_ns for path in kept]

    def count(path: Path, document: dict) -> None:
        assert [p.stat().st_mtime_ns for p in kept] == times
        real(path, document)

    monkeypatch.setattr(run, "save_picture", count)
    capsys.readouterr()
    assert main(words) == 0
    said = capsys.readouterr().out
    found = json.loads((tmp_path / "diagnosis.json").read_text(encoding="utf-8"))
    assert "verdict: limited by" in said and found["verdict"]["sentence"].split("(")[0].strip() in said
    assert [(c["dynamics"], c["cost"]) for c in found["cells"]] == [
        ("true", "positions"), ("true", "probe"), ("true", "latent"), ("learned", "probe"), ("learned", "latent"),
    ]  # fmt: skip
    assert set(found["probe_m"]["explorer"]) == {"ee_position"}
    assert all(len(cell["outcomes"]) == 2 for cell in found["cells"])
    with Image.open(tmp_path / "diagnosis.png") as picture:
        assert picture.size[0] > 1000
    assert not (tmp_path / "partial").exists()


@pytest.mark.parametrize(
    "words, said",
    [
        (["planner=gradient"], "follows gradients"),
        (["planner=gauss_newton"], "follows gradients"),
        (["planner=[cem,mppi]"], "takes one planner"),
        (["episodes=0"], "episodes must be a whole number of at least 1"),
        (["nearer=-1"], "nearer"),
        (["explore=2"], "explore must be a whole number of at least"),
        (["task=own"], "task 'own' has no simulator, and 'diagnose' needs one"),
        (["planner=prior"], "unknown planner 'prior'; choose from cem"),
        (["task=push", "task.objective.features=true"], "needs a prior with slow features"),
        (["task.checkpoint=nowhere"], "nowhere"),
        (["planner=guided", "task=reach", "task.heads=none.json"], "none.json"),
    ],
)
def test_what_cannot_be_diagnosed_is_said_in_one_line(
    words: list[str], said: str, failing: Callable[..., str], tmp_path: Path
) -> None:
    assert said in failing("diagnose", *words, f"out={tmp_path / 'out'}")
    assert not (tmp_path / "out").exists()


NEEDING = ("planner=guided", "task.objective.terminal=1", "task.objective.features=true", "task.proposals=[prior]")


@pytest.mark.parametrize("needing", NEEDING)
def test_a_checkpoint_without_the_heads_that_are_needed(
    needing: str, failing: Callable[..., str], checkpoints: Path, tmp_path: Path
) -> None:
    checkpoint = f"task.checkpoint={checkpoints / 'reach.json'}"
    said = failing("diagnose", "task=reach", checkpoint, needing, f"out={tmp_path / 'out'}")
    assert "needs heads of checkpoint" in said and "forearm train-heads task=reach" in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["random", "hold", "prior"])
def test_what_does_not_search_is_nothing_to_diagnose(name: str) -> None:
    policy = make_baseline(name, horizon=2)
    with pytest.raises(ForearmError, match=f"planner={name} does not search.*choose another planner"):
        check_planner(policy, name)


def test_a_model_of_absolute_positions_is_refused_for_what_it_is() -> None:
    zero = np.zeros(2)
    absolute = AbsolutePositions(zero, zero, zero, zero, zero, columns=(0, 1), readings=2)
    with pytest.raises(ForearmError, match="absolute joint positions cannot be diagnosed yet"):
        check_planner(AbsolutePlanner(make_planner("cem", horizon=2), absolute), "cem")
