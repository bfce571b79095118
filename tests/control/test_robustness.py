"""What a careless caller, body, clock or driver may do to a controller, and what must not come of it."""

import threading
import time
from typing import Any

import numpy as np
import pytest

from forearm.control import Controller, Status
from forearm.control.action_adapter import ToolActionAdapter
from forearm.control.audit import audit
from forearm.control.robots.robot import Robot

from .conftest import START, Script, observed
from .test_controller import FORWARD, GOAL, Loop


@pytest.mark.parametrize("zero", [0.0, -1e6, 1.7e9 + 0.123])
def test_any_zero_of_the_clock_will_do(zero: float, robot: Robot, adapter: ToolActionAdapter) -> None:
    """Seconds since 1970 leave a quarter of a microsecond between two floats: too coarse to cut trajectories with."""
    rng = np.random.default_rng(1)
    loop = Loop(Script(lambda: np.clip(rng.normal(0, 1, (12, 4)), -1, 1)), robot, adapter, replan_every=2)
    loop.control.reset(GOAL)
    for beat in range(300):
        loop.now = zero + 0.01 * beat
        seen = observed(loop.position, time=loop.now) if beat % 10 == 0 else None
        loop.commands.append(loop.control.act(seen, loop.now))
        loop.control.think()
        loop.position = np.append(loop.commands[-1].positions, loop.commands[-1].gripper)
    assert loop.control.counts == {"plans": 15, "plans_shaped": 15, "frames": 30}
    assert [command.time for command in loop.commands] == [zero + 0.01 * beat for beat in range(300)]
    report = audit(loop.commands, robot)
    assert report.ok, str(report)


@pytest.mark.parametrize("wrong", [np.inf, -np.inf, np.nan])
def test_a_moment_that_is_no_number_moves_nothing(wrong: float, robot: Robot, adapter: ToolActionAdapter) -> None:
    loop = Loop(Script(FORWARD), robot, adapter)
    assert loop.control.act(None, wrong).positions is None
    loop.control.reset(GOAL)
    before = loop.beats(60)
    again = loop.control.act(None, wrong)
    assert np.array_equal(again.positions, before.positions) and again.time == before.time
    assert loop.beats(10).status is Status.MOVING
    assert audit(loop.commands, robot).ok


@pytest.mark.parametrize("where", ["targets", "actions"])
def test_a_body_that_fails_leads_to_rest_and_not_to_the_end_of_thinking(where: str, robot: Robot) -> None:
    adapter, broken = ToolActionAdapter("reach"), [True]
    whole = getattr(adapter, where)

    def sometimes(*given: Any) -> Any:
        if broken[0]:
            raise ArithmeticError("no solution")
        return whole(*given)

    setattr(adapter, where, sometimes)
    with Controller(Script(FORWARD), robot, adapter) as control:
        control.reset(GOAL)
        refused = _until(control, Status.REFUSED)
        assert "no solution" in refused.reason and np.array_equal(refused.positions, START[:7])
        broken[0] = False
        assert _until(control, Status.MOVING).plan_id is not None
        assert control.counts["mind_failures"] >= 1


def _until(control: Controller, status: Status) -> Any:
    position = START
    for beat in range(4000):
        command = control.act(observed(position) if beat % 10 == 0 else None)
        position = np.append(command.positions, command.gripper)
        if command.status is status:
            return command
        time.sleep(0.005)
    raise AssertionError(f"still {command.status}: {command.reason}")


@pytest.mark.parametrize(
    "observation",
    [observed(time=10**400), {"pixels": np.zeros((8, 8, 3), np.uint8), "proprio": {"joint1": 0.3}}],
)
def test_act_raises_nothing_whatever_the_observation(
    observation: Any, robot: Robot, adapter: ToolActionAdapter
) -> None:
    loop = Loop(Script(FORWARD), robot, adapter)
    assert loop.control.act(observation, 10.0).status is Status.WAITING


def test_act_raises_nothing_where_a_body_of_ones_own_does(robot: Robot) -> None:
    adapter = ToolActionAdapter("reach")
    adapter.read = lambda observation: np.array([observation["arm"]["joint1"]])  # type: ignore[method-assign]
    loop = Loop(Script(FORWARD), robot, adapter)
    command = loop.control.act(observed(), 10.0)
    assert command.status is Status.WAITING and "KeyError: 'arm'" in command.reason
    assert loop.control.counts == {"bad_readings": 1}


