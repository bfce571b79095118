"""The controller with bad input, in simulated time: each fault for a while, then none, to see it recover."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from forearm.calibrate.simulated_arm import BEAT, FRAME_EVERY, SimulatedArm
from forearm.control import Controller, Status
from forearm.control.audit import audit
from forearm.control.command import MOVING, Command

Fault = Callable[[list[dict[str, Any]], np.random.Generator], list[dict[str, Any]]]
"""From the frames of this moment to what arrives of them."""


def _dropped(frames: list[dict[str, Any]], rng: np.random.Generator) -> list[dict[str, Any]]:
    return [frame for frame in frames if rng.random() > 0.3]


def _duplicated(frames: list[dict[str, Any]], rng: np.random.Generator) -> list[dict[str, Any]]:
    return [frame for frame in frames for _ in range(3)]


def _corrupted(frames: list[dict[str, Any]], rng: np.random.Generator) -> list[dict[str, Any]]:
    """A third is torn, a third is noise of the wrong kind, a third is whole."""
    kinds: list[Callable[[dict[str, Any]], dict[str, Any]]] = [
        lambda frame: {**frame, "pixels": frame["pixels"].tobytes()[:999]},
        lambda frame: {**frame, "pixels": rng.normal(size=frame["pixels"].shape)},
        lambda frame: frame,
    ]
    return [kinds[int(rng.integers(3))](frame) for frame in frames]


def _grey(frames: list[dict[str, Any]], rng: np.random.Generator) -> list[dict[str, Any]]:
    return [{**frame, "pixels": frame["pixels"][:, :, 0]} for frame in frames]


def _nan(frames: list[dict[str, Any]], rng: np.random.Generator) -> list[dict[str, Any]]:
    return [{**frame, "proprio": frame["proprio"] * np.nan} for frame in frames]


def _none(frames: list[dict[str, Any]], rng: np.random.Generator) -> list[dict[str, Any]]:
    return []


class _Reordered:
    """Every frame waits until the next one has gone before it."""

    def __init__(self) -> None:
        self.held: list[dict[str, Any]] = []

    def __call__(self, frames: list[dict[str, Any]], rng: np.random.Generator) -> list[dict[str, Any]]:
        if not frames:
            return []
        self.held += frames
        if len(self.held) < 2:
            return []
        found, self.held = self.held[::-1], []
        return found


class _Late:
    """Every frame arrives two frames later."""

    def __init__(self) -> None:
        self.held: list[dict[str, Any]] = []

    def __call__(self, frames: list[dict[str, Any]], rng: np.random.Generator) -> list[dict[str, Any]]:
        self.held += frames
        found, self.held = (self.held[:-2], self.held[-2:]) if frames else ([], self.held)
        return found


FAULTS: dict[str, Callable[[], Fault]] = {
    "nothing": lambda: lambda frames, rng: frames,
    "30 % of the frames dropped": lambda: _dropped,
    "every frame three times": lambda: _duplicated,
    "frames in pairs, the later one first": _Reordered,
    "every frame 0.2 s late": _Late,
    "two of three frames corrupted": lambda: _corrupted,
    "frames without colours": lambda: _grey,
    "NaN joint readings": lambda: _nan,
    "no frames": lambda: _none,
    "planner stalled": lambda: lambda frames, rng: frames,
}


def endure(name: str, control: Controller, arm: SimulatedArm, seconds: float, clock: "Clock") -> dict[str, Any]:
    """Move for 4 s without a fault, `seconds` with it, 4 s without; what the arm did, and whether it moved again.

    There is a new goal every 8 s, the first 2 s before the fault, and one when it is over. `moving` is the share of the
    fault's beats at which the arm moves, or is where it should be.
    """
    fault, rng = FAULTS[name](), np.random.default_rng(0)
    before = control.counts
    sent: list[Command] = []
    during: dict[str, int] = {}
    control.reset(arm.goal)
    lead, length = round(4.0 / BEAT), round(seconds / BEAT)
    moved_after = False
    for beat in range(lead + length + lead):
        faulty = lead <= beat < lead + length
        frames = [arm.observe(clock.now)] if round(clock.now / BEAT) % FRAME_EVERY == 0 else []
        arriving = fault(frames, rng) if faulty else frames
        for early in arriving[:-1]:
            control.act(early, clock.now)
        command = control.act(arriving[-1] if arriving else None, clock.now)
        if not (faulty and name == "planner stalled"):
            control.think()
        arm.move(command, control.robot)
        sent.append(command)
        if faulty:
            during[command.status.value] = during.get(command.status.value, 0) + 1
        elif beat >= lead + length and command.status is Status.MOVING:
            moved_after = True
        if (beat - lead // 2) % (2 * lead) == 0 or beat == lead + length - 1:
            control.reset(arm.next_goal())
        clock.now += BEAT
    counts = {key: value - before.get(key, 0) for key, value in control.counts.items() if value != before.get(key, 0)}
    violations = audit(sent, control.robot)
    moving = sum(during.get(status.value, 0) for status in (*MOVING, Status.REACHED))
    return {
        "commands": len(sent),
        "violations": len(violations.violations),
        "moving": moving / max(1, length),
        "statuses": during,
        "moved_after": moved_after,
        "counts": counts,
    }


class Clock:
    """Simulated time, s."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """Now."""
        return self.now


def all_faults(
    seconds: float, task: str = "push", planner: Mapping[str, Any] | None = None
) -> dict[str, dict[str, Any]]:
    """Every fault for `seconds` s of simulated time, each with a controller of its own; `planner`: another than the
    task's.
    """
    found = {}
    for name in FAULTS:
        clock, arm = Clock(), SimulatedArm(task)
        with Controller.load(task, planner=planner, mode="manual", clock=clock) as control:
            found[name] = endure(name, control, arm, seconds, clock)
        arm.close()
    return found
