"""Frames that cannot show this arm, and goals that are reached."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forearm.agent.loaded_model import load
from forearm.calibrate.simulated_arm import SimulatedArm
from forearm.control import Controller, Status
from forearm.control.action_adapter import ToolActionAdapter
from forearm.control.arrival import ENTER, LEAVE, Arrival
from forearm.control.frame_gate import Gate
from forearm.control.robots.robot import Robot
from forearm.errors import ForearmError
from tools.reliability.misfortunes import FRAMES, SOON, TASKS, misfortune

from .conftest import Script, observed
from .test_controller import FORWARD, GOAL, Loop


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", FRAMES)
def test_wrong_frames_bring_the_arm_to_rest_within_half_a_second(name: str, task: str) -> None:
    arm = SimulatedArm(task, 3, load(task).resolution)
    with Controller.load(task, mode="inline", clock=lambda: 0.0, check_goals=False) as control:
        found = misfortune(name, control, arm)
    arm.close()
    assert found["rest_after_s"] <= SOON and found["fault"] and found["again"] and found["violations"] == 0


def test_frames_that_stand_still_while_the_arm_moves_are_a_fault_without_any_model(robot: Robot, adapter: Any) -> None:
    loop = Loop(Script(FORWARD), robot, adapter)
    loop.control.gate = Gate(robot)
    loop.control.reset(GOAL)
    command = loop.beats(120)
    assert command.status is Status.FAULT and "has not changed" in command.reason


def test_one_camera_of_two_that_stands_still_while_the_arm_moves_is_named(robot: Robot) -> None:
    gate, seen, doubts = Gate(robot, cameras=["front", "wrist"]), observed(), []
    for k in range(8):
        pixels = np.zeros((8, 8, 3), np.uint8)
        pixels[:, :4] = k
        place = np.append(seen["proprio"][:7] + 0.03 * k, 0.0)
        doubts.append(gate.see(0.1 * k, {**seen, "pixels": pixels}, place, None))
    assert gate.sure and "the frame of camera 'wrist' has not changed" in doubts[-1]
    assert not any(doubts[:2])


def test_a_camera_that_was_away_and_shows_the_same_is_not_taken_to_stand_still(robot: Robot) -> None:
    gate, seen = Gate(robot), observed()
    for time, moved in ((0.0, 0.0), (1.0, 0.3), (1.1, 0.305), (2.0, 0.6)):
        assert not gate.see(time, seen, np.append(seen["proprio"][:7] + moved, 0.0), None)
    assert not gate.see(2.1, seen, np.append(seen["proprio"][:7] + 0.65, 0.0), None)
    assert "for 0.20 s" in gate.see(2.2, seen, np.append(seen["proprio"][:7] + 0.7, 0.0), None) and gate.sure


def test_frames_may_stand_still_while_the_arm_does(robot: Robot) -> None:
    gate, seen = Gate(robot), observed()
    position = np.append(seen["proprio"][:7], 0.0)
    assert not any(gate.see(0.1 * k, seen, position, None) for k in range(100)) and not gate.sure


class Near(Script):
    """A plan source that says how near the goal is."""

    apart: float | None = 5.0

    def nearness(self) -> float | None:
        return self.apart


def test_an_arm_that_has_arrived_holds_still_until_the_goal_is_left(robot: Robot, adapter: ToolActionAdapter) -> None:
    source = Near(FORWARD)
    loop = Loop(source, robot, adapter)
    loop.control.reset(GOAL)
    assert loop.beats(60).status is Status.MOVING
    source.apart = 0.3
    command = loop.beats(100)
    assert command.status is Status.REACHED and command.reason == "the goal is reached"
    assert loop.control.counts["reached"] == 1
    place = command.positions
    source.apart = 2.0  # not clearly left
    command = loop.beats(100)
    assert command.status is Status.REACHED and np.array_equal(command.positions, place)
    source.apart = 4.0  # somebody has moved the object
    assert loop.beats(100).status is Status.MOVING
    assert loop.control.counts["left"] == 1


def test_one_frame_alone_is_no_arrival_and_a_goal_is_reached_when_frames_at_rest_show_it() -> None:
    arrival = Arrival()
    seen = [0.3, None, 0.3, 2.0] * 10
    assert not any(arrival.see(0.1 * k, d, False) for k, d in enumerate(seen)) and not arrival.here
    assert [arrival.see(5.0 + k, 0.3, False) for k in range(ENTER)] == [False] * (ENTER - 1) + [True]
    assert not arrival.see(9.0, 0.2, False) and arrival.here and not arrival.sure
    assert not arrival.see(9.1, 0.3, True) and arrival.sure
    assert [arrival.see(10.0 + k, 9.0, True) for k in range(LEAVE)] == [False] * (LEAVE - 1) + [True]
    assert not arrival.here and not arrival.sure


def test_an_arm_that_went_too_far_before_it_stood_has_not_arrived() -> None:
    arrival = Arrival()
    assert [arrival.see(0.1 * k, 0.3, False) for k in range(ENTER)][-1]
    assert not arrival.see(0.3, 1.4, False)  # still on its way
    assert [arrival.see(0.4 + 0.1 * k, 1.4, True) for k in range(ENTER)] == [False] * (ENTER - 1) + [True]
    assert not arrival.here


@given(
    period=st.sampled_from([0.02, 0.05, 0.1]),
    start=st.floats(0.5, 1.0),
    share=st.floats(0.2, 0.5),
    rest=st.floats(0.05, 0.95),
)
def test_an_arm_that_gets_nearer_is_not_stopped_at_the_edge(
    period: float, start: float, share: float, rest: float
) -> None:
    """It falls to `share` of its distance every second, down to `rest` of where it was first near."""
    arrival, times = Arrival(), np.arange(0.0, 20.0, period)
    distances = np.maximum(start * share**times, rest * start)
    for time, distance in zip(times, distances, strict=True):
        if arrival.see(float(time), float(distance), False):
            break
    assert arrival.here and distance <= max(rest * start, 0.6)


def test_a_calibration_of_other_weights_or_damaged_is_refused(tmp_path: Path, monkeypatch: Any) -> None:
    from forearm.control import calibration

    loaded = load("push")
    path = calibration.calibration_path(loaded.task)
    known = calibration.calibration_of(loaded.task, loaded.document)
    assert known.looks is not None and known.radius is not None
    document = json.loads(path.read_text(encoding="utf-8"))
    assert document["measured"]["false_stops"] <= document["measured"]["hours"]
    monkeypatch.setattr(calibration, "calibration_path", lambda task: tmp_path / path.name)
    assert calibration.calibration_of(loaded.task, loaded.document).looks is None
    two = {
        "looks": {
            **document["looks"],
            "mistakes": ["of camera 'side'"],
            "mistake_directions": [],
            "mistake_bounds": [1.0],
        }
    }
    for damage in ({"world_model_sha256": "0"}, {"format": 9}, {"looks": {}}, {"task": "reach"}, two):
        (tmp_path / path.name).write_text(json.dumps({**document, **damage}), encoding="utf-8")
        with pytest.raises(ForearmError, match="make it again"):
            calibration.calibration_of(loaded.task, loaded.document)
