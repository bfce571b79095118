"""The controller when the world is not as it should be, in simulated time: clocks, pauses, drives, cameras."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from forearm.agent.loaded_model import load
from forearm.calibrate.simulated_arm import BEAT, FRAME_EVERY, SimulatedArm
from forearm.control import Controller, Status
from forearm.control.audit import audit
from forearm.control.command import Command

TASKS = ("reach", "push", "pick_place")
"""Whose checkpoints ship with a calibration."""
PATIENCE = 20.0
"""s after which an arm that has not said that it has arrived is said not to have."""
START, LONG = 1.0, 2.0
"""s of normal motion before a misfortune, at most, and of the time that it is watched for."""
ARRIVAL_SEED, SEED = 484457, 150331
"""Of the held-out episodes; drawn by chance, and no setting was chosen on them."""
SOON = 0.5
"""s within which wrong frames must lead to rest."""

Wrong = Callable[[np.ndarray, np.ndarray, Any], np.ndarray]
"""From a frame, the last one before the misfortune, and the environment, to what arrives."""

FRAMES: dict[str, Wrong] = {
    "wrong frames: frozen": lambda pixels, last, env: last,
    "wrong frames: black": lambda pixels, last, env: 0 * pixels,
    "wrong frames: blue and red exchanged": lambda pixels, last, env: np.ascontiguousarray(pixels[..., ::-1]),
    "wrong frames: upside down": lambda pixels, last, env: np.ascontiguousarray(pixels[::-1]),
    "wrong frames: another camera": lambda pixels, last, env: env.render(
        next(c for c in env.cameras if c != env.camera)
    ),
}
PAUSE, AHEAD = "pause: the loop is gone for 0.3 s", "clock: ahead by 100 s, as if the loop were gone"
JUMPS = {"clock: back by 100 s": -100.0, AHEAD: 100.0}
STEADY = {f"{name.partition(',')[0]}, beside a steady one": jump for name, jump in JUMPS.items()}
HELD = "emergency stop: the arm is held for 1 s"
MISFORTUNES = (*JUMPS, *STEADY, PAUSE, HELD, *FRAMES)


def misfortune(name: str, control: Controller, arm: SimulatedArm) -> dict[str, Any]:
    """One episode: in motion, then `name`, then a reset; whether limits were kept, as sent and timed, and what came.

    A held arm is at rest so many s after it is further off than it may be.
    """
    jump = {**JUMPS, **STEADY, PAUSE: 0.3}.get(name, 0.0)
    sent, now, shift, true = list[Command](), 0.0, 0.0, 0.0
    control.steady = (lambda: true) if name in STEADY else None
    control.reset(arm.goal)
    faulted, again, beat, released = False, False, 0, False
    last: np.ndarray | None = None
    freed: np.ndarray | None = None
    rest: float | None = None
    struck, strike, since, off, moved = False, 0, 0, False, 0.0
    joints = len(control.robot.joints)
    allowed = control.robot.following_error[:joints]
    while beat < round((START + LONG + 2.0) / BEAT):
        frame = None
        if beat % FRAME_EVERY == 0:
            frame = arm.observe(now + shift)
            if struck and last is not None and beat < strike + LONG / BEAT and name in FRAMES:
                frame["pixels"] = FRAMES[name](frame["pixels"], last, arm.env)
            elif not struck:
                last = frame["pixels"]
        command = control.act(frame, now + shift)
        sent.append(Command(**{**vars(command), "time": true}))
        speed = 0.0 if command.velocities is None else float(abs(command.velocities).max())
        due = name not in FRAMES or (beat + 1) % FRAME_EVERY == 0  # the next frame is the first wrong one
        if not struck and due and beat >= 50 and (speed > 0.3 or true >= START):  # from now on it happens
            struck, strike, since, shift = True, beat + 1, beat + 1, jump
            true += jump if name in (PAUSE, AHEAD) else 0.0
        elif struck:
            if name == HELD and not off and command.positions is not None:  # only now can anybody know
                off = bool((abs(command.positions - arm.env.data.qpos[:joints]) > allowed).any())
                since = beat
            if rest is None and speed == 0.0:
                rest = (beat - since) * BEAT
            faulted |= command.status is Status.FAULT
            if beat >= strike + round(LONG / BEAT) and not released:
                released = True
                control.reset(arm.goal)
            again |= released and command.status in (Status.MOVING, Status.REACHED)
        if name == HELD and struck and beat < strike + LONG / BEAT / 2:
            arm.hold()
        else:
            if name == HELD and struck and not released:
                place = arm.env.data.qpos[:joints].copy()
                freed = place if freed is None else freed
                moved = max(moved, float(abs(place - freed).max()))
            arm.move(command, control.robot)
        now, true, beat = now + BEAT, true + BEAT, beat + 1
    return {
        "violations": len(audit(sent, control.robot).violations),
        "rest_after_s": rest,
        "fault": faulted,
        "again": again,
        "moved_when_freed": moved,
    }


def all_misfortunes(episodes: int, tasks: Sequence[str] = TASKS, seed: int = SEED) -> dict[str, dict[str, Any]]:
    """Each misfortune in so many held-out episodes of every task with a calibration."""
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in MISFORTUNES}
    for task in tasks:
        arm = SimulatedArm(task, seed, load(task).resolution)
        for name, found in rows.items():
            for _ in range(episodes):
                with Controller.load(task, mode="inline", clock=lambda: 0.0, check_goals=False) as control:
                    found.append(misfortune(name, control, arm))
                arm.begin()
        arm.close()
    return {name: _together(found, len(tasks) * episodes) for name, found in rows.items()}


def _together(rows: Sequence[Mapping[str, Any]], episodes: int) -> dict[str, Any]:
    """The worst of all episodes, and how many there were of each outcome."""
    rests = [row["rest_after_s"] for row in rows]
    return {
        "episodes": episodes,
        "violations": sum(row["violations"] for row in rows),
        "rest_after_s": None if None in rests else max(rests),
        "faults": sum(row["fault"] for row in rows),
        "again": sum(row["again"] for row in rows),
        "moved_when_freed": max(row["moved_when_freed"] for row in rows),
    }


def arrivals(episodes: int, task: str, seconds: float = 10.0, seed: int = ARRIVAL_SEED) -> dict[str, Any]:
    """Held-out episodes that go on for `seconds` s after the status says `reached`, which it has 20 s to do."""
    arm, rows = SimulatedArm(task, seed, load(task).resolution), []
    with Controller.load(task, mode="inline", clock=lambda: 0.0, check_goals=False) as control:
        for number in range(episodes):
            rows.append(arrival(control, arm, 100.0 * number, seconds))
            arm.begin()
    arm.close()
    return {
        "task": task,
        "episodes": episodes,
        "solved": sum(row["solved"] for row in rows),
        "reached": sum(row["reached"] for row in rows),
        "stayed": sum(row["stayed"] for row in rows),
        "worst_m": max((row["worst_m"] for row in rows), default=0.0),
        "reached_after_s": float(np.median([row["reached_after_s"] for row in rows if row["reached"]] or [np.nan])),
        "violations": sum(row["violations"] for row in rows),
    }


def arrival(control: Controller, arm: SimulatedArm, zero: float, seconds: float) -> dict[str, Any]:
    """One episode that begins at `zero` s: whether the goal was ever reached, whether the status said so, whether both
    held for `seconds` s from then on, and how far it was at most in that time.
    """
    control.reset(arm.goal, moved=True)
    sent, reached, inside, solved, worst, now = list[Command](), None, True, False, 0.0, 0.0
    for beat in range(round((PATIENCE + seconds) / BEAT) + 1):
        now = beat * BEAT
        if reached is None and now > PATIENCE:
            break
        sent.append(control.act(arm.observe(zero + now) if beat % FRAME_EVERY == 0 else None, zero + now))
        arm.move(sent[-1], control.robot)
        solved |= arm.env.success()
        if reached is None and sent[-1].status is Status.REACHED:
            reached = now
        if reached is not None:
            inside &= sent[-1].status is Status.REACHED and arm.env.success()
            worst = max(worst, arm.env.distance())
            if now - reached >= seconds:
                break
    return {
        "solved": solved,
        "reached": reached is not None,
        "stayed": reached is not None and inside and now - reached >= seconds,
        "worst_m": worst,
        "reached_after_s": reached,
        "violations": len(audit(sent, control.robot).violations),
    }
