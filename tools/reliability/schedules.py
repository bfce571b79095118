"""Random schedules of beats, pauses, clocks that jump, held arms, wrong frames and resets from two threads.

What was sent is judged by when it was sent, not by what the loop's clock said. Nothing waits for real time.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from forearm.control import Command, Controller, Status, Timing
from forearm.control.action_adapter import ToolActionAdapter
from forearm.control.audit import audit
from forearm.control.frame_gate import Gate
from forearm.control.plan_source import PlanRequest
from forearm.control.robots.robot import Robot, load_robot
from forearm.control.whereabouts import STILL
from forearm.envs.arm import kinematics
from forearm.planner.plan import Plan, command_times

SEED = 518644
BEAT, FRAME_EVERY, HORIZON = 0.01, 5, 12
SETTLED = 80
"""Beats of one fault, after which the command must be where the arm is."""
SEEN = 3 * FRAME_EVERY
"""Beats after which two readings have come."""
HANGS = 20.0
"""s of real time after which a reset is said to hang; none waits so long."""
RESETS = ("reset", "moved", "two resets", "resets in a thought")
EVENTS = (
    *("beats",) * 4,
    *("pause", "long", "back", "ahead", "stands", "no number", "pause and back", "uneven"),
    *("held", "pushed", "off", "wrong", "drops", "late", "torn", "unread", "arrives", "stop"),
    *RESETS,
)
"""What may happen; each has a count from 1 to 40."""

Event = tuple[str, int]


class Doubting(Gate):
    """Believes frames whose first pixel is not 66."""

    def see(self, time: float, observation: Mapping[str, Any], position: Any, latent: Any) -> str:
        """See `Gate`."""
        doubt = "a wrong frame" if observation["pixels"][0, 0, 0] == 66 else ""
        self._doubtful = self._doubtful + 1 if doubt else 0
        self.sure = self._doubtful >= 2
        return doubt


class Source:
    """Plans anything, from gentle to what no arm could follow; `apart` is how far the goal is."""

    frame_shape: tuple[int, ...] = (8, 8, 3)
    ahead_steps, past_steps = 2, 4

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng, self.apart, self.meanwhile = rng, 9.0, list[Callable[[], None]]()

    def begin(self, goal: Any) -> None:
        """Any goal will do."""

    def see(self, time: float, observation: Mapping[str, Any]) -> None:
        """Nothing is seen."""

    def nearness(self) -> float | None:
        """See `PlanSource`."""
        return self.apart

    def plan(self, request: PlanRequest) -> Plan:
        """Random commands; what shall happen meanwhile happens."""
        while self.meanwhile:
            self.meanwhile.pop()()
        actions = np.clip(self._rng.normal(0, self._rng.choice([0.2, 1.0, 5.0]), (HORIZON, 4)), -1, 1)
        return Plan(
            actions=actions, times=command_times(HORIZON, 0.1), mean=np.zeros_like(actions), cost=0.0,
            cost_per_iteration=[], model_evals=0, iterations=0, timings_ms={"total": 1.0}, planner="random",
        )  # fmt: skip


class World:
    """An arm that does at once what it is told unless it is held, with a loop of a steady beat around it.

    Args:
        steady: whether the controller is told a clock that nobody sets. Without, a clock that goes ahead or stands
            looks like a loop that pauses or calls several times at once, and that is then what it is.
    """

    def __init__(self, robot: Robot, adapter: ToolActionAdapter, seed: int, replan_every: int, steady: bool) -> None:
        self.rng, self.steady = np.random.default_rng(seed), steady
        self.true, self.shift, self.during, self.resets = 0.0, 50.0, "", 0
        self.position = np.append(kinematics.inverse(np.array([0.5, 0.0, 0.1]), kinematics.HOME, iterations=40), 0.0)
        self.source, self.late = Source(self.rng), list[dict[str, Any]]()
        self.control = Controller(
            self.source, robot, adapter, mode="manual", clock=lambda: self.true + self.shift,
            steady=(lambda: self.true) if steady else None, gate=Doubting(robot),
            timing=Timing(replan_every=replan_every),
        )  # fmt: skip
        self.push = np.zeros(8)
        self.parts: list[list[Command]] = [[]]
        self.wrong: list[str] = []
        self.faulty = 0
        self.control.reset("goal")
        self.beat()

    @property
    def last(self) -> Command:
        """What was sent last."""
        return next(part[-1] for part in reversed(self.parts) if part)

    def beat(self, gap: float = BEAT, clock: float | None = None) -> Command:
        """One beat after `gap` s of true time; the clock may say something else than that."""
        self.true += gap
        now = self.true + self.shift if clock is None else clock
        command = self.control.act(self._observation(now), now)
        self._judge(command)
        self.parts[-1].append(Command(**{**vars(command), "time": self.true}))
        self.control.think()
        if self.during == "pushed":
            self.position = self.position + self.push
        elif (place := _place(command)) is not None and self.during != "held":
            self.position = place
        return command

    def _observation(self, now: float) -> Any:
        count = sum(map(len, self.parts))
        if count % FRAME_EVERY or self.during == "drops":
            return None
        pixels = np.full((8, 8, 3), 66 if self.during == "wrong" else count % 60, np.uint8)
        readings = np.concatenate([self.position[:7], np.zeros(7), self.position[7:]])
        seen: dict[str, Any] = {"pixels": pixels, "proprio": readings, "drive": self.during != "off"}
        if np.isfinite(now):
            seen["time"] = now
        if self.during == "torn":
            kinds = (pixels.tobytes(), pixels[:4], pixels.astype(float), None)
            return [{**seen, "pixels": kinds[count // FRAME_EVERY % 4]}, "a frame", 7][count % 3]
        if self.during == "unread":
            return {**seen, "proprio": readings * np.nan}
        if self.during == "late":
            self.late.append(seen)
            return self.late.pop(0) if len(self.late) > 3 else None
        return seen

    def _judge(self, command: Command) -> None:
        """What no audit of what was sent can tell."""
        before = self.parts[-1][-1] if self.parts[-1] else None
        if before is not None and before.status is Status.FAULT and command.status is not Status.FAULT:
            self.wrong.append(f"{self.during} cleared a fault: {before.reason}")
        if before is not None and before.positions is not None and command.positions is None:
            self.wrong.append(f"{self.during}: an arm once known is forgotten")
        if not command.reason and command.status not in (Status.MOVING, Status.PLANNING):
            self.wrong.append(f"{self.during}: {command.status.value} for no reason")
        calm = command.status is Status.FAULT and self.during in ("beats", "held", "drops", "wrong")
        self.faulty = self.faulty + 1 if calm else 0
        if self.faulty > SETTLED and (place := _place(command)) is not None and self.during != "drops":
            off = abs(place - self.position)
            if (off > STILL * self.control.robot.following_error + 1e-6).any():
                self.wrong.append(f"{self.during}: in a fault, the command is {off.max():.3f} from where the arm is")

    def reset(self, moved: bool) -> None:
        """By an operator in a thread of their own."""
        self._both(moved)

    def _both(self, *moved: bool) -> None:
        """Resets from as many threads at once; the arm is then where it says, if it was lost or moved by hand."""
        if any(moved) or self.last.status is Status.FAULT:
            self.parts.append([])
        threads = [
            threading.Thread(target=self.control.reset, args=("goal",), kwargs={"moved": each}, daemon=True)
            for each in moved
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=HANGS)
            if thread.is_alive():
                self.wrong.append("a reset hangs")
        self.resets += len(threads)

    def live(self, events: Sequence[Event]) -> None:
        """All of it, one after the other."""
        for event, count in events:
            self.during, self.source.apart = event, 0.05 if event == "arrives" else 9.0
            self._happen(event, count)
            for _ in range(count):
                self.beat()
        self.during = "beats"
        for _ in range(SEEN):  # what happened last is noticed
            self.beat()
        self.reset(moved=False)
        statuses = {self.beat().status for _ in range(150)}
        if not statuses & {Status.MOVING, Status.REFUSED}:
            self.wrong.append(f"a reset does not bring the arm back: {self.last.status.value}, {self.last.reason}")

    def _happen(self, event: str, count: int) -> None:
        jump = 0.06 * count**2
        if event == "pause":
            self.beat(0.1 + 0.05 * count)
        elif event == "long":
            self.beat(10.0 + count)
        elif event == "back":
            self.shift -= jump
            self.beat()
        elif event == "ahead":
            if self.steady:
                self.shift += jump
                self.beat()
            else:
                self.beat(1e4 * count)
        elif event == "pause and back" and self.steady:
            self.shift -= jump + 0.5
            self.beat(0.3)
        elif event in ("stands", "no number"):
            said = self.true + self.shift if event == "stands" else float("nan")
            for _ in range(count):
                self.beat(BEAT if self.steady else 0.0, said)
            if self.steady and event == "stands":
                self.shift = said - self.true
        elif event == "uneven" and self.steady:
            for _ in range(count):
                self.beat(clock=self.true + BEAT + self.shift + 0.004 * self.rng.uniform(-1, 1))
        elif event == "pushed":  # through the middle
            self.push[0] = -0.01 if self.position[0] > 0 else 0.01
        elif event == "stop":
            self.control.stop()
        elif event in ("reset", "moved"):
            self.reset(moved=event == "moved")
        elif event == "two resets":
            self._both(False, bool(count % 2))
        elif event == "resets in a thought":
            self.source.meanwhile.append(lambda: self._both(False, bool(count % 2)))

    def violations(self) -> list[str]:
        """Limits that were broken, as sent and timed."""
        return [str(report) for part in self.parts if not (report := audit(part, self.control.robot)).ok]


def _place(command: Command) -> np.ndarray | None:
    """(8,) positions of a command, the gripper's last."""
    if command.positions is None or command.gripper is None:
        return None
    return np.append(command.positions, command.gripper)


