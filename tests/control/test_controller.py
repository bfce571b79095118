import threading
import time
from typing import Any

import numpy as np
import pytest

import forearm
from forearm.control import Command, Controller, Status, Timing
from forearm.control.action_adapter import ToolActionAdapter
from forearm.control.robots.robot import Robot
from forearm.errors import ForearmError

from .conftest import START, Script, observed

BEAT = 0.01
FORWARD = np.tile([0.3, 0.0, 0.0, 0.0], (12, 1))
GOAL = "the goal"


class Loop:
    """A robot's own loop, with a clock of its own; the arm does at once what it is told."""

    def __init__(self, source: Any, robot: Robot, adapter: ToolActionAdapter, **timing: Any) -> None:
        self.control = Controller(
            source,
            robot,
            adapter,
            timing=Timing(**{"replan_every": 4, **timing}),
            mode="manual",
            clock=lambda: self.now,
        )
        self.now = 10.0
        self.position = START.copy()
        self.commands: list[Command] = []

    def beats(self, count: int, frames: bool = True, think: bool = True, readings: Any = None) -> Command:
        for _ in range(count):
            observation = None
            if frames and np.isfinite(self.now) and round(self.now / BEAT) % 10 == 0:
                observation = observed(self.position) if readings is None else readings(self.position)
            command = self.control.act(observation, self.now)
            if think:
                self.control.think()
            if command.positions is not None:
                self.position = np.append(command.positions, command.gripper)
            self.commands.append(command)
            self.now += BEAT
        return command

    def tool(self, command: Command) -> np.ndarray:
        assert command.positions is not None
        return self.control.robot.geometry.tool(np.append(command.positions, 0.0)[None])[0]


def test_nothing_is_sent_before_it_is_known_where_the_arm_is(robot: Robot, adapter: ToolActionAdapter) -> None:
    loop = Loop(Script(FORWARD), robot, adapter)
    command = loop.beats(5, frames=False)
    assert command.status is Status.WAITING and command.positions is None and command.reason


def test_without_a_goal_the_arm_stays_where_it_is(robot: Robot, adapter: ToolActionAdapter) -> None:
    loop = Loop(Script(FORWARD), robot, adapter)
    command = loop.beats(40)
    assert command.status is Status.IDLE
    assert np.allclose(command.positions, START[:7]) and command.gripper == 0.0
    assert not np.any(command.velocities)


def test_it_follows_a_plan_at_the_times_for_which_it_was_made(robot: Robot, adapter: ToolActionAdapter) -> None:
    loop = Loop(Script(FORWARD), robot, adapter, replan_every=100)
    loop.control.reset(GOAL)
    assert loop.beats(1).status is Status.PLANNING
    assert loop.beats(15).status is Status.MOVING
    begin = loop.commands[0].time + 0.2
    loop.beats(200)
    x = np.array([loop.tool(command)[0] for command in loop.commands])
    times = np.array([command.time for command in loop.commands])
    middle = (times > begin + 0.2) & (times < begin + 1.1)
    assert np.allclose(x[middle], x[0] + 0.09 * (times[middle] - begin), atol=3e-4)
    last = loop.commands[-1]
    assert last.status is Status.ENDED and not np.any(last.velocities) and not np.any(last.accelerations)
    assert x[-1] == pytest.approx(x[0] + 12 * 0.009, abs=3e-4)


def test_a_late_plan_keeps_its_times(robot: Robot, adapter: ToolActionAdapter) -> None:
    prompt, late = (Loop(Script(FORWARD), robot, adapter, replan_every=100) for _ in range(2))

    def slow() -> np.ndarray:
        late.beats(55, think=False)
        return FORWARD

    late.control.source.plans = [slow]  # type: ignore[attr-defined]
    for loop in (prompt, late):
        loop.control.reset(GOAL)
        loop.beats(1, think=False)
        loop.control.think()
        loop.beats(174 - len(loop.commands), think=False)
    assert late.control.counts["plans_late"] == 1 and "plans_late" not in prompt.control.counts
    apart = [late.tool(a)[0] - prompt.tool(b)[0] for a, b in zip(late.commands, prompt.commands, strict=True)]
    assert apart[50] < -0.02  # nothing yet, when a prompt plan was well on its way
    # Where it has caught up, every command is where and when it was planned.
    assert np.allclose(apart[120:], 0.0, atol=1e-3)


