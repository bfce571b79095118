"""Clocks that jump and stand still, and loops that pause: what is sent meanwhile, and what brings the arm back."""

import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from forearm.control import Controller, Status
from forearm.control.action_adapter import ToolActionAdapter
from forearm.control.audit import audit
from forearm.control.command import Command
from forearm.control.pausable_clock import STANDING, Pace, PausableClock
from forearm.control.robots.robot import Robot

from .conftest import START, Script, observed
from .test_controller import BEAT, FORWARD, GOAL, Loop


class TwoClocks(Loop):
    """A loop whose clock may be set, beside one that nobody sets."""

    def __init__(self, *args: Any) -> None:
        self.true, self.shift, self.stands, self.timed = 100.0, 5.0, None, list[Command]()
        super().__init__(*args)
        self.control.steady = lambda: self.true

    def beats(self, count: int, *args: Any, **settings: Any) -> Command:
        for _ in range(count):
            self.now = self.true + self.shift if self.stands is None else self.stands
            command = super().beats(1, *args, **settings)
            self.timed.append(Command(**{**vars(command), "time": self.true}))
            self.true += BEAT
        return command


def moving(robot: Robot, adapter: ToolActionAdapter, steady: bool = False) -> Any:
    loop = (TwoClocks if steady else Loop)(Script(FORWARD), robot, adapter)
    loop.control.reset(GOAL)
    assert loop.beats(60).status is Status.MOVING
    return loop


def as_sent(commands: list[Command]) -> list[Command]:
    """The commands at the moments at which a loop of a steady beat sent them, whatever its clock said."""
    return [Command(**{**vars(command), "time": BEAT * k}) for k, command in enumerate(commands)]


@pytest.mark.parametrize("back", [0.002, 0.011, 0.5, 9.9, 1e6])
def test_a_clock_that_goes_back_stops_the_arm_until_a_reset(
    back: float, robot: Robot, adapter: ToolActionAdapter
) -> None:
    loop = moving(robot, adapter)
    loop.now = loop.commands[-1].time - back
    command = loop.beats(1)
    assert command.status is Status.STOPPING and "clock went back" in command.reason and np.any(command.velocities)
    command = loop.beats(150)
    assert command.status is Status.FAULT and "clock went back by" in command.reason
    assert not np.any(command.velocities) and loop.control.counts["fault_clock"] == 1
    for sent in (loop.commands, as_sent(loop.commands)):
        report = audit(sent, robot)
        assert report.ok, str(report)
    loop.control.reset(GOAL)
    assert loop.beats(60).status is Status.MOVING
    assert audit(as_sent(loop.commands), robot).ok


@pytest.mark.parametrize("jump", [-1e6, -0.5, 0.09, 0.3, 1e6])
@pytest.mark.parametrize("pause", [0.0, 0.3])
def test_beside_a_steady_clock_a_jump_either_way_is_told_from_a_pause(
    jump: float, pause: float, robot: Robot, adapter: ToolActionAdapter
) -> None:
    loop = moving(robot, adapter, steady=True)
    loop.shift += jump
    loop.true += pause
    command = loop.beats(1)
    assert command.status is (Status.FAULT if pause else Status.STOPPING)
    assert np.any(command.velocities) == (not pause)
    command = loop.beats(150)
    why = "and the clock jumped" if pause else f"the clock went {'ahead' if jump > 0 else 'back'} by {abs(jump):.4g} s"
    assert command.status is Status.FAULT and why in command.reason
    report = audit(loop.timed, robot)
    assert report.ok, str(report)
    loop.control.reset(GOAL)
    assert loop.beats(60).status is Status.MOVING


@pytest.mark.parametrize("said", [None, np.nan])
def test_beside_a_steady_clock_one_that_stands_still_ends_in_a_smooth_stop(
    said: Any, robot: Robot, adapter: ToolActionAdapter
) -> None:
    loop = moving(robot, adapter, steady=True)
    loop.stands = loop.now if said is None else said
    command = loop.beats(STANDING + 60)
    assert command.status is Status.FAULT and "stands still" in command.reason
    report = audit(loop.timed, robot)
    assert report.ok, str(report)
    loop.stands = None
    loop.control.reset(GOAL)
    assert loop.beats(60).status is Status.MOVING


def test_beside_a_steady_clock_an_uneven_one_moves_nothing(robot: Robot, adapter: ToolActionAdapter) -> None:
    loop, rng = moving(robot, adapter, steady=True), np.random.default_rng(0)
    for _ in range(100):
        loop.shift = 5.0 + 0.004 * rng.uniform(-1, 1)
        command = loop.beats(1)
    assert command.status is Status.MOVING
    report = audit(loop.timed, robot)
    assert report.ok, str(report)


