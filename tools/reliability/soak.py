"""The controller in real time: how late beats are, and whether any command breaks a limit."""

import gc
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from forearm.calibrate.simulated_arm import BEAT, FRAME_EVERY
from forearm.control import Controller, Status, Timing
from forearm.control.audit import audit
from forearm.control.command import Command
from forearm.control.plan_source import Observation, PlanRequest, PlanSource
from forearm.planner import Plan
from tools.reliability.memory import process_memory
from tools.reliability.robot import robot_process

NEW_GOAL = 8.0
"""s after which the arm gets another goal, so that it never stands still for long."""
USUAL = Timing()
WARM = 1000
"""Beats after which memory is looked at for the first time."""


def on_one_core(seconds: float) -> dict[str, Any]:
    """The same with a camera as quick as the arm, a plan for every control step, and one core for the controller."""
    timing = Timing(replan_every=1)
    return soak(seconds, planner="fast", frame_every=1, timing=timing, one_core=True)


def soak(
    seconds: float,
    task: str = "push",
    planner: str = "cem",
    frame_every: int = FRAME_EVERY,
    timing: Timing = USUAL,
    one_core: bool = False,
) -> dict[str, Any]:
    """Drive a simulated arm for `seconds` s of real time, which is seen every `frame_every` beats.

    Two processes, as it would be with a robot: the arm, which keeps its own beat and draws its camera, and this one,
    a loop of a hundred beats a second that calls the controller, beside the controller's thread, which sees and plans.
    """
    beats = round(seconds / BEAT)
    # All there from the beginning, and audited at the end: lists would grow, and an audit takes longer than a beat.
    late, spent, sent = np.full(beats, np.nan), np.full(beats, np.nan), np.full((beats, 24), np.nan)
    statuses: dict[str, int] = {}
    memory, goal_since = float("nan"), 0.0
    aged = np.full(beats, np.nan)
    with (
        robot_process(task, 1 + int(seconds / NEW_GOAL), frame_every) as robot,
        _core(one_core),
        Controller.load(task, planner=planner, timing=timing) as control,
    ):
        goals, seen_at = iter(robot.goals), _seen_at(control.source)
        control.reset(next(goals))
        with prompt():
            begun = time.monotonic()
            for beat in range(beats):
                due = begun + beat * BEAT
                if (wait := due - time.monotonic()) > 0:
                    time.sleep(wait)
                now = time.monotonic()
                late[beat] = now - due
                command = control.act(robot.newest(), now)
                robot.send(command)
                spent[beat] = time.monotonic() - now
                sent[beat] = _row(command)
                if (plan := control.plan) is not None:
                    aged[beat] = now - seen_at(plan)
                statuses[command.status.value] = statuses.get(command.status.value, 0) + 1
                if now - begun - goal_since > NEW_GOAL and (goal := next(goals, None)) is not None:
                    goal_since = now - begun
                    control.reset(goal)
                if beat == min(beats - 1, WARM):
                    memory = process_memory()
        told = robot.end()
        counts, grown = control.counts, process_memory() - memory
        parts = [sent[max(0, start - 1) : start + 1000] for start in range(0, beats, 1000)]
        violations = sum(len(audit([_command(row) for row in part], control.robot).violations) for part in parts)
    moving = sum(statuses.get(status.value, 0) for status in (Status.MOVING, Status.STOPPING))
    return {
        "seconds": round(beats * BEAT, 1),
        "commands": beats,
        **_quantiles("late", late),
        "missed": int(np.sum(late >= BEAT)),
        **_quantiles("act", spent),
        **_quantiles("plan_age", aged[np.isfinite(aged)]),
        "robot_beats": len(told["age"]),
        **_quantiles("age", told["age"][np.isfinite(told["age"])]),
        **_quantiles("robot_late", told["late"]),
        "moving": moving / beats,
        "violations": violations,
        "grown_mb": grown,
        "counts": counts,
    }


@contextmanager
def _core(one: bool) -> Iterator[None]:
    """One core alone for this process, if `one`, where the system lets it be chosen; what it began before keeps all."""
    if not one or not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _seen_at(source: PlanSource) -> Callable[[Plan], float]:
    """Tells when the frame was taken, by the robot's clock, from which the source made one of its newest plans; NaN for
    others.
    """
    taken, moments = dict[float, float](), dict[int, float]()
    saw, made = source.see, source.plan

    def seeing(time: float, observation: Observation) -> None:
        taken[time] = observation.get("time", np.nan)
        saw(time, observation)
        _forget(taken)

    def planning(request: PlanRequest) -> Plan:
        plan = made(request)
        moments[id(plan)] = taken.get(request.time, np.nan)
        _forget(moments)
        return plan

    source.see, source.plan = seeing, planning  # type: ignore[method-assign]
    return lambda plan: moments.get(id(plan), np.nan)


def _forget(known: dict[Any, float]) -> None:
    """All but the newest."""
    while len(known) > 64:
        del known[next(iter(known))]


@contextmanager
def prompt() -> Iterator[None]:
    """What docs/robots.md advises a loop that shares its process with a planner: Python hands over from thread to
    thread sooner, and does not go through what was there from the beginning when it collects garbage.
    """
    interval = sys.getswitchinterval()
    sys.setswitchinterval(0.0005)
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        sys.setswitchinterval(interval)


def _row(command: Command) -> np.ndarray:
    """A command of seven joints and a gripper as numbers, (24,); NaN for one that says nothing."""
    if command.positions is None:
        return np.append(command.time, np.full(23, np.nan))
    arm = (command.positions, command.velocities, command.accelerations)
    return np.concatenate([[command.time], *arm, [command.gripper, command.gripper_velocity]])


def _command(row: np.ndarray) -> Command:
    """The other way round."""
    if np.isnan(row[1]):
        return Command(row[0], None, None, None, Status.WAITING)
    return Command(row[0], row[1:8], row[8:15], row[15:22], Status.MOVING, row[22], row[23])


def _quantiles(name: str, seconds: np.ndarray) -> dict[str, float]:
    """p50, p99 and max in ms."""
    values = 1e3 * np.quantile(seconds, [0.5, 0.99, 1.0]) if len(seconds) else np.full(3, np.nan)
    return dict(zip((f"{name}_ms_{which}" for which in ("p50", "p99", "max")), values.tolist(), strict=True))