def test_the_mind_is_told_what_was_done_and_what_is_already_decided(robot: Robot, adapter: ToolActionAdapter) -> None:
    source = Script(FORWARD)
    loop = Loop(source, robot, adapter)
    loop.control.reset(GOAL)
    loop.beats(130)
    assert source.goals == [GOAL]
    assert len(source.seen) == 13 and np.allclose(np.diff(source.seen), 0.1)
    assert [round(request.time, 6) for request in source.requests] == [0.0, 0.4, 0.8, 1.2]
    first, third = source.requests[0], source.requests[2]
    assert first.past.shape == (4, 4) and first.committed.shape == (2, 4) and first.elapsed_steps == 0
    assert not np.any(first.past) and not np.any(first.committed)
    assert third.elapsed_steps == 4
    assert np.allclose(third.past, [[0.3, 0, 0, 0]] * 4, atol=0.05)
    assert np.allclose(third.committed, [[0.3, 0, 0, 0]] * 2, atol=0.05)


def test_a_new_plan_takes_over_without_a_jump(robot: Robot, adapter: ToolActionAdapter) -> None:
    rng = np.random.default_rng(0)
    loop = Loop(Script(lambda: rng.uniform(-1, 1, (12, 4))), robot, adapter)
    loop.control.reset(GOAL)
    loop.beats(300)
    assert loop.control.counts["plans"] == 8
    velocities = np.array([command.velocities for command in loop.commands])
    steps = abs(np.diff(velocities, axis=0)) / BEAT
    assert np.all(steps <= robot.limits.acceleration[:7] * 1.001)
    assert len({command.plan_id for command in loop.commands} - {None}) >= 7


def test_stale_frames_stop_the_arm_and_it_goes_on_when_they_return(robot: Robot, adapter: ToolActionAdapter) -> None:
    loop = Loop(Script(FORWARD), robot, adapter)
    loop.control.reset(GOAL)
    assert loop.beats(60).status is Status.MOVING
    loop.beats(32, frames=False)
    seen = [command.status for command in loop.commands[-8:]]
    assert Status.STOPPING in seen or Status.STALE in seen
    command = loop.beats(40, frames=False)
    assert command.status is Status.STALE and not np.any(command.velocities)
    stopping = next(command for command in loop.commands if command.status is Status.STOPPING)
    assert "old" in stopping.reason
    assert loop.control.counts["stale"] == 1 and loop.control.counts["stops"] == 1
    assert loop.beats(40).status is Status.MOVING  # nobody had to do anything but send frames


@pytest.mark.parametrize(
    "bad",
    [
        lambda at: observed(at, pixels=np.zeros((9, 9), np.uint8)),
        lambda at: observed(at * np.nan),
        lambda at: observed(at, time=10.0),
        lambda at: "garbage",
    ],
)
def test_bad_frames_are_as_good_as_none(bad: Any, robot: Robot, adapter: ToolActionAdapter) -> None:
    loop = Loop(Script(FORWARD), robot, adapter)
    loop.control.reset(GOAL)
    loop.beats(60)
    command = loop.beats(100, readings=bad)
    assert command.status is Status.STALE and command.reason
    assert sum(count for name, count in loop.control.counts.items() if name in
               ("bad_frame", "bad_readings", "out_of_order", "malformed")) == 10  # fmt: skip


def test_a_stalled_planner_leads_to_rest_at_the_end_of_the_plan(robot: Robot, adapter: ToolActionAdapter) -> None:
    loop = Loop(Script(FORWARD), robot, adapter)
    loop.control.reset(GOAL)
    loop.beats(2)
    command = loop.beats(200, think=False)
    assert command.status is Status.ENDED and not np.any(command.velocities)
    assert loop.beats(30).status is Status.MOVING