def test_a_reset_accepts_the_clock_as_it_is(robot: Robot, adapter: ToolActionAdapter) -> None:
    loop = moving(robot, adapter)
    loop.control.reset(GOAL)
    loop.now = -3.0
    loop.beats(80)
    assert loop.commands[-1].status is Status.MOVING and audit(as_sent(loop.commands), robot).ok


def test_a_clock_that_goes_back_under_an_arm_without_a_goal_is_no_fault(
    robot: Robot, adapter: ToolActionAdapter
) -> None:
    loop = Loop(Script(FORWARD), robot, adapter)
    loop.beats(20)
    loop.now -= 5.0
    assert loop.beats(20).status is Status.IDLE
    loop.control.reset(GOAL)
    assert loop.beats(60).status is Status.MOVING


@pytest.mark.parametrize("wrong", [None, np.nan, np.inf])
def test_a_clock_that_stands_still_ends_in_rest(wrong: Any, robot: Robot, adapter: ToolActionAdapter) -> None:
    loop = moving(robot, adapter)
    before = loop.commands[-1]
    now = before.time if wrong is None else wrong
    again = [loop.control.act(None, now) for _ in range(STANDING + 5)]
    assert all(np.array_equal(command.positions, before.positions) for command in again)
    assert np.array_equal(again[0].velocities, before.velocities)  # it is one command, told twice
    assert again[-1].status is Status.FAULT and "stands still" in again[-1].reason and not np.any(again[-1].velocities)
    assert loop.beats(50).status is Status.FAULT
    loop.control.reset(GOAL)
    assert loop.beats(60).status is Status.MOVING


def raising() -> float:
    raise OSError("the clock is gone")


@pytest.mark.parametrize("wrong", ["abc", 10**400, np.zeros(2), None, raising, lambda: None])
@pytest.mark.parametrize("steady", [False, True])
def test_a_clock_that_fails_ends_in_rest_and_act_raises_nothing(
    wrong: Any, steady: bool, robot: Robot, adapter: ToolActionAdapter
) -> None:
    loop = moving(robot, adapter, steady)
    loop.control.clock = wrong if callable(wrong) else lambda: wrong
    if steady:
        loop.control.steady = raising
    told = [loop.control.act(None, None if callable(wrong) else wrong) for _ in range(STANDING + 5)]
    assert told[-1].status in (Status.FAULT, Status.STOPPING) and "says no number" in told[-1].reason
    assert audit(told, robot).ok


@pytest.mark.parametrize(("late", "slow"), [(0.102, False), (0.12, True), (0.3, True)])
def test_a_loop_that_is_too_slow_is_told_so(late: float, slow: bool, robot: Robot, adapter: ToolActionAdapter) -> None:
    loop = moving(robot, adapter)
    for _ in range(12):
        loop.now += late - BEAT
        told = loop.control.act(observed(loop.position), loop.now)
        loop.control.think()
        loop.position = np.append(told.positions, told.gripper)
        loop.now += BEAT
    assert told.status in (Status.MOVING, Status.PLANNING)
    assert ("timing.max_gap, 0.105 s" in told.reason) == slow
    begun = loop.position[:7].copy()
    assert loop.beats(40).reason == "" and (loop.position[:7] != begun).any()  # quick enough again, it goes on


@pytest.mark.parametrize("jump", [-100.0, -0.5, 0.3, 5.0, 1e6])
def test_beside_a_guard_a_moment_that_jumps_far_is_told_from_a_pause(
    jump: float, robot: Robot, adapter: ToolActionAdapter
) -> None:
    loop = TwoClocks(Script(FORWARD), robot, adapter)
    loop.control.steady, loop.control._guard = None, lambda: loop.true
    loop.control.reset(GOAL)
    assert loop.beats(60).status is Status.MOVING and loop.commands[-1].steady is None
    loop.shift += jump
    assert loop.beats(60).status is Status.FAULT and "the clock" in loop.commands[-1].reason
    assert audit(loop.timed, robot).ok
    loop.control.reset(GOAL)
    assert loop.beats(60).status is Status.MOVING and audit(loop.timed, robot).ok


def test_only_the_default_clock_of_a_thread_has_a_guard(robot: Robot, adapter: ToolActionAdapter) -> None:
    for mode, clock, guarded in (
        ("thread", time.monotonic, True), ("inline", time.monotonic, False), ("thread", time.perf_counter, False),
    ):  # fmt: skip
        with Controller(Script(FORWARD), robot, adapter, mode=mode, clock=clock) as control:
            assert (control._guard is time.monotonic) == guarded and control.steady is None


