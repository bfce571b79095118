"""A recording of a controller's run, read back as episodes to train on."""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from forearm.control.action_adapter import ActionAdapter, ToolActionAdapter
from forearm.control.trajectories.trajectory import Array
from forearm.errors import ForearmError, one_line
from forearm.integrations.ros2 import messages
from forearm.integrations.ros2.definitions import NAMES, definitions
from forearm.integrations.ros2.recording import CAMERA, COMMAND, GOAL, JOINTS, STATUS, TOPICS
from forearm.integrations.timed import SHORTEST, linearly, pictures_at, unbroken
from forearm.integrations.whole import check_new, whole
from forearm.world_model.data import DatasetWriter
from forearm.world_model.data.episode import Episode
from forearm.world_model.data.incoming import FrameFit


@dataclass
class Stretch:
    """One goal's part of a recording: times (s) and values of frames, readings and commands."""

    frames: list[tuple[float, np.ndarray]]
    readings: list[tuple[float, Array]]
    commands: list[tuple[float, Array]]


def read(path: Path) -> Iterator[tuple[str, Any]]:
    """Every message of a recording in order, as its topic and the message; one cut off by a kill ends where it does.

    Raises `ForearmError` for a file that is missing or no MCAP file, and where mcap or rosbags is not installed.
    """
    try:
        from mcap.exceptions import McapError
        from mcap.records import Channel, Message
        from mcap.stream_reader import StreamReader
    except ModuleNotFoundError:
        raise ForearmError(NAMES) from None
    store = definitions()
    try:
        with path.open("rb") as file:
            channels: dict[int, str] = {}
            began = False
            try:
                for record in StreamReader(file).records:
                    began = True
                    if isinstance(record, Channel):
                        channels[record.id] = record.topic
                    elif isinstance(record, Message) and (topic := channels.get(record.channel_id, "")) in TOPICS:
                        yield topic, store.deserialize_cdr(record.data, TOPICS[topic])
            except (McapError, EOFError) as error:
                if not began:
                    raise ForearmError(f"{path}: is no MCAP file ({one_line(error) or 'it is too short'})") from error
    except OSError as error:
        raise ForearmError(f"{path}: cannot be read ({error.strerror})") from error


def stretches(path: Path) -> Iterator[Stretch]:
    """The parts of a recording between one goal and the next, without what happened while there was a fault."""
    found, fault = Stretch([], [], []), False
    for topic, message in read(path):
        if topic == STATUS:
            before, fault = fault, message.status[0].values[0].value == "fault"
            if fault and not before:
                yield found
                found = Stretch([], [], [])
            continue
        time = messages.seconds(message.header.stamp)
        if topic == GOAL:
            yield found
            found = Stretch([], [], [])
        elif fault:
            continue
        elif topic == CAMERA:
            found.frames.append((time, messages.pixels(message)))
        elif topic == JOINTS:
            found.readings.append((time, np.stack([message.position, message.velocity])))
        elif topic == COMMAND:
            found.commands.append((time, np.array(message.points[0].positions)))
    yield found


def episodes(path: Path, adapter: ActionAdapter) -> list[Episode]:
    """Episodes at the rate of the adapter's commands: frames, readings and the commands that what was sent amounts to.

    Each moment has the newest frame that was taken by then, as large as the first frame. A stretch in which no frame
    came for two periods is cut.
    """
    found: list[Episode] = []
    fit: FrameFit | None = None
    for stretch in stretches(path):
        fit = FrameFit(stretch.frames[0][1].shape[:2]) if fit is None and stretch.frames else fit
        found += _episodes(stretch, adapter, fit)
    return found


def convert(path: Path, task: str, out: Path) -> dict[str, Any]:
    """Write a recording of the built-in arm as a LeRobotDataset v3 folder; returns its `meta/info.json`.

    Raises `ForearmError` for another task, a file that cannot be read, one without an episode, and a folder that is
    there already. Then nothing is written.
    """
    check_new(out)
    adapter = ToolActionAdapter(task)
    found = episodes(path, adapter)
    if not found:
        raise ForearmError(f"{path}: holds no {SHORTEST} frames in a row with readings and commands")
    names = adapter.axes[:-1]
    states = [*names, *(f"{name}_velocity" for name in names), adapter.axes[-1]]
    with whole(out) as partial:
        writer = DatasetWriter(
            partial, fps=round(1 / adapter.period), resolution=found[0].pixels.shape[1:3], state_names=states,
            action_names=list(adapter.names or ()), task=task, total_episodes=len(found),
            fingerprint={"recording": sha256(path.read_bytes()).hexdigest()}, shard_episodes=25,
            action_bounds=(adapter.low.tolist(), adapter.high.tolist()),
        )  # fmt: skip
        for shard in range(writer.shards):
            writer.write_shard(shard, [found[number] for number in writer.shard_range(shard)])
        return writer.finalise()


def _episodes(stretch: Stretch, adapter: ActionAdapter, fit: FrameFit | None) -> Iterator[Episode]:
    if fit is None or len(stretch.frames) < SHORTEST or not stretch.readings or not stretch.commands:
        return
    taken = np.array([time for time, _ in stretch.frames])
    for part in unbroken(taken, adapter.period):
        times = np.arange(part[0], min(part[-1], stretch.commands[-1][0]) + 1e-6, adapter.period)
        if len(times) < SHORTEST:
            continue
        pixels = np.stack([fit(stretch.frames[index][1]) for index in pictures_at(times, taken, adapter.period)])
        actions = adapter.actions(_at(times, stretch.commands)).astype(np.float32)
        yield Episode(pixels, _readings(times, stretch.readings).astype(np.float32), actions)


def _readings(times: Array, readings: list[tuple[float, Array]]) -> Array:
    """Positions and velocities of the joints, and the opening of the fingers where there are any, (L, S)."""
    position = _at(times, [(time, both[0]) for time, both in readings])
    velocity = _at(times, [(time, both[1]) for time, both in readings])
    moving = np.isfinite(velocity).all(axis=0)
    return np.concatenate([position[:, moving], velocity[:, moving], position[:, ~moving]], axis=1)


def _at(times: Array, values: list[tuple[float, Array]]) -> Array:
    """Values (L, D) at `times` (L,), linearly between those that were recorded."""
    return linearly(times, np.array([time for time, _ in values]), np.stack([value for _, value in values]))
