"""What a controller saw and said, as an MCAP file that ROS 2's tools and Foxglove open.

Writing happens in a thread of its own, so that no beat waits for a disk.
"""

import logging
import os
import queue
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from forearm.control.action_adapter import ActionAdapter
from forearm.control.command import Command, Status
from forearm.control.robots.robot import Robot
from forearm.control.trajectories.trajectory import Array, State
from forearm.errors import ForearmError, InputError, one_line
from forearm.integrations.message_check import NANO
from forearm.integrations.ros2 import messages
from forearm.integrations.ros2.definitions import (
    DIAGNOSTICS,
    IMAGE,
    JOINT_STATE,
    JOINT_TRAJECTORY,
    NAMES,
    definitions,
    text,
    to_cdr,
)  # fmt: skip
from forearm.world_model.data.incoming import is_frame

logger = logging.getLogger(__name__)

JOINTS, CAMERA, GOAL = "/joint_states", "/camera/image", "/goal/image"
COMMAND, PLAN, STATUS = "/command", "/plan", "/status"
TOPICS = {
    JOINTS: JOINT_STATE, CAMERA: IMAGE, GOAL: IMAGE, COMMAND: JOINT_TRAJECTORY, PLAN: JOINT_TRAJECTORY,
    STATUS: DIAGNOSTICS,
}  # fmt: skip
"""What is recorded, and as what: readings, frames, goals, each command, the way of each plan, changes of status."""
CHUNK = 1 << 16
"""Bytes that are written together: what a kill may cost."""
WAITING = 4096
"""Messages that may wait for the disk; more are dropped, and counted."""
LEVEL = {Status.FAULT: 2, Status.REFUSED: 1, Status.STALE: 1}
"""Of a `diagnostic_msgs/DiagnosticStatus`: 2 an error, 1 a warning, 0 all well."""