def test_a_clock_that_only_guards_moves_nothing_else() -> None:
    moments = np.cumsum(np.random.default_rng(0).uniform(0.005, 0.02, 200))
    alone, guarded = PausableClock(0.1), PausableClock(0.1)
    late = np.random.default_rng(1).uniform(0.0, 0.2, 200)
    for now, steady in zip(moments, moments + late, strict=True):
        one, other = alone.beat(now), guarded.beat(now, steady, room=0.25)
        assert one == other and alone.last == guarded.last
    tick = guarded.beat(moments[-1] + 5.0, moments[-1] + 0.22, room=0.25)
    assert tick.pace is Pace.AHEAD or tick.jumped


def test_an_audit_goes_by_the_clock_that_nobody_sets(robot: Robot, adapter: ToolActionAdapter) -> None:
    loop = moving(robot, adapter, steady=True)
    loop.shift += 5.0
    loop.beats(60)
    assert loop.commands[-1].status is Status.FAULT and audit(loop.commands, robot).ok
    by_the_other = [replace(command, steady=None) for command in loop.commands]
    assert not audit(by_the_other, robot).ok
    hurried = [replace(command, steady=0.5 * (command.steady or 0.0)) for command in loop.commands]
    assert not audit(hurried, robot).ok


@pytest.mark.parametrize("gap", [0.11, 0.3, 2.0, 9.0])
@pytest.mark.parametrize("coasted", [0.0, 0.05])
@pytest.mark.parametrize("seen", [True, False])
def test_after_a_pause_the_arm_begins_again_from_rest_where_it_is(
    gap: float, coasted: float, seen: bool, robot: Robot, adapter: ToolActionAdapter
) -> None:
    loop = moving(robot, adapter)
    last = loop.commands[-1]
    loop.position = loop.position + np.array([coasted, *[0.0] * 7])
    loop.now = last.time + gap
    place = loop.position.copy()
    command = loop.control.act(observed(place) if seen else None, loop.now)
    assert not np.any(command.velocities) and not np.any(command.accelerations)
    expected = place[:7] if seen else last.positions
    assert np.allclose(command.positions, expected, atol=1e-9) and f"no beat came for {gap:g} s" in command.reason
    if not seen:
        assert command.status is Status.STALE and "no reading since" in command.reason
        loop.now += BEAT
        loop.commands.append(command)
        loop.control.act(observed(place), loop.now)  # the arm is led to where it is, within its limits
        for _ in range(20):
            command = loop.control.act(None, loop.now)
            loop.commands.append(command)
            loop.now += BEAT
        assert np.allclose(command.positions, place[:7], atol=1e-9)
    else:
        loop.commands.append(command)
        loop.now += BEAT
    loop.beats(60)
    assert loop.commands[-1].status is Status.MOVING
    report = audit(loop.commands, robot)
    assert report.ok, str(report)


def test_an_arm_that_was_left_alone_for_long_waits_for_a_reset(robot: Robot, adapter: ToolActionAdapter) -> None:
    loop = moving(robot, adapter)
    loop.now += 60.0
    command = loop.beats(60)
    assert command.status is Status.FAULT and "no beat came for 60" in command.reason
    loop.control.reset(GOAL)
    assert loop.beats(60).status is Status.MOVING


def test_an_audit_says_what_a_late_beat_must_not_do(robot: Robot) -> None:
    def at(time: float, offset: float, speed: float) -> Command:
        position, velocity = START[:7].copy(), np.zeros(7)
        position[2] += offset
        velocity[2] = speed
        return Command(time, position, velocity, np.zeros(7), Status.MOVING, float(START[7]), 0.0)

    assert audit([at(0.0, 0.0, 0.0), at(2.0, 0.05, 0.0)], robot).ok  # a drive that coasted, found at rest
    assert "step" in str(audit([at(0.0, 0.0, 0.0), at(2.0, 0.2, 0.0)], robot))
    assert "velocity" in str(audit([at(0.0, 0.0, 0.0), at(2.0, 0.05, 0.3)], robot))
    frozen = [at(0.01 * k, 0.0, 0.9) for k in range(5)]
    assert "velocity that" in str([v.kind for v in audit(frozen, robot).violations])
    assert audit([at(0.0, 0.0, 0.0), at(0.0, 0.01, 0.0)], robot).violations[0].kind == "step at one moment"


def test_the_time_of_an_arm_goes_on_whatever_a_clock_says() -> None:
    time, own = PausableClock(0.1, 0.01), []
    for now, pace in (
        (100.0, Pace.ON_TIME), (100.02, Pace.ON_TIME), (3.0, Pace.BACK), (3.02, Pace.ON_TIME), (9.0, Pace.LATE),
        (9.0, Pace.SAME), (8.9995, Pace.SAME), (float("nan"), Pace.SAME), (1e9, Pace.LATE),
    ):  # fmt: skip
        assert time.beat(now).pace is pace, now
        own.append(time.last)
    assert np.allclose(np.diff(own), [0.02, 0.02, 0.02, 0.1, 0, 0, 0, 0.1], atol=1e-6)
    assert not time.knows(9.0) and time.knows(1e9)
