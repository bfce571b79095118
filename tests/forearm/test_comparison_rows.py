"""A table's rows are told apart by all that they are made of."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from forearm.cli.compare import comparison_of
from forearm.errors import ForearmError
from forearm.evaluation import comparison as engine
from forearm.settings import compose as settings


@pytest.fixture(autouse=True)
def serial(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs run here, one after the other: no new processes."""
    monkeypatch.setattr(engine, "run_jobs", lambda function, jobs, workers: map(function, jobs))


def compared(out: Path, tasks: Sequence[Any], planners: Sequence[Any] = (), **more: Any) -> dict[str, Any]:
    """Three short episodes of what these changes of `reach` and CEM describe."""
    usual = ["task=reach", "planner=cem", "planner.samples=8", "planner.iterations=2", "cem.elites=2",
             "planner.horizon=4", "task.max_steps=6", "episodes=3", "films=1", f"out={out}"]  # fmt: skip
    chosen = comparison_of(settings.load("compare", usual))
    [task], [planner] = chosen.tasks, chosen.planners
    several = [{**planner, **change} for change in planners or [{}]]
    made = replace(chosen, tasks=[{**task, **change} for change in tasks], planners=several, **more)
    return engine.compare(made, 1, 1)


def two_checkpoints(checkpoints: Path, tmp_path: Path) -> list[dict[str, str]]:
    """Changes of `reach`: a checkpoint, and the same under another name."""
    for path in checkpoints.glob("reach.*"):
        shutil.copy(path, tmp_path / path.name.replace("reach", "again"))
    return [{"checkpoint": str(checkpoints / "reach.json")}, {"checkpoint": str(tmp_path / "again.json")}]


def test_two_checkpoints_of_one_task_have_its_episodes_once(checkpoints: Path, tmp_path: Path) -> None:
    document = compared(tmp_path / "out", two_checkpoints(checkpoints, tmp_path), baselines=["hold"])
    assert [row["episodes"] for row in document["rows"]] == [3] * len(document["rows"])
    alone = compared(tmp_path / "alone", [{"checkpoint": str(checkpoints / "reach.json")}], baselines=["hold"])
    assert document["manifest_sha256"] == alone["manifest_sha256"]
    assert document["solved_at_start"] == alone["solved_at_start"]


def test_configs_of_one_task_that_have_other_episodes_are_told(tmp_path: Path) -> None:
    protocol = settings.load("compare", ["protocol=lewm"]).one("protocol")
    other = {"collect": {"episodes": 1, "steps": 80}}
    with pytest.raises(ForearmError, match=r"two configs of task reach .* protocol.trajectory_steps="):
        compared(tmp_path, [{}, other], learned=False, protocol=protocol)
