"""`forearm ros2`: a node between ROS 2's topics and a controller, until it is told to stop."""

import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from rich.console import Console

from forearm.agent.image_file import by_camera
from forearm.common.files import place
from forearm.common.parallel import import_modules, one_thread
from forearm.common.signals import told_to_stop
from forearm.control.command import Command, Status
from forearm.errors import ForearmError
from forearm.settings import compose as settings

if TYPE_CHECKING:
    from forearm.control.controller import Controller

SLOWEST = 20.0
"""Messages a second, at least: a loop that pauses for 0.1 s makes the arm begin again from rest."""


def main(overrides: Sequence[str]) -> int:
    """Drive the arm until SIGINT or SIGTERM; raises `ForearmError` and the rooms' own errors for the front door."""
    chosen = settings.load("ros2", overrides)
    import_modules(chosen["use"])
    if chosen["goal"] is None:
        raise ForearmError("where to? give a picture of the goal, goal=FILE")
    rate = float(chosen["rate"])
    if not SLOWEST <= rate <= 1000:
        raise ForearmError(f"rate must lie between {SLOWEST:g} and 1000 messages a second, not {rate:g}")
    from forearm.control.controller import Controller
    from forearm.control.plan_source import LocalPlanSource
    from forearm.control.robots.robot import Robot
    from forearm.integrations.ros2.bus import Bus
    from forearm.integrations.ros2.node import Node, Topics
    from forearm.integrations.ros2.recording import Recording

    task, planner, robot = chosen.one("task"), chosen.one("planner"), Robot(chosen.one("robot"))
    bus = Bus(chosen["domain"], bool(chosen["local"]))
    named = {name: chosen[name] for name in ("joint_states", "command", "gripper", "joints")}
    topics = Topics(**named, image=image_topics(chosen["image"]))
    ended = threading.Event()
    with ExitStack() as stack:
        stack.enter_context(one_thread())
        controller = stack.enter_context(
            Controller.load(
                task["name"], checkpoint=task["checkpoint"], planner=planner, robot=robot, seed=chosen["seed"],
                adapter=task.get("adapter"), clock=time.time, steady=time.monotonic,
            )
        )  # fmt: skip
        check_readings(controller)
        assert isinstance(controller.source, LocalPlanSource)
        setup, goal = controller.source.setup, chosen["goal"]
        goal = setup.goal_frame(by_camera(goal, setup.fit) if isinstance(goal, str) else goal)
        recording = None
        if chosen["record"] is not None:
            recording = stack.enter_context(Recording(place(chosen["record"]), robot, controller.adapter))
            recording.goal(goal, time.time())
        node = Node(controller, bus, topics, watcher=recording)
        controller.reset(goal)
        console = Console()
        console.print(f"planning for {task['name']} from {chosen['image']} to {topics.command} (Ctrl-C ends it)")
        with told_to_stop(ended.set):
            node.run(rate, ended.is_set, _Teller(console, node))
    console.print("ended: the arm was led to rest", highlight=False)
    return 0


def image_topics(text: str) -> str | dict[str, str]:
    """One topic, or those of several cameras, `NAME:TOPIC,NAME:TOPIC`."""
    if ":" not in text:
        return text
    pairs = [part.partition(":") for part in text.split(",")]
    return {name.strip(): topic.strip() for name, _, topic in pairs}


def check_readings(controller: "Controller") -> None:
    """Raise `ForearmError` where joint states alone do not tell what the world model reads."""
    wanted = getattr(controller.adapter, "proprio", None)
    setup = getattr(controller.source, "setup", None)
    if wanted is None or setup is None:
        return
    known, reads = len(wanted(controller.robot.geometry.home)), int(setup.model.config.proprio_dim)
    if reads not in (0, known):
        raise ForearmError(
            f"the world model reads {reads} numbers, of which joint states give {known} (adapter.readings): train on "
            "positions of the joints alone, or give the controller observations from a node of your own"
        )


LACKING = (Status.WAITING, Status.PLANNING, Status.STALE)
"""With which the node knows better than its controller what does not come."""


class _Teller:
    """Says each change of status in a line."""

    def __init__(self, console: Console, node: object) -> None:
        self.console, self.node, self.said = console, node, ""

    def __call__(self, command: Command) -> None:
        why = getattr(self.node, "why", "") if command.status in LACKING else ""
        line = ": ".join(filter(None, (command.status.value, command.reason, why)))
        if line != self.said:
            self.said = line
            self.console.print(line, highlight=False, markup=False, soft_wrap=True)
