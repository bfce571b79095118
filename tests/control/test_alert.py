"""What a controller does when the world surprises the model, within its limits."""

from typing import Any

import numpy as np
import pytest

from forearm.control import Controller, Status, Timing
from forearm.control.action_adapter import ToolActionAdapter
from forearm.control.audit import audit
from forearm.control.committed_motion import slowed
from forearm.control.robots.robot import Robot
from forearm.errors import ForearmError, InputError
from forearm.surprise.monitor import Surprise

from .conftest import Script
from .test_controller import FORWARD, GOAL, Loop

SLOWLY = FORWARD / 5


class Oracle:
    """A monitor that is surprised when the test says so."""

    def __init__(self) -> None:
        self.alarm, self.begun, self.actions, self.broken = False, 0, list[Any](), False

    def begin(self) -> None:
        self.begun += 1

    def see(self, observation: Any, command: Any = None, *, time: float, latent: Any = None) -> Surprise:
        if self.broken:
            raise InputError("joint readings: shape (15,), expected (3,)")
        self.actions.append(command)
        reason = "the camera shows what was not expected since step 3" if self.alarm else ""
        return Surprise(len(self.actions), time, 0.5, np.zeros(1), None, 1.0, self.alarm, "camera", reason=reason)


def watched(robot: Robot, adapter: Any, on_surprise: Any) -> tuple[Loop, Oracle]:
    oracle, loop = Oracle(), Loop(Script(SLOWLY), robot, adapter)
    loop.control = Controller(
        loop.control.source, robot, adapter, timing=Timing(replan_every=4), mode="manual", clock=lambda: loop.now,
        monitor=oracle, on_surprise=on_surprise,
    )  # fmt: skip
    loop.control.reset(GOAL)
    loop.beats(100)
    return loop, oracle


def speed(loop: Loop) -> float:
    last = [loop.tool(command) for command in loop.commands[-20:]]
    return float(np.linalg.norm(last[-1] - last[0]) / 0.19)


def test_the_monitor_is_told_what_was_sent_and_ignoring_says_so_alone(robot: Robot, adapter: ToolActionAdapter) -> None:
    loop, oracle = watched(robot, adapter, "ignore")
    assert oracle.begun >= 1 and oracle.actions[0] is None
    assert np.allclose(oracle.actions[-1], SLOWLY[0], atol=0.05)
    before = speed(loop)
    oracle.alarm = True
    command = loop.beats(100)
    assert command.status is Status.MOVING and command.reason.startswith("surprise, ignored: the camera shows")
    assert loop.control.counts["surprises"] == 1 and speed(loop) == pytest.approx(before, rel=0.05)
    assert loop.control.surprise is not None and loop.control.surprise.alarm
    oracle.alarm = False
    assert loop.beats(200).reason == ""


def test_stopping_is_a_fault_until_a_reset(robot: Robot, adapter: ToolActionAdapter) -> None:
    loop, oracle = watched(robot, adapter, "stop")
    oracle.alarm = True
    command = loop.beats(60)
    assert command.status is Status.FAULT and "not expected since step 3" in command.reason
    assert loop.control.counts["fault_surprise"] == 1 and not np.any(command.velocities)
    oracle.alarm = False
    loop.control.reset(GOAL)
    assert loop.beats(100).status is Status.MOVING


def test_slow_is_half_the_pace_until_it_is_calm(robot: Robot, adapter: ToolActionAdapter) -> None:
    loop, oracle = watched(robot, adapter, "slow")
    before = speed(loop)
    oracle.alarm = True
    assert loop.beats(150).reason.startswith("surprise, slowly on: ")
    assert speed(loop) == pytest.approx(0.5 * before, rel=0.1)
    oracle.alarm = False
    assert loop.beats(250).reason == "" and speed(loop) == pytest.approx(before, rel=0.1)


def test_replanning_asks_for_a_plan_at_once(robot: Robot, adapter: ToolActionAdapter) -> None:
    loop, oracle = watched(robot, adapter, "replan")
    counted = [0, 0]
    for turn, alarm in enumerate((False, True)):
        before = len(loop.control.source.requests)
        for _ in range(10):
            oracle.alarm = alarm
            loop.beats(10)
            oracle.alarm = False
            loop.beats(10)
        counted[turn] = len(loop.control.source.requests) - before
    assert counted[1] > counted[0] and loop.commands[-1].status is Status.MOVING
    assert loop.control.counts["surprises"] == 10


def test_whatever_is_done_keeps_the_limits(robot: Robot, adapter: ToolActionAdapter) -> None:
    for word in ("slow", "stop", "replan"):
        loop, oracle = watched(robot, adapter, word)
        for turn in range(6):
            oracle.alarm = turn % 2 == 0
            loop.beats(60)
        assert audit(loop.commands, robot).ok, word


def test_slower_targets_lie_on_the_same_way() -> None:
    way = np.array([[1.0, 0.0], [1.0, 2.0], [3.0, 2.0], [3.0, 4.0]])
    assert np.allclose(slowed(np.zeros(2), way, 0.5), [[0.5, 0], [1, 0], [1, 1], [1, 2]])
    assert np.allclose(slowed(np.zeros(2), way, 1.0), way)


def test_words_and_monitors_that_cannot_be_are_said(robot: Robot, adapter: ToolActionAdapter, caplog: Any) -> None:
    with pytest.raises(ForearmError, match="on_surprise=stop needs a monitor"):
        Controller(Script(FORWARD), robot, adapter, mode="manual", on_surprise="stop")
    with pytest.raises(ValueError, match="on_surprise"):
        Controller(Script(FORWARD), robot, adapter, mode="manual", monitor=Oracle(), on_surprise="panic")
    loop, oracle = watched(robot, adapter, "stop")
    oracle.broken = True
    assert loop.beats(100).status is Status.MOVING
    assert sum("nobody watches for surprise: joint readings" in each.message for each in caplog.records) == 1
    with pytest.raises(ForearmError, match=r"too few for 0.1 false alarms an hour"):
        Controller.load("push", mode="manual", on_surprise="stop", surprise_rate=0.1)
    with Controller.load("push", mode="manual", on_surprise="slow") as control:
        assert control.alert is not None and control.alert.on_surprise == "slow" and control.surprise is None
