"""Faults latch: nothing but a reset makes the arm move again, and until then the command is where the arm is."""

from functools import partial
from typing import Any

import numpy as np
import pytest

from forearm.control import Status
from forearm.control.action_adapter import ToolActionAdapter
from forearm.control.robots.robot import Robot
from forearm.errors import ForearmError

from .conftest import START, Script, observed
from .robots import config, model
from .test_controller import BEAT, FORWARD, GOAL, Loop


def held(loop: Loop, beats: int) -> None:
    """The arm stands where it is, whatever it is told."""
    for _ in range(beats):
        seen = observed(loop.position) if round(loop.now / BEAT) % 10 == 0 else None
        loop.commands.append(loop.control.act(seen, loop.now))
        loop.control.think()
        loop.now += BEAT


@pytest.mark.parametrize("long", [0.8, 2.4])
def test_an_emergency_stop_that_is_released_moves_nothing(
    long: float, robot: Robot, adapter: ToolActionAdapter
) -> None:
    loop = Loop(Script(FORWARD), robot, adapter)
    loop.control.reset(GOAL)
    loop.beats(60)
    held(loop, round(long / BEAT))
    command = loop.commands[-1]
    assert command.status is Status.FAULT and "not where it was told to be: joint" in command.reason
    assert np.allclose(command.positions, loop.position[:7]) and not np.any(command.velocities)
    place = loop.position.copy()
    loop.beats(300)
    assert np.array_equal(loop.position, place) and loop.commands[-1].status is Status.FAULT
    loop.control.reset(GOAL)
    assert loop.beats(60).status is Status.MOVING


def test_while_a_fault_lasts_the_command_goes_where_the_arm_is_pushed(robot: Robot, adapter: ToolActionAdapter) -> None:
    loop = Loop(Script(FORWARD), robot, adapter)
    loop.control.reset(GOAL)
    loop.beats(60)
    held(loop, 50)
    for _ in range(40):
        loop.position = loop.position + np.array([0.004, *[0.0] * 7])
        held(loop, 1)
    held(loop, 70)
    assert np.allclose(loop.commands[-1].positions, loop.position[:7], atol=0.02)


def test_the_fingers_go_on_holding_what_they_hold(robot: Robot, adapter: ToolActionAdapter) -> None:
    loop = Loop(Script(FORWARD), robot, adapter)
    loop.position[7] = 0.03
    loop.control.reset(GOAL)
    loop.beats(60)
    grip = loop.commands[-1].gripper
    loop.position[7] = 0.02
    held(loop, 90)
    assert loop.commands[-1].status is Status.FAULT and loop.commands[-1].gripper == pytest.approx(grip)
    loop.control.reset(GOAL)
    held(loop, 20)
    assert loop.commands[-1].gripper == pytest.approx(grip)


def test_readings_that_follow_the_command_are_not_chased(robot: Robot, adapter: ToolActionAdapter) -> None:
    """A joint that reads 0.3 rad too much: the arm may be set to where it says once, and not again and again."""
    loop = Loop(Script(FORWARD), robot, adapter)
    loop.control.reset(GOAL)
    loop.beats(60)
    before = loop.position[0]
    loop.beats(200, readings=lambda at: observed(at + np.array([0.3, *[0.0] * 7])))
    assert loop.commands[-1].status is Status.FAULT
    assert abs(loop.position[0] - before) < 0.4


def test_one_damaged_reading_is_no_fault(robot: Robot, adapter: ToolActionAdapter) -> None:
    loop = Loop(Script(FORWARD), robot, adapter)
    loop.control.reset(GOAL)
    loop.beats(60)
    loop.control.act({"proprio": observed(loop.position + 0.5)["proprio"]}, loop.now)
    assert loop.beats(20).status is Status.MOVING