def test_a_plan_that_comes_after_its_end_is_refused(robot: Robot, adapter: ToolActionAdapter) -> None:
    loop = Loop(Script(FORWARD), robot, adapter)
    loop.control.reset(GOAL)

    def slow() -> np.ndarray:
        loop.beats(200, think=False)
        return FORWARD

    loop.control.source.plans = [slow]  # type: ignore[attr-defined]
    loop.beats(1, think=False)
    loop.control.think()
    assert loop.control.counts["plans_refused"] == 1
    command = loop.beats(1, think=False)
    assert command.status is Status.REFUSED and "too late" in command.reason


def test_a_plan_made_before_a_stop_is_dropped(robot: Robot, adapter: ToolActionAdapter) -> None:
    source = Script(FORWARD)
    loop = Loop(source, robot, adapter)
    loop.control.reset(GOAL)
    loop.beats(1, think=False)

    def while_frames_are_missing() -> np.ndarray:
        loop.beats(60, frames=False, think=False)
        return FORWARD

    source.plans = [while_frames_are_missing]
    loop.control.think()
    assert loop.control.counts["plans_dropped"] == 1
    assert loop.beats(1, frames=False, think=False).status is Status.STALE


@pytest.mark.parametrize(
    "plan", [np.full((12, 4), np.nan), np.zeros((12, 3)), RuntimeError("no memory"), np.full((12, 4), np.inf)]
)
def test_a_mind_that_fails_or_talks_nonsense_moves_nothing(plan: Any, robot: Robot, adapter: ToolActionAdapter) -> None:
    class Raw(Script):
        def plan(self, request: Any) -> Any:
            if isinstance(plan, Exception):
                raise plan
            return type("Raw", (), {"actions": plan})

    loop = Loop(Raw(FORWARD), robot, adapter)
    loop.control.reset(GOAL)
    command = loop.beats(50)
    assert command.status is Status.REFUSED and command.reason
    assert np.array_equal(command.positions, START[:7])


def test_a_goal_that_the_mind_refuses_is_said_and_a_better_one_helps(robot: Robot, adapter: ToolActionAdapter) -> None:
    loop = Loop(Script(FORWARD), robot, adapter)
    loop.control.reset(ValueError("a goal of another size"))
    command = loop.beats(30)
    assert command.status is Status.REFUSED and "another size" in command.reason
    loop.control.reset(GOAL)
    assert loop.beats(40).status is Status.MOVING


def test_a_new_goal_in_motion_stops_first_and_begins_anew(robot: Robot, adapter: ToolActionAdapter) -> None:
    source = Script(FORWARD)
    loop = Loop(source, robot, adapter)
    loop.control.reset(GOAL)
    loop.beats(55)
    loop.control.reset("another")
    command = loop.beats(1)
    assert command.status is Status.STOPPING and "goal" in command.reason
    loop.beats(60)
    assert source.goals == [GOAL, "another"]
    assert loop.commands[-1].status is Status.MOVING
    loop.control.reset(None)
    assert loop.beats(50).status is Status.IDLE


def test_an_arm_that_is_not_where_it_was_told_to_be_stops(robot: Robot, adapter: ToolActionAdapter) -> None:
    loop = Loop(Script(FORWARD), robot, adapter)
    loop.control.reset(GOAL)
    loop.beats(60)
    off = START + np.array([0.4, 0, 0, 0, 0, 0, 0, 0])
    command = loop.beats(60, readings=lambda at: observed(off))
    assert command.status is Status.FAULT and "not where" in command.reason
    assert loop.beats(60).status is Status.FAULT  # it is back, but nobody has looked at it
    loop.control.reset(GOAL)
    assert loop.beats(60).status is Status.MOVING


