"""Random schedules: whatever happens, what is sent keeps the limits as sent and timed, and faults last."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forearm.control import Status
from forearm.control.action_adapter import ToolActionAdapter
from forearm.control.robots.robot import Robot
from tools.reliability.schedules import EVENTS, World, lived, strategy


@settings(deadline=None, max_examples=20, suppress_health_check=list(HealthCheck))
@given(**strategy(st))
def test_whatever_happens_what_is_sent_keeps_the_limits_and_faults_last(
    robot: Robot, adapter: ToolActionAdapter, **drawn: Any
) -> None:
    _, violations, broken = lived(robot, adapter, **drawn)
    assert not violations and not broken


@pytest.mark.parametrize("steady", [True, False])
def test_each_event_alone(robot: Robot, adapter: ToolActionAdapter, steady: bool) -> None:
    events = [one for each in EVENTS for one in (("reset", 50), (each, 30))]
    world, violations, broken = lived(robot, adapter, 3, 2, steady, events)
    assert not violations and not broken
    assert world.resets > len(EVENTS)
    counted = {name for name in world.control.counts if name.startswith("fault")}
    assert counted == {f"fault_{kind}" for kind in ("clock", "following", "drive", "frames", "stopped")}


def test_a_jump_under_an_arm_in_motion_is_seen_by_the_judge(robot: Robot, adapter: ToolActionAdapter) -> None:
    """An arm whose time follows a clock that jumps breaks limits as timed, and the schedules say so."""
    world = World(robot, adapter, 1, 2, steady=False)
    while world.beat().status is not Status.MOVING or abs(world.last.velocities).max() < 0.1:  # type: ignore[arg-type]
        assert len(world.parts[0]) < 400
    world.shift += 0.09  # shorter than a pause: nothing tells it from beats that come slowly
    world.beat()
    assert world.violations()
