"""Random schedules of beats, pauses, clocks that jump, held arms, wrong frames and resets from another thread.

What was sent is judged by when it was sent: by the loop's own beat, not by what its clock said. No beat waits for
another thread: the loop's clock is the test's.
"""

import threading
from collections.abc import Mapping
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forearm.control import Command, Controller, Status, Timing
from forearm.control.action_adapter import ToolActionAdapter
from forearm.control.audit import audit
from forearm.control.frame_gate import Gate
from forearm.control.robots.robot import Robot

from .conftest import START, Script, observed

BEAT = 0.01
EVENTS = ("beats",) * 4 + (
    "pause",
    "long",
    "back",
    "ahead",
    "stands",
    "held",
    "off",
    "wrong",
    "drops",
    "reset",
    "moved",
)
HOLDING = (Status.FAULT,)


class Doubting(Gate):
    """Believes frames whose first pixel is not 66."""

    def see(self, time: float, observation: Mapping[str, Any], position: Any, latent: Any) -> str:
        doubt = "a wrong frame" if observation["pixels"][0, 0, 0] == 66 else ""
        self._doubtful = self._doubtful + 1 if doubt else 0
        self.sure = self._doubtful >= 2
        return doubt


class World:
    """An arm that does at once what it is told unless it is held, with a loop of a steady beat around it."""

    def __init__(self, robot: Robot, adapter: ToolActionAdapter, seed: int, replan_every: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.true, self.clock = 0.0, 50.0
        self.position, self.held, self.wrong, self.drops, self.on = START.copy(), False, False, False, True
        self.sent: list[Command] = []
        self.parts: list[list[Command]] = [[]]
        self.control = Controller(
            Script(self._plan), robot, adapter, mode="manual", clock=lambda: self.clock,
            gate=Doubting(robot), timing=Timing(replan_every=replan_every),
        )  # fmt: skip

    def _plan(self) -> np.ndarray:
        wild = self.rng.normal(0, self.rng.choice([0.2, 1.0, 5.0]), (12, 4))
        return np.clip(wild, -1, 1)

    def beat(self, gap: float = BEAT, clock: float | None = None) -> Command:
        self.true += gap
        self.clock = self.clock + gap if clock is None else clock
        seen = None
        if len(self.sent) % 5 == 0 and not self.drops:
            seen = observed(self.position, drive=self.on, time=self.clock)
            seen["pixels"][0, 0, 0] = 66 if self.wrong else len(self.sent) % 60
        command = self.control.act(seen, self.clock)
        self.control.think()
        self.sent.append(command)
        self.parts[-1].append(Command(**{**vars(command), "time": self.true}))
        if command.positions is not None and not self.held:
            self.position = np.append(command.positions, command.gripper)
        return command

    def reset(self, moved: bool) -> None:
        """By an operator in a thread of their own, at a moment of their own within the beat."""
        if moved or self.sent[-1].status is Status.FAULT:
            self.parts.append([])  # the arm is then believed to be where it says
        thread = threading.Thread(target=self.control.reset, args=("goal",), kwargs={"moved": moved})
        thread.start()
        thread.join(timeout=20.0)
        assert not thread.is_alive(), "a reset hangs"


@settings(deadline=None, max_examples=15, suppress_health_check=list(HealthCheck))
@given(
    seed=st.integers(0, 2**32 - 1),
    replan_every=st.integers(1, 6),
    events=st.lists(st.tuples(st.sampled_from(EVENTS), st.integers(1, 40)), min_size=3, max_size=14),
)
def test_whatever_happens_what_is_sent_keeps_the_limits_and_faults_last(
    robot: Robot, adapter: ToolActionAdapter, seed: int, replan_every: int, events: list[tuple[str, int]]
) -> None:
    world = World(robot, adapter, seed, replan_every)
    world.control.reset("goal")
    world.beat()
    for event, count in events:
        faulted = world.sent[-1].status in HOLDING
        before = world.sent[-1]
        world.held, world.wrong = event == "held", event == "wrong"
        world.drops, world.on = event == "drops", event != "off"
        if event in ("reset", "moved"):
            world.reset(moved=event == "moved")
        elif event == "pause":
            world.beat(0.1 + 0.05 * count)
        elif event == "long":
            world.beat(10.0 + count)
        elif event == "ahead":
            world.beat(1e4 * count)  # as far as the loop can tell, it was gone for so long
        elif event == "back":
            world.beat(clock=world.clock - 0.03 * count**3)
        elif event == "stands":
            for _ in range(count):
                world.beat(0.0, clock=world.clock if count % 2 else float("nan"))
                world.clock = world.sent[-1].time
        for _ in range(count):
            world.beat()
        if faulted and event not in ("reset", "moved"):
            assert world.sent[-1].status in HOLDING, f"{event} cleared a fault: {before.reason}"
    for part in world.parts:
        report = audit(part, robot)
        assert report.ok, str(report)
        known = [command for command in part if command.positions is not None]
        assert known == part[len(part) - len(known) :], "an arm once known is not forgotten"
    for command in world.sent:
        assert command.reason or command.status in (Status.MOVING, Status.PLANNING)
    world.held = world.wrong = world.drops = False
    world.on = True
    world.reset(moved=False)
    statuses = {world.beat().status for _ in range(150)}
    assert Status.MOVING in statuses or Status.REFUSED in statuses, "a reset brings the arm back"