def test_after_a_fault_a_new_goal_begins_from_where_the_arm_is(robot: Robot, adapter: ToolActionAdapter) -> None:
    loop = Loop(Script(FORWARD), robot, adapter)
    loop.control.reset(GOAL)
    loop.beats(60)
    off = START + np.array([0.4, 0, 0, 0, 0, 0, 0, 0])
    loop.beats(60, readings=lambda at: observed(off))
    loop.position = off
    loop.control.reset(GOAL)
    loop.beats(10)
    assert np.allclose(loop.commands[-1].positions, off[:7], atol=1e-3)


def test_an_arm_that_stands_outside_its_limits_is_not_moved(robot: Robot, adapter: ToolActionAdapter) -> None:
    loop = Loop(Script(FORWARD), robot, adapter)
    loop.position = START + np.array([0, 0.6, 0, 0, 0, 0, 0, 0])  # in the table
    loop.control.reset(GOAL)
    command = loop.beats(30)
    assert command.status is Status.FAULT and command.positions is None and "limits" in command.reason


def test_a_loop_that_pauses_finds_the_arm_where_it_left_it(robot: Robot, adapter: ToolActionAdapter) -> None:
    loop = Loop(Script(FORWARD), robot, adapter)
    loop.control.reset(GOAL)
    before = loop.beats(60)
    loop.now += 5.0
    after = loop.beats(1, frames=False)
    assert abs(after.positions - before.positions).max() < 0.11 * robot.limits.velocity.max()
    assert loop.control.counts["missed_beats"] == 1


def test_a_plan_through_the_table_is_cut_and_the_report_says_where(robot: Robot) -> None:
    import dataclasses

    adapter = ToolActionAdapter("reach")
    adapter.task = dataclasses.replace(adapter.task, low=(0.3, -0.2, -0.1))
    loop = Loop(Script(np.tile([0, 0, -0.5, 0], (12, 1))), robot, adapter, replan_every=100)
    loop.control.reset(GOAL)
    loop.beats(200, think=True)
    lowest = min(loop.tool(command)[2] for command in loop.commands)
    assert robot.workspace[0][2] < lowest < 0.05
    assert loop.control.counts["plans_cut"] >= 1
    assert "tool z: workspace" in str(loop.control.report) or "clearance" in str(loop.control.report)


def test_a_background_thread_does_the_thinking(robot: Robot, adapter: ToolActionAdapter) -> None:
    source = Script(FORWARD)
    thinking_in: set[str] = set()
    source.see = lambda time, observation: thinking_in.add(threading.current_thread().name)  # type: ignore[method-assign]
    with Controller(source, robot, adapter) as control:
        control.reset(GOAL)
        position, statuses = START.copy(), set()
        for beat in range(3000):
            command = control.act(observed(position) if beat % 10 == 0 else None)
            if command.positions is not None:
                position = np.append(command.positions, command.gripper)
            statuses.add(command.status)
            if (command.plan_id or 0) >= 2:
                break
            time.sleep(0.005)
        assert Status.MOVING in statuses
    assert thinking_in == {"forearm-planning"}
    assert not any(thread.name == "forearm-planning" for thread in threading.enumerate())
    control.reset(GOAL, moved=True)
    command = control.act(observed(position))
    assert command.status is Status.REFUSED and command.reason.startswith("the controller is closed")


def test_many_threads_may_call_at_once(robot: Robot, adapter: ToolActionAdapter) -> None:
    rng = np.random.default_rng(0)
    errors: list[BaseException] = []
    with Controller(Script(lambda: rng.uniform(-1, 1, (12, 4))), robot, adapter) as control:

        def hammer(seed: int) -> None:
            own = np.random.default_rng(seed)
            try:
                for _ in range(150):
                    control.act(observed() if own.random() < 0.3 else None)
                    if own.random() < 0.02:
                        control.reset(GOAL)
                    _ = control.counts
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=hammer, args=(i,)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not errors


def test_settings_that_cannot_be_are_refused(robot: Robot, adapter: ToolActionAdapter) -> None:
    with pytest.raises(ValueError, match="max_frame_age"):
        Timing(max_frame_age=0.0)
    with pytest.raises(ValueError, match="ahead"):
        Timing(ahead=-1)
    with pytest.raises(ValueError, match="mode"):
        Controller(Script(FORWARD), robot, adapter, mode="sometimes")  # type: ignore[arg-type]