@pytest.mark.parametrize("said", [False, np.False_, 0, "off", None])
def test_drives_that_are_off_are_a_fault(said: Any, robot: Robot, adapter: ToolActionAdapter) -> None:
    loop = Loop(Script(FORWARD), robot, adapter)
    loop.control.reset(GOAL)
    loop.beats(60)
    readings = lambda at: observed(at * np.nan, drive=said)  # noqa: E731  # nor do they say where they are
    loop.beats(10, readings=readings)
    command = loop.beats(100)
    assert command.status is Status.FAULT and command.reason == "the drives are off"
    loop.control.reset(GOAL)
    assert loop.beats(10, readings=readings).status is Status.FAULT  # a reset does not switch them on
    loop.control.reset(GOAL)
    assert loop.beats(60, readings=lambda at: observed(at, drive=True)).status is Status.MOVING


def test_a_reset_under_an_emergency_stop_holds_the_arm_where_it_is(robot: Robot, adapter: ToolActionAdapter) -> None:
    loop = Loop(Script(FORWARD), robot, adapter)
    off = partial(observed, drive=False)
    loop.control.reset(GOAL)
    loop.beats(60)
    loop.beats(30, readings=off)
    loop.control.reset(GOAL)  # too soon
    loop.position = loop.position + np.array([0.1, *[0.0] * 7])  # brakes give
    command = loop.beats(100, readings=off)
    assert (command.status, command.reason) == (Status.FAULT, "the drives are off")
    assert np.allclose(command.positions, loop.position[:7]) and not np.any(command.velocities)
    assert loop.beats(60).status is Status.FAULT
    loop.control.reset(GOAL)
    assert loop.beats(60).status is Status.MOVING


def test_an_arm_pushed_beyond_its_limits_is_a_fault(robot: Robot, adapter: ToolActionAdapter) -> None:
    loop = Loop(Script(FORWARD), robot, adapter)
    loop.control.reset(None)
    loop.beats(20)
    high = robot.limits.high[3]
    for step in np.linspace(0.0, 1.0, 300):
        loop.position = START.copy()
        loop.position[3] += step * (high + 0.1 - START[3])
        held(loop, 1)
        if loop.commands[-1].status is Status.FAULT:
            break
    assert loop.commands[-1].status is Status.FAULT
    held(loop, 50)
    assert loop.commands[-1].positions[3] <= high  # type: ignore[index]


def test_the_loop_itself_may_ask_for_a_stop(robot: Robot, adapter: ToolActionAdapter) -> None:
    loop = Loop(Script(FORWARD), robot, adapter)
    loop.control.reset(GOAL)
    loop.beats(60)
    loop.control.stop("the light curtain")
    loop.control.stop("something else")
    assert loop.beats(1).status is Status.STOPPING
    command = loop.beats(100)
    assert command.status is Status.FAULT and command.reason == "the light curtain"


def test_each_joint_has_a_following_error_of_its_own(tmp_path: Any) -> None:
    joints = {"joints": ["a", "b"]}
    assert np.allclose(Robot(config(tmp_path, model(), **joints)).following_error, [0.15, 0.15])
    given = Robot(config(tmp_path, model(), following_error=[0.02, None], **joints)).following_error
    assert given[0] == 0.02 and np.isinf(given[1])
    given = Robot(config(tmp_path, model(), following_error={"rad": 0.2, "b": 0.01}, **joints)).following_error
    assert given.tolist() == [0.2, 0.01]
    for wrong, says in (
        ([0.1], "following_error needs 2 numbers"),
        ([0.1, -1.0], "following_error of b must be above 0"),
        ([0.1, "x"], "following_error of b must be a number"),
        ("0.1", "following_error must be"),
        ({"c": 0.1}, "following_error names 'c'"),
    ):
        with pytest.raises(ForearmError, match=says):
            Robot(config(tmp_path, model(), following_error=wrong, **joints))


def test_a_plan_that_is_stopped_says_by_what(robot: Robot) -> None:
    """Straight down fast: what is shaped away on the way, such as acceleration, is not why nothing is left."""
    import dataclasses

    adapter = ToolActionAdapter("reach")
    adapter.task = dataclasses.replace(adapter.task, low=(0.3, -0.2, -0.3))
    loop = Loop(Script(np.tile([0.0, 0.0, -1.0, 0.0], (12, 1))), robot, adapter, replan_every=4)
    loop.control.reset(GOAL)
    loop.beats(400)
    refused = [command.reason for command in loop.commands if command.status is Status.REFUSED]
    assert refused and all("workspace" in why or "clearance" in why for why in refused), set(refused)