class Recording:
    """Records a robot's run; a context manager.

    While it goes on, the file is called `NAME.part`: what a killed process leaves is in there and can be read.
    What cannot be recorded stops no loop: it is left out, said once in the log, and counted as `refused`. So is what
    the disk was too slow for, as `dropped`.

    Args:
        path: ends in `.mcap`; must not be there yet.
        robot: whose axes are recorded, under their names in its config.
        adapter: the controller's, whose `read` tells readings that are its own; None: those of the built-in arm.

    Raises:
        ForearmError: another ending, a file that is there, mcap or rosbags not installed, or no place to write.
    """

    def __init__(self, path: str | Path, robot: Robot, adapter: ActionAdapter | None = None) -> None:
        path = Path(path)
        try:
            from mcap.writer import Writer
        except ModuleNotFoundError:
            raise ForearmError(NAMES) from None
        definitions()
        if path.suffix != ".mcap":
            raise ForearmError(f"record={path}: a recording is an MCAP file; name it so, FILE.mcap")
        if path.exists():
            raise ForearmError(f"record={path}: is there already; name another file")
        self.adapter = adapter
        self.path, self.part, self.axes = path, path.with_name(path.name + ".part"), list(robot.axis_names)
        self._joints = len(robot.joints)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.part.open("wb")
        except OSError as error:
            raise ForearmError(f"record={path}: cannot be written ({error.strerror})") from error
        self._writer = Writer(self._file, chunk_size=CHUNK)
        self._writer.start(profile="ros2", library="forearm")
        self._channels = {topic: self._channel(topic, name) for topic, name in TOPICS.items()}
        self._queue: queue.Queue[tuple[str, dict[str, Any], float] | None] = queue.Queue(WAITING)
        self._said: tuple[Any, ...] = ()
        self._plan: int | None = None
        self.dropped, self.refused, self.failed, self._closed = 0, 0, "", False
        self._thread = threading.Thread(target=self._run, name="forearm-recording", daemon=True)
        self._thread.start()

    def goal(self, frame: np.ndarray | Mapping[str, np.ndarray], time: float) -> None:
        """A goal (H, W, 3) uint8, or one of each camera by name, that was given at `time` s: an episode begins."""
        self._tried(lambda: self._put(GOAL, messages.image(_picture(frame), time), time))

    def note(
        self, observation: Mapping[str, Any] | None, command: Command, way: tuple[Array, State] | None = None
    ) -> None:
        """A beat: what was new, the command, and, where it is known, the `way_to_rest` that goes with it."""
        if observation is not None:
            self._tried(partial(self._observed, observation, command.time))
        status = (command.status, command.reason, command.plan_id)
        if status != self._said:
            self._said = status
            values = {"status": command.status.value, "plan_id": str(command.plan_id)}
            said = messages.diagnostics(LEVEL.get(command.status, 0), values, command.reason, command.time)
            self._put(STATUS, said, command.time)
        if command.positions is None:
            return
        state = State(*(_with(part, more) for part, more in _parts(command)))
        self._put(COMMAND, _moment(self.axes, state, command.time), command.time)
        if way is not None and command.plan_id not in (None, self._plan):
            self._plan = command.plan_id
            self._put(PLAN, messages.trajectory(self.axes, *way, command.time), command.time)

    def close(self) -> None:
        """Write what is left; only then the file has its name. Raises `ForearmError` if something was not written."""
        if self._closed:
            return
        self._closed = True
        self._queue.put(None)
        self._thread.join()
        with suppress(OSError):
            self._file.close()
        if self.failed:
            raise ForearmError(f"record={self.path}: not all was written ({self.failed}); what was is in {self.part}")
        os.replace(self.part, self.path)
        if self.dropped:
            logger.warning("%s lacks %d messages, for which the disk was too slow", self.path.name, self.dropped)

    def __enter__(self) -> "Recording":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _observed(self, observation: Mapping[str, Any], now: float) -> None:
        time = float(observation.get("time", now))
        if (pixels := observation.get("pixels")) is not None:
            self._put(CAMERA, messages.image(_picture(pixels), time), time)
        if (proprio := observation.get("proprio")) is not None:
            position, velocity = self._states(observation, np.array(proprio, np.float64))
            self._put(JOINTS, messages.joint_state(self.axes, position, velocity, time), time)

    def _states(self, observation: Mapping[str, Any], values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Positions and velocities (D,) of the axes, in rad or m; a velocity that nobody knows is NaN."""
        if self.adapter is not None and hasattr(self.adapter, "proprio"):
            position = np.asarray(self.adapter.read(observation))
            return position, np.full(len(position), np.nan)
        joints, gripped = self._joints, len(self.axes) - self._joints
        if values.shape != (2 * joints + gripped,):
            raise InputError(
                f"readings of shape {values.shape}, where the built-in arm's are {2 * joints + gripped}, positions and "
                "velocities: give the controller's adapter, Recording(path, robot, controller.adapter)"
            )
        position = np.concatenate([values[:joints], values[2 * joints :]])
        return position, np.concatenate([values[joints : 2 * joints], np.full(gripped, np.nan)])

    def _tried(self, record: Callable[[], Any]) -> None:
        """Record what came from elsewhere, and may be anything. With the disk's first error a recording ends."""
        try:
            record()
        except OSError as error:
            self.failed = self.failed or one_line(error)
        except Exception as error:
            if not self.refused:
                logger.warning("%s lacks what cannot be recorded: %s", self.path.name, one_line(error))
            self.refused += 1

    def _put(self, topic: str, message: dict[str, Any], time: float) -> None:
        if self._closed:
            return
        try:
            self._queue.put_nowait((topic, message, time))
        except queue.Full:
            self.dropped += 1

    def _channel(self, topic: str, name: str) -> int:
        schema = self._writer.register_schema(name, "ros2msg", text(name).encode())
        return self._writer.register_channel(topic, "cdr", schema)

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            if not self.failed:
                self._tried(partial(self._write, *item))
        self._tried(self._writer.finish)

    def _write(self, topic: str, message: dict[str, Any], time: float) -> None:
        at = max(0, round(time * NANO))
        self._writer.add_message(self._channels[topic], at, to_cdr(TOPICS[topic], message), at)


def _parts(command: Command) -> list[tuple[Any, Any]]:
    still = None if command.gripper is None else 0.0
    return [
        (command.positions, command.gripper), (command.velocities, command.gripper_velocity),
        (command.accelerations, still),
    ]  # fmt: skip


def _picture(pixels: Any) -> np.ndarray:
    """A picture (H, W, 3) uint8 of its own; of several cameras by name, as high as each other, side by side."""
    pictures = list(pixels.values()) if isinstance(pixels, Mapping) else [pixels]
    for picture in pictures:
        if not is_frame(picture):
            raise InputError(f"a picture is {getattr(picture, 'dtype', type(picture).__name__)}, not uint8 (H, W, 3)")
    return np.concatenate(pictures, axis=1)


def _with(values: Array, more: float | None) -> Array:
    return values if more is None else np.append(values, more)


def _moment(names: list[str], state: State, time: float) -> dict[str, Any]:
    """A trajectory of one point: what was commanded, with its velocities."""
    point = {
        "positions": state.position, "velocities": state.velocity, "accelerations": state.acceleration,
        "effort": np.empty(0), "time_from_start": messages.stamp(0.0),
    }  # fmt: skip
    return {"header": messages.header(time), "joint_names": names, "points": [point]}
