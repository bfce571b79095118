"""Where world models are."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

import forearm
from forearm.agent.checkpoint import LoadedCheckpoint
from forearm.agent.setup import PlanningSetup, task_config
from forearm.errors import ForearmError
from forearm.evaluation.contenders import Contender
from tests.forearm.conftest import Failing

NOWHERE = "cuda:99"
"""No machine has so many."""


@pytest.mark.parametrize("command", ["compare", "run", "serve"])
def test_a_device_that_is_not_here_is_told(command: str, checkpoints: Path, tmp_path: Path, failing: Failing) -> None:
    words = [f"reach.checkpoint={checkpoints}/reach.json", f"device={NOWHERE}"]
    words += [] if command == "serve" else [f"out={tmp_path}"]
    said = failing(command, *words)
    assert f"device={NOWHERE}: this machine has no such device for torch, it has cpu" in said
    assert not list(tmp_path.iterdir())


def test_python_is_told_too(checkpoints: Path) -> None:
    for call in (
        lambda: forearm.load(checkpoints / "reach.json", device=NOWHERE),
        lambda: forearm.Controller.load("reach", device=NOWHERE),
        lambda: forearm.compare(device=NOWHERE),
    ):
        with pytest.raises(ForearmError, match=f"device={NOWHERE}: this machine has no such device"):
            call()


def test_the_model_goes_to_its_device_and_a_row_says_which(checkpoints: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = {**task_config("reach"), "checkpoint": str(checkpoints / "reach.json")}
    setup = PlanningSetup.resolve(task, "cem", device="cpu")
    assert setup.device == "cpu" and setup.checkpoint.device == "cpu"
    here = Contender(setup, 0)
    there = Contender(dataclasses.replace(setup, device="cuda:0"), 0)
    assert "device" not in here.document and there.document["device"] == "cuda:0" and here.key != there.key
    asked: list[Any] = []
    read = LoadedCheckpoint.read
    monkeypatch.setattr(LoadedCheckpoint, "read", lambda task, device: asked.append(device) or read(task, "cpu"))
    _ = dataclasses.replace(setup, device="meta", _read=None).checkpoint
    assert asked == ["meta"]  # in another process it is read to the same device
    asked.clear()
    PlanningSetup.resolve(task, {**setup.planner_config, "horizon": "1.2s"}, device="meta")
    assert set(asked) == {"meta"}  # also for what is asked of it before
