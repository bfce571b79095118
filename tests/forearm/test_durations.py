"""Lengths in seconds: at any rate of commands they are what was said."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forearm.agent import pace
from forearm.agent import setup as setups
from forearm.agent.haste import Haste, too_short
from forearm.agent.setup import PlanningSetup, task_config
from forearm.common import checks, durations
from forearm.common.durations import in_steps, seconds
from forearm.control import Timing
from forearm.errors import ForearmError
from forearm.evaluation.comparison import Comparison
from forearm.settings import compose as settings


@pytest.mark.parametrize(("text", "value"), [("1.2s", 1.2), ("0.5 s", 0.5), (".5s", 0.5), ("2s", 2.0), ("3.s", 3.0)])
def test_seconds_are_read(text: str, value: float) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["1.2", "s", "-1s", "1e3s", "1.2.3s", "1.2sec", "soon", 12, None, True])
def test_other_things_are_no_seconds(text: Any) -> None:
    assert seconds(text) is None


@pytest.mark.parametrize("rate", [10, 20, 30, 50])
def test_seconds_are_the_same_time_at_any_rate(rate: int) -> None:
    assert in_steps("horizon", "1.2s", 1 / rate) == round(1.2 * rate)
    assert in_steps("horizon", "1.2s", 1 / rate, multiple=4) % 4 == 0
    assert in_steps("horizon", 12, 1 / rate) == 12
    assert in_steps("horizon", "0.001s", 1 / rate, multiple=4) == 4 and in_steps("ahead", "0s", 1 / rate, least=0) == 0


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("soon", "horizon must be a number of control steps, or seconds such as 1.2s, not 'soon'"),
        (0, "at least 1"),
        (1.5, "integer"),
    ],
)
def test_what_is_neither_is_said(value: Any, said: str) -> None:
    with pytest.raises(ForearmError, match=said):
        in_steps("horizon", value, 0.1)
    with pytest.raises(ForearmError, match=said.replace("integer", "whole number")):
        durations.steps("horizon", value, least=1)
    with pytest.raises(ForearmError, match="seconds such as"):
        durations.steps("horizon", "0s", least=1, whole=checks.integer)


def test_the_command_line_takes_either() -> None:
    found = settings.load("plan", ["task=push", "push.plan.horizon=1.2s", "planner.horizon=2s"])
    assert found.one("task")["plan"] == {"horizon": "1.2s", "action_repeat": 2, "replan_every": 4}
    assert found.one("planner")["horizon"] == "2s"
    own = settings.load("run", ["task=own", "task.plan.horizon=24", "replan_every=0.4s", "task.max_steps=20s"])
    assert own.one("task")["plan"]["horizon"] == 24 and own.one("task")["max_steps"] == "20s"
    assert own["replan_every"] == "0.4s"
    for wrong in ("task.plan.horizon=soon", "replan_every=0s", "task.plan.horizon=1.5"):
        with pytest.raises(ForearmError, match=wrong.partition("=")[0]):
            settings.load("run", ["task=own", wrong])["replan_every"]


def test_a_plans_lengths_go_by_the_world_models_rate(checkpoints: Path) -> None:
    task = {**task_config("reach"), "checkpoint": str(checkpoints / "reach.json")}
    there = PlanningSetup.resolve(task, "cem")
    said = {**task, "plan": {"horizon": "1.2s", "action_repeat": "0.2s", "replan_every": "0.4s"}}
    here = PlanningSetup.resolve(said, "cem", replan_every=None)
    assert here.planner_config == there.planner_config and here.replan_every == 4
    assert here.task["plan"] == {"horizon": 12, "action_repeat": 2, "replan_every": 4}
    other = PlanningSetup.resolve(task, {**there.planner_config, "horizon": "0.85s"}, replan_every="0.3s")
    assert other.planner_config["horizon"] == 8 and other.replan_every == 3
    oracle = PlanningSetup.resolve(said, "cem", dynamics=setups.ORACLE, replan_every="0.2s")
    assert (oracle.planner_config["horizon"], oracle.replan_every) == (12, 2)
    with pytest.raises(ForearmError, match="replan_every must be a number of control steps, or seconds"):
        PlanningSetup.resolve(task, "cem", replan_every="soon")


@pytest.mark.parametrize("rate", [10, 20, 30, 50])
def test_a_model_of_ones_own_looks_as_far_at_any_rate(rate: int, monkeypatch: pytest.MonkeyPatch) -> None:
    class Read:
        document = {"control_period": 1 / rate}
        model: Any = type("Model", (), {"config": type("Config", (), {"frameskip": 2})})

    monkeypatch.setattr(pace.LoadedCheckpoint, "read", classmethod(lambda cls, task, device: Read()))
    task, _, _ = pace.in_control_steps(task_config("own"), {"name": "cem"}, None, False, None)
    assert np.array(list(task["plan"].values())) / rate == pytest.approx([1.2, 0.2, 0.4])


def test_episodes_are_as_long_as_was_said() -> None:
    task = {**task_config("reach"), "max_steps": "3s"}
    protocol = settings.load("run").one("protocol")
    found = Comparison([task], [], {**protocol, "hold_steps": "0.5s"}, Path("out"))
    assert found.tasks[0]["max_steps"] == 30 and found.protocol["hold_steps"] == 5
    with pytest.raises(ForearmError, match="task 'own' has no simulator"):
        Comparison([{**task_config("own"), "max_steps": "3s"}], [], protocol, Path("out"))


def test_a_controllers_timing_is_in_seconds_by_default() -> None:
    assert (Timing().replan_every, Timing().ahead) == ("0.2s", "0.2s")
    assert Timing(ahead=0, replan_every=3) == Timing(ahead=0, replan_every=3)
    for wrong in ({"ahead": "soon"}, {"replan_every": "0s"}, {"replan_every": 0}, {"ahead": -1}):
        with pytest.raises(ForearmError):
            Timing(**wrong)  # type: ignore[arg-type]


def test_a_horizon_shorter_than_a_plan_takes_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    def plan(took_ms: float) -> Any:
        return type("Plan", (), {"timings_ms": {"total": took_ms}, "actions": np.zeros((12, 7))})()

    assert too_short(plan(200.0), 0.02) == "" and "planner.horizon=0.6s" in too_short(plan(300.0), 0.02)
    haste = Haste(0.02)
    with caplog.at_level("WARNING"):
        for took in (300.0, 100.0, 300.0):  # the first plan of a process alone may take its time
            haste.note(plan(took))
        assert not caplog.records
        for took in (300.0, 300.0, 100.0, 300.0):
            haste.note(plan(took))
    assert ["looks only 0.24 s ahead" in record.message for record in caplog.records] == [True]