def test_a_camera_may_write_over_its_frame_while_nobody_has_looked_at_it_yet(
    robot: Robot, adapter: ToolActionAdapter
) -> None:
    source, seen = Script(FORWARD), []
    source.see = lambda time, observation: seen.append(observation)  # type: ignore[method-assign]
    loop = Loop(source, robot, adapter)
    loop.control.reset(GOAL)
    frame = observed()
    frame["pixels"][:] = 7
    loop.control.act(frame, 10.0)
    frame["pixels"][:] = 9
    frame["proprio"][:] = np.nan
    loop.control.think()
    assert np.all(seen[0]["pixels"] == 7) and np.allclose(seen[0]["proprio"][:7], START[:7])


def test_a_mind_thinks_one_thought_at_a_time(robot: Robot, adapter: ToolActionAdapter) -> None:
    inside, most = [0], [0]

    class Slow(Script):
        def see(self, time_: float, observation: Any) -> None:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            time.sleep(0.02)
            inside[0] -= 1

    control = Controller(Slow(FORWARD), robot, adapter, mode="inline")
    control.reset(GOAL)

    def use() -> None:
        for _ in range(8):
            control.act(observed())
            time.sleep(0.01)

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most[0] == 1 and control.counts["plans"] >= 1


def test_a_plan_that_was_never_made_does_not_count_as_the_last_one(robot: Robot, adapter: ToolActionAdapter) -> None:
    source = Script(FORWARD, RuntimeError("no memory"), FORWARD)
    loop = Loop(source, robot, adapter, replan_every=4)
    loop.control.reset(GOAL)
    loop.beats(60)
    # Made from the frames at 0 s and, after a failure at 0.4 s, at 0.5 s: the last plan is the first of them.
    assert [request.elapsed_steps for request in source.requests] == [0, 4, 5]


def test_an_arm_that_was_moved_by_hand_is_where_the_next_reading_says(robot: Robot, adapter: ToolActionAdapter) -> None:
    loop = Loop(Script(FORWARD), robot, adapter)
    loop.control.reset(GOAL)
    loop.beats(60)
    loop.position = START + np.array([0.1, 0, 0, 0, 0, 0, 0, 0])
    loop.control.reset(GOAL, moved=True)
    assert loop.beats(1, frames=False).positions is None
    command = loop.beats(10)
    assert np.allclose(command.positions, loop.position[:7]) and command.status is Status.PLANNING
    assert loop.beats(40).status is Status.MOVING


def test_frames_taken_during_a_pause_of_the_loop_do_not_upset_the_mind(
    robot: Robot, adapter: ToolActionAdapter
) -> None:
    source = Script(FORWARD)
    loop = Loop(source, robot, adapter)
    loop.control.reset(GOAL)
    loop.beats(60)
    before = loop.now
    loop.now += 5.0
    for taken in (before + 1.0, before + 3.0, loop.now - 0.02):
        loop.control.act(observed(loop.position, time=taken), loop.now)
        loop.control.think()
    assert np.all(np.diff(source.seen) > 0)
    assert loop.control.counts["frames_of_a_pause"] == 2
    assert loop.beats(40).status is Status.MOVING


@pytest.mark.parametrize("goal", ["another", None])
def test_a_stop_that_would_break_a_limit_is_tried_again(goal: Any, robot: Robot, adapter: ToolActionAdapter) -> None:
    loop = Loop(Script(FORWARD), robot, adapter, replan_every=100)
    loop.control.reset(GOAL)
    loop.beats(60)
    motion = loop.control._motion
    assert motion is not None
    whole, tries, end = motion.stop, [0], motion.end

    def only_later(own: float) -> bool:
        tries[0] += 1
        return tries[0] > 3 and whole(own)

    motion.stop = only_later  # type: ignore[method-assign]
    loop.control.reset(goal)
    loop.beats(15, frames=False)
    assert motion.end > end - 0.2
    loop.beats(30, frames=False)
    assert tries[0] == 4 and motion.end < end - 0.2
    assert loop.control.counts["stops"] == loop.control.counts["stops_along_the_plan"] == 1
    assert audit(loop.commands, robot).ok


def test_without_any_frame_the_status_says_what_it_waits_for(robot: Robot, adapter: ToolActionAdapter) -> None:
    loop = Loop(Script(FORWARD), robot, adapter)
    loop.beats(1)
    loop.control.reset(GOAL)
    command = loop.beats(20, frames=False)
    assert command.status is Status.PLANNING and "no frame" in command.reason