def test_a_mind_of_another_rate_is_refused_with_both_rates(robot: Robot, adapter: ToolActionAdapter) -> None:
    source = Script(FORWARD)
    source.period = 0.05  # type: ignore[attr-defined]
    with pytest.raises(ForearmError, match="one command every 50 ms, but the arm's adapter takes one every 100 ms"):
        Controller(source, robot, adapter)
    source.period = 0.1  # type: ignore[attr-defined]
    Controller(source, robot, adapter, mode="manual")


def test_a_goal_of_another_camera_upside_down_or_that_is_no_frame_is_refused_with_the_reason() -> None:
    from forearm import envs

    env = envs.make("push")
    seen, info = env.reset(seed=3)
    bad = [
        (info["goal"][::-1], "upside down for camera 'front' of push: turn it"),
        (env.render("side"), "like camera 'side' of push, not like 'front', which the checkpoint knows"),
        (info["goal"][..., 0], "goal is uint8 (64, 64), but a frame is uint8 (height, width, 3)"),
        (env.render("side", resolution=96), "like camera 'side' of push, not like 'front', which the checkpoint knows"),
    ]
    env.close()
    with forearm.Controller.load("push", mode="inline", clock=lambda: 0.0) as control:
        for beat, (goal, says) in enumerate(bad):
            control.reset(goal)
            command = control.act({**seen, "time": 0.1 * beat}, 0.1 * beat)
            assert command.status is Status.REFUSED and says in command.reason
        control.reset(info["goal"])
        assert control.act({**seen, "time": 0.3}, 0.3).status is not Status.REFUSED and control.counts["plans"] == 1
    with forearm.Controller.load("push", mode="inline", clock=lambda: 0.0, check_goals=False) as control:
        control.reset(bad[1][0])
        assert control.act({**seen, "time": 0.0}, 0.0).status is not Status.REFUSED


def test_a_controller_takes_frames_and_goals_of_any_size() -> None:
    from forearm import envs

    env = envs.make("push")
    seen, info = env.reset(seed=3)
    env.close()
    plans = []
    for times in (1, 4):
        goal, pixels = (each.repeat(times, axis=0).repeat(times, axis=1) for each in (info["goal"], seen["pixels"]))
        with forearm.Controller.load("push", mode="inline", clock=lambda: 0.0, check_goals=False) as control:
            control.reset(goal)
            control.act({**seen, "pixels": pixels, "time": 0.0}, 0.0)
            assert control.plan is not None
            plans.append(control.plan.actions)
    assert np.array_equal(*plans)


def test_a_checkpoint_may_be_named_beside_its_task() -> None:
    with forearm.Controller.load("push", checkpoint="push", mode="inline", clock=lambda: 0.0) as control:
        setup = control.source.setup  # type: ignore[attr-defined]
        assert (setup.task["name"], setup.task["checkpoint"]) == ("push", "push")
    with pytest.raises(ForearmError, match="was made for task push, not reach"):
        forearm.Controller.load("reach", checkpoint="push")


def test_the_shipped_model_reaches_its_goal_through_the_controller() -> None:
    from forearm import envs

    env = envs.make("reach")
    import mujoco

    _, info = env.reset(seed=5)
    with forearm.Controller.load("reach", mode="inline", clock=lambda: 0.0) as control:
        control.reset(info["goal"])
        for beat in range(300):
            seen = {**env.observe(), "time": beat * BEAT} if beat % 10 == 0 else None
            command = control.act(seen, beat * BEAT)
            env.data.ctrl[:7], env.data.ctrl[7:] = command.positions, command.gripper
            for _ in range(round(BEAT / env.model.opt.timestep)):
                mujoco.mj_step(env.model, env.data)
            env._locate()
            if env.success():
                break
    assert env.success() and control.counts["plans"] > 1
    env.close()