def schedules(count: int, seed: int = SEED) -> dict[str, Any]:
    """So many random schedules; what was sent in them, and what was wrong."""
    import hypothesis
    from hypothesis import strategies as st

    robot, adapter = load_robot(), ToolActionAdapter("reach")
    found = {"schedules": 0, "commands": 0, "resets": 0, "faults": 0, "violations": 0, "promises_broken": 0}
    said: set[str] = set()

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=count, deadline=None, database=None, suppress_health_check=list(hypothesis.HealthCheck)
    )
    @hypothesis.given(**strategy(st))
    def live(**drawn: Any) -> None:
        world, violations, broken = lived(robot, adapter, **drawn)
        found["schedules"] += 1
        found["commands"] += sum(map(len, world.parts))
        found["resets"] += world.resets
        found["faults"] += sum(n for name, n in world.control.counts.items() if name.startswith("fault"))
        found["violations"] += len(violations)
        found["promises_broken"] += len(broken)
        said.update((*violations, *broken))

    live()
    return {**found, "said": sorted(said)[:10]}


def strategy(st: Any) -> dict[str, Any]:
    """What a schedule is drawn from, for `hypothesis.given`; `st` are its strategies."""
    events = st.lists(st.tuples(st.sampled_from(EVENTS), st.integers(1, 40)), min_size=3, max_size=14)
    number = st.integers(0, 2**32 - 1)
    return {"seed": number, "replan_every": st.integers(1, 6), "steady": st.booleans(), "events": events}


def lived(
    robot: Robot, adapter: ToolActionAdapter, seed: int, replan_every: int, steady: bool, events: Sequence[Event]
) -> tuple[World, list[str], list[str]]:
    """One schedule; the world after it, limits that were broken and promises that were."""
    world = World(robot, adapter, seed, replan_every, steady)
    world.live(events)
    return world, world.violations(), world.wrong
