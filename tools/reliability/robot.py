"""A robot as a process of its own: it keeps its own beat, does what it was last told, and sends what it sees."""

import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from forearm.calibrate.simulated_arm import BEAT, FRAME_EVERY, SimulatedArm
from forearm.control.command import Command


class RobotProcess:
    """The near end of a robot: goals (R, R, 3) that can be reached one after the other, and a pipe.

    Both sides read one clock, that of the machine since it started.
    """

    def __init__(self, pipe: Connection, goals: list[np.ndarray]) -> None:
        self._pipe, self.goals = pipe, goals

    def send(self, command: Command) -> None:
        """What the robot shall do from its next beat on."""
        self._pipe.send((command.time, command.positions, command.gripper))

    def newest(self) -> dict[str, Any] | None:
        """The newest frame that has come since the last call, with joint readings and the time of both."""
        found = None
        while self._pipe.poll():
            found = self._pipe.recv()
        return found

    def end(self) -> dict[str, np.ndarray]:
        """End the robot. s, of every beat: `late` it began, and `age` of the command that it took, NaN before any."""
        self._pipe.send(None)
        while not isinstance(found := self._pipe.recv(), dict) or "age" not in found:
            pass  # frames that were on the way
        return found


@contextmanager
def robot_process(task: str, goals: int, frame_every: int = FRAME_EVERY) -> Iterator[RobotProcess]:
    """A robot that waits for its first command and sends a frame every `frame_every` beats; it has ended after."""
    context = multiprocessing.get_context("spawn")
    pipe, other = context.Pipe()
    process = context.Process(target=_live, args=(other, task, goals, frame_every), daemon=True)
    process.start()
    other.close()
    try:
        yield RobotProcess(pipe, pipe.recv())
    finally:
        pipe.close()
        process.join(10.0)
        process.kill()


def _live(pipe: Connection, task: str, goals: int, frame_every: int) -> None:
    arm = SimulatedArm(task)
    try:
        # Made beforehand: to set up an episode takes longer than many beats.
        pipe.send([arm.goal, *(arm.next_goal() for _ in range(goals - 1))])
        told = pipe.recv()
        begun, beat = time.monotonic() + BEAT / 2, 0  # two clocks that nobody has set to each other
        late, age = list[float](), list[float]()
        while told is not None:
            due = begun + beat * BEAT
            if (wait := due - time.monotonic()) > 0:
                time.sleep(wait)
            now = time.monotonic()
            while told is not None and pipe.poll():
                told = pipe.recv()
            if told is None:
                break
            sent, positions, gripper = told
            late.append(now - due)
            age.append(now - sent if positions is not None else np.nan)
            arm.act(positions, gripper)
            if beat % frame_every == 0:
                pipe.send(arm.observe(now))
            beat += 1
        pipe.send({"late": np.array(late), "age": np.array(age)})
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass  # nobody is there any more
    finally:
        arm.close()
