"""The ROS 2 sketch of docs/robots.md, run beside stand-ins for ROS."""

import re
import sys
import time
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

import forearm
from forearm.control import Controller
from forearm.integrations.joint_trajectory import problems

from .conftest import START, Script

PAGE = (Path(__file__).parents[2] / "docs/robots.md").read_text(encoding="utf-8")
ACTIONS = np.array([[0.5, 0.2, -0.1, 0.3]] * 8)


class FakeNode:
    """What the sketch uses of rclpy's node."""

    now = 0.0

    def __init__(self, name: str) -> None:
        self.published: list[Any] = []
        self.callbacks: dict[str, Any] = {}

    def get_clock(self) -> Any:
        return SimpleNamespace(now=lambda: SimpleNamespace(nanoseconds=round(1e9 * self.now)))

    def create_subscription(self, kind: Any, topic: str, callback: Any, depth: int) -> None:
        self.callbacks[topic] = callback

    def create_publisher(self, kind: Any, topic: str, depth: int) -> Any:
        return SimpleNamespace(publish=self.published.append)

    def create_timer(self, period: float, callback: Any) -> None:
        self.callbacks["beat"] = callback


def point(positions: Any) -> Any:
    return SimpleNamespace(positions=positions, time_from_start=SimpleNamespace(sec=0, nanosec=0))


def module(**names: Any) -> ModuleType:
    found = ModuleType("stand-in")
    vars(found).update(names)
    return found


def as_json(message: Any) -> dict[str, Any]:
    points = [{"positions": p.positions, "time_from_start": vars(p.time_from_start)} for p in message.points]
    return {"joint_names": message.joint_names, "points": points}


def test_the_sketch_publishes_what_a_controller_takes(
    robot: Any, adapter: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    spun: list[Any] = []
    stand_ins = {
        "rclpy": module(init=lambda: None, spin=spun.append),
        "rclpy.node": module(Node=FakeNode),
        "sensor_msgs": module(),
        "sensor_msgs.msg": module(Image=object, JointState=object),
        "trajectory_msgs": module(),
        "trajectory_msgs.msg": module(JointTrajectory=SimpleNamespace, JointTrajectoryPoint=point),
    }
    for name, stand_in in stand_ins.items():
        monkeypatch.setitem(sys.modules, name, stand_in)

    def load(task: str, clock: Any, steady: Any) -> Controller:
        assert steady is time.monotonic
        return Controller(Script(ACTIONS), robot, adapter, mode="inline", clock=clock, steady=clock)

    monkeypatch.setattr(forearm, "Controller", SimpleNamespace(load=load))
    code = next(block for block in re.findall(r"```python\n(.*?)```", PAGE, re.S) if "rclpy" in block)
    names: dict[str, Any] = {}
    exec(code, names)
    names["node"]("goal")
    node = spun[0]
    node.callbacks["beat"]()
    assert not node.published  # nothing is known yet
    position = START[:7]
    for beat in range(60):
        node.now = 0.01 * beat
        joints = SimpleNamespace(name=list(robot.joints), position=position.tolist(), velocity=[0.0] * 7)
        node.callbacks["joint_states"](joints)
        if beat % 10 == 0:
            stamp = SimpleNamespace(sec=0, nanosec=10_000_000 * beat)
            pixels = np.zeros((8, 8, 3), np.uint8)
            header = SimpleNamespace(stamp=stamp)
            node.callbacks["camera/image"](SimpleNamespace(data=pixels.tobytes(), height=8, width=8, header=header))
        node.callbacks["beat"]()
        if node.published:
            position = np.array(node.published[-1].points[0].positions)
    assert len(node.published) > 50
    for message in node.published:
        assert problems(as_json(message)) == []
        assert message.joint_names == list(robot.joints)
    last = node.published[-1].points
    assert last[-1].time_from_start.nanosec == 100_000_000
    assert abs(position - START[:7]).max() > 0.01  # it moves
    one, next_one = node.published[-2:]  # what a message says of a moment, the next one says again
    assert np.allclose(one.points[1].positions, next_one.points[0].positions, atol=1e-6)


def test_the_setting_that_the_sketch_needs_stands_beside_it_with_its_version() -> None:
    before, _, _ = PAGE.partition("import rclpy")
    beside = before[-1500:]
    assert "interpolate_from_desired_state: true" in beside
    assert re.search(r"ros2_controllers \d+\.\d+", beside) and "measured" in beside
