"""Joint states as they come on real arms: of the arm and the gripper apart, or not at all while pictures go on."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from forearm.control import Controller, Status
from forearm.control.action_adapter import ToolActionAdapter
from forearm.control.robots.robot import load_robot
from forearm.integrations.ros2 import messages
from forearm.integrations.ros2.node import UNREAD, Node, Topics
from tests.control.conftest import START, Script

ROBOT = load_robot()
AXES = [*ROBOT.joints, *ROBOT.fingers[:1]]
BEAT = 0.02


def message(values: Any) -> Any:
    return SimpleNamespace(**{key: message(of) if isinstance(of, dict) else of for key, of in values.items()})


class World:
    """An arm that does what it is told, and topics without a wire. parts: joints of a publisher, and its beats."""

    def __init__(self, parts: list[tuple[list[str], int]]) -> None:
        self.parts, self.now, self.position, self.beats = parts, 50.0, START.copy(), 0
        self.topics: dict[str, list[Any]] = {}
        control = Controller(
            Script(np.tile([0.3, 0.0, 0.0, 0.0], (12, 1))), ROBOT, ToolActionAdapter("reach"), mode="inline",
            clock=lambda: self.now,
        )  # fmt: skip
        control.reset("goal")
        self.node = Node(control, self, Topics())  # type: ignore[arg-type]

    def subscription(self, topic: str, name: str) -> Any:
        waiting = self.topics.setdefault(topic, [])
        return SimpleNamespace(taken=lambda: [waiting.pop(0) for _ in list(waiting)])

    def publisher(self, topic: str, name: str) -> Any:
        return SimpleNamespace(send=lambda message: None)

    def run(self, seconds: float) -> Any:
        for _ in range(round(seconds / BEAT)):
            for names, every in self.parts:
                if self.beats % every == 0:
                    position = self.position[[AXES.index(name) for name in names]]
                    state = messages.joint_state(names, position, np.zeros(len(names)), self.now)
                    self.topics["/joint_states"].append(message(state))
            if self.beats % 5 == 0:
                picture = messages.image(np.full((8, 8, 3), self.beats % 250, np.uint8), self.now)
                self.topics["/camera/image_raw"].append(message(picture))
            command = self.node.beat()
            if command.positions is not None:
                self.position = np.append(command.positions, command.gripper)
            self.now, self.beats = self.now + BEAT, self.beats + 1
        return command


def test_arm_and_gripper_may_tell_of_themselves_apart() -> None:
    world = World([(AXES[:7], 1), (AXES[7:], 5)])
    assert world.run(1.0).status is Status.MOVING and not world.node.why
    assert world.node.counts["joint_states_apart"] == 1  # before the gripper was heard of
    world.parts.pop()
    assert world.run(1.0).status is not Status.MOVING
    assert world.node.why == f"no joint state within {UNREAD:g} s tells of {AXES[7]}"


@pytest.mark.parametrize("parts", [[(AXES[:7], 1)], [(AXES[:3], 1), (AXES[4:], 1)]])
def test_a_joint_that_nobody_tells_of_is_named(parts: list[tuple[list[str], int]]) -> None:
    world = World(parts)
    assert world.run(0.5).status is Status.WAITING
    assert world.node.why.endswith(f"tells of {AXES[7 if len(parts) == 1 else 3]}")


def test_pictures_without_readings_bring_the_arm_to_rest_and_it_goes_on_with_them() -> None:
    world = World([(AXES, 1)])
    world.run(1.0)
    parts, world.parts = world.parts, []
    command = world.run(1.0)
    assert command.status is Status.STALE and not command.velocities.any()
    assert world.node.counts["images_without_joints"] > 3 and "of the picture" in world.node.why
    world.parts = parts
    assert world.run(1.0).status is Status.MOVING
