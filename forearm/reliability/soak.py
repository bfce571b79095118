"""The controller in real time: how late beats are, and whether any command breaks a limit."""

import time
from typing import Any

import numpy as np

from forearm.control import Controller, Status
from forearm.control.audit import audit
from forearm.control.command import Command
from forearm.reliability.arm import BEAT, FRAME_EVERY, SimulatedArm, process_memory

NEW_GOAL = 8.0
"""s after which the arm gets another goal, so that it never stands still for long."""


def soak(seconds: float, task: str = "push", planner: str = "cem") -> dict[str, Any]:
    """Drive the simulated arm for `seconds` s of real time, in one process with the planner's thread.

    The beat that draws a frame is the simulated camera's work, not the controller's; it is counted all the same.
    """
    arm = SimulatedArm(task)
    late, spent = [], []
    sent: list[Command] = []
    statuses: dict[str, int] = {}
    violations = 0
    with Controller.load(task, planner=planner) as control:
        control.reset(arm.goal)
        begun = time.monotonic()
        goal_since, memory = begun, 0.0
        beats = round(seconds / BEAT)
        for beat in range(beats):
            due = begun + beat * BEAT
            if (wait := due - time.monotonic()) > 0:
                time.sleep(wait)
            now = time.monotonic()
            late.append(now - due)
            seen = arm.observe(now) if beat % FRAME_EVERY == 0 else None
            asked = time.perf_counter()
            command = control.act(seen, now)
            spent.append(time.perf_counter() - asked)
            arm.move(command, control.robot)
            sent.append(command)
            statuses[command.status.value] = statuses.get(command.status.value, 0) + 1
            if now - goal_since > NEW_GOAL:
                goal_since = now
                control.reset(arm.next_goal())
            if beat == min(beats - 1, 1000):
                memory = process_memory()
            if len(sent) == 6000:  # gone through now and then, so that memory does not grow
                violations += len(audit(sent, control.robot).violations)
                sent = sent[-1:]
        violations += len(audit(sent, control.robot).violations)
        counts = control.counts
    arm.close()
    moving = sum(statuses.get(status.value, 0) for status in (Status.MOVING, Status.STOPPING))
    return {
        "seconds": round(beats * BEAT, 1),
        "commands": beats,
        **_quantiles("late", np.array(late)),
        **_quantiles("plain", np.array(late)[(np.arange(beats) - 1) % FRAME_EVERY != 0]),
        "missed": int(np.sum(np.array(late) >= BEAT)),
        "act_us_p50": 1e6 * float(np.quantile(spent, 0.5)),
        "act_us_p99": 1e6 * float(np.quantile(spent, 0.99)),
        "moving": moving / beats,
        "violations": violations,
        "grown_mb": process_memory() - memory,
        "counts": counts,
    }


def _quantiles(name: str, seconds: np.ndarray) -> dict[str, float]:
    """p50, p99 and max in ms."""
    values = 1e3 * np.quantile(seconds, [0.5, 0.99, 1.0])
    return dict(zip((f"{name}_ms_{which}" for which in ("p50", "p99", "max")), values.tolist(), strict=True))
