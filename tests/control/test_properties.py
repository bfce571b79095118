"""Over random plans, observations, delays and drops: no command that is ever sent breaks a limit."""

from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forearm.control import Command, Controller, Status, Timing
from forearm.control.action_adapter import ToolActionAdapter
from forearm.control.audit import audit
from forearm.control.robots.robot import Robot

from .conftest import START, Script, observed

OBSERVATIONS = ("frame",) * 6 + ("none", "nan", "size", "old", "future", "text", "off")


def observation(kind: str, position: np.ndarray, now: float) -> Any:
    return {
        "frame": lambda: observed(position, time=now),
        "none": lambda: None,
        "nan": lambda: observed(position * np.nan),
        "size": lambda: observed(position, pixels=np.zeros((7, 8, 3), np.uint8)),
        "old": lambda: observed(position, time=now - 0.7),
        "future": lambda: observed(position, time=now + 0.7),
        "text": lambda: {"proprio": "here"},
        "off": lambda: observed(position + 0.3, time=now),
    }[kind]()


def assert_within(robot: Robot, sent: list[Command]) -> None:
    """Every command by itself, and every step from one to the next."""
    report = audit(sent, robot)
    assert report.ok, str(report)
    known = [command for command in sent if command.positions is not None]
    assert known == sent[len(sent) - len(known) :], "an arm once known is not forgotten"
    if known:
        assert np.isfinite([command.positions for command in known]).all()
        assert np.all(np.diff([command.time for command in known]) > 0)


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(
    seed=st.integers(0, 2**32 - 1),
    roughness=st.sampled_from([0.2, 1.0, 5.0]),
    replan_every=st.integers(1, 8),
    ahead=st.integers(0, 4),
    zero=st.sampled_from([5.0, 1.7e9]),
    delay=st.sampled_from([0, 0, 4, 20, 60]),
    thinking=st.sampled_from([0.03, 0.2, 1.0]),
    task=st.sampled_from(["reach", "push", "pick_place"]),
    events=st.lists(
        st.tuples(
            st.sampled_from(OBSERVATIONS),
            st.integers(1, 25),
            st.sampled_from([0.0101, 0.0099, 0.003, 0.02, 0.13, 2.0]),
            st.integers(0, 60),
        ),
        min_size=5,
        max_size=25,
    ),
)
def test_no_command_breaks_a_limit(
    robot: Robot,
    seed: int,
    roughness: float,
    replan_every: int,
    ahead: int,
    zero: float,
    delay: int,
    thinking: float,
    task: str,
    events: Any,
) -> None:
    rng = np.random.default_rng(seed)

    def plan() -> np.ndarray:
        pass_time(delay)
        # From gentle to what no arm could follow; sometimes all at full speed in one direction.
        wild = rng.normal(0, roughness, (12, 4))
        return np.tile(np.sign(wild[:1]), (12, 1)) if rng.random() < 0.2 else np.clip(wild, -1, 1)

    def pass_time(beats: int) -> None:
        """The loop goes on while a plan is made, and while it is made a trajectory of."""
        nonlocal now, position
        for _ in range(int(rng.integers(0, beats + 1))):
            now += 0.01
            command = control.act(None, now)
            if command.positions is not None:
                position = np.append(command.positions, command.gripper)
            sent.append(command)

    class SlowBody(ToolActionAdapter):
        def targets(self, start: np.ndarray, actions: np.ndarray) -> np.ndarray:
            pass_time(delay // 4)
            return super().targets(start, actions)

    now = zero
    timing = Timing(replan_every=replan_every, ahead=ahead)
    control = Controller(Script(plan), robot, SlowBody(task), timing=timing, mode="manual", clock=lambda: now)
    control.reset("goal")
    position, sent, parts = START.copy(), list[Command](), list[list[Command]]()
    for kind, beats, beat, resets in events:
        for number in range(beats):
            seen = observation(kind, position, now) if number % 4 == 0 else None
            command = control.act(seen, now)
            if command.positions is not None:
                position = np.append(command.positions, command.gripper)
            sent.append(command)
            if rng.random() < thinking:
                control.think()
            now += beat
        if resets == 0:
            if sent[-1].status is Status.FAULT:  # the arm is then believed to be where it says
                parts.append(sent)
                sent = []
            control.reset("another goal")
    for part in [*parts, sent]:
        assert_within(robot, part)
