"""ROS bags: folders and files of rosbag2 (MCAP, SQLite), and files of ROS 1, read by rosbags.

Frames set the pace. Each moment has the newest frame by then, readings in between, and the newest command by then.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from forearm.errors import ForearmError, InputError, one_line
from forearm.integrations.convert.recorded import NEEDS, Asked, Recorded, all_of, one_of, rate
from forearm.integrations.ros2 import messages
from forearm.integrations.ros2.definitions import IMAGE, JOINT_STATE, JOINT_TRAJECTORY, definitions
from forearm.integrations.timed import SHORTEST, linearly, pictures_at, unbroken
from forearm.world_model.data import Episode

SUFFIXES = (".mcap", ".db3", ".bag")
PICTURES = (IMAGE, "sensor_msgs/msg/CompressedImage")
READINGS = (JOINT_STATE,)
COMMANDS = (JOINT_TRAJECTORY, JOINT_STATE, "std_msgs/msg/Float64MultiArray")


@dataclass
class Track:
    """What a topic said: times in s, values (D,), and what they are called."""

    names: list[str] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    values: list[np.ndarray] = field(default_factory=list)


def is_bag(path: Path) -> bool:
    """Whether a path is meant to be a bag."""
    return (path / "metadata.yaml").is_file() or path.name.endswith(SUFFIXES)


def recorded(path: Path, asked: Asked) -> Recorded:
    """What is in a bag; raises `ForearmError` for one that is none, is cut off, or lacks what is asked for."""
    with _opened(path) as bag:
        kinds = {topic: str(info.msgtype) for topic, info in bag.topics.items()}

        def of(kinds_wanted: tuple[str, ...]) -> list[str]:
            return [topic for topic, kind in kinds.items() if kind in kinds_wanted]

        camera = one_of(path, "topic of pictures", "camera_key", asked.camera, of(PICTURES))
        action = _single(path, "topic of commands", "action_key", asked.action, of(COMMANDS[:1]), of(COMMANDS))
        others = [topic for topic in of(READINGS) if topic != action]
        state = _single(path, "topic of joint states", "state_key", asked.state, others, others)
        tracks = {state: Track(), action: Track()}
        taken: list[float] = []
        size: tuple[int, ...] = (0, 0)
        said: Counter[str] = Counter()
        for topic, time, message in _messages(bag, (camera, state, action)):
            said[topic] += 1
            if topic == camera:
                if not taken:
                    size = _pixels(message).shape[:2]
                taken.append(time)
            else:
                _note(path, topic, tracks[topic], time, message)
        for topic, count in said.items():
            if count != (whole := bag.topics[topic].msgcount):
                raise ForearmError(f"{path}: {topic} has {count} messages of {whole}: it is not whole, copy it again")
    if len(taken) < SHORTEST:
        raise ForearmError(f"{path}: has {len(taken)} pictures of {camera}: expected {SHORTEST} or more")
    if empty := [topic for topic, track in tracks.items() if not track.times]:
        raise ForearmError(f"{path}: {empty[0]} says nothing")
    moments = np.array(taken)
    if (np.diff(moments) <= 0).any():
        raise ForearmError(f"{path}: the stamps of {camera} do not rise")
    fps = rate(path, asked.fps, round(1.0 / float(np.median(np.diff(moments)))) or None)
    parts = _parts(moments, tracks[state], tracks[action], 1.0 / fps)
    if not parts:
        raise ForearmError(f"{path}: holds no {SHORTEST} frames in a row with readings and commands")
    return Recorded(
        [len(times) for times in parts], (size[0], size[1]), fps, camera.strip("/").replace("/", "_"),
        tracks[state].names, tracks[action].names,
        lambda: _episodes(path, camera, moments, parts, tracks[state], tracks[action]),
    )  # fmt: skip


def _single(path: Path, what: str, key: str, wanted: Any, usual: list[str], there: list[str]) -> str:
    if wanted is None:
        return one_of(path, what, key, None, usual if len(usual) == 1 else there)
    names = all_of(path, what, key, wanted, (), there)
    if len(names) > 1:
        raise ForearmError(f"{path}: {key} names {len(names)} topics: expected one")
    return names[0]


def _parts(moments: np.ndarray, state: Track, action: Track, period: float) -> list[np.ndarray]:
    """Times of each episode at its rate, from when there are readings and commands until they end."""
    begin = max(moments[0], state.times[0], action.times[0])
    found = []
    for part in unbroken(moments, period):
        first = part[part >= begin - 1e-6]
        if len(first):
            times = np.arange(first[0], min(first[-1], state.times[-1]) + 0.1 * period, period)
            found += [times] * (len(times) >= SHORTEST)
    return found


def _episodes(
    path: Path, camera: str, moments: np.ndarray, parts: list[np.ndarray], state: Track, action: Track
) -> Iterator[Episode]:
    """Pictures are read once more, in order: at most those of one episode are kept."""
    period = float(parts[0][1] - parts[0][0])
    wanted = [pictures_at(times, moments, period) for times in parts]
    with _opened(path) as bag:
        frames = enumerate(_messages(bag, (camera,)))
        kept: dict[int, np.ndarray] = {}
        for times, indices in zip(parts, wanted, strict=True):
            needed = set(indices.tolist())
            kept = {index: frame for index, frame in kept.items() if index in needed}
            while max(needed) not in kept:
                try:
                    index, (_, _, message) = next(frames)
                except StopIteration:
                    raise ForearmError(f"{path}: changed while it was read") from None
                if index in needed:
                    kept[index] = _pixels(message)
            shapes = {kept[index].shape for index in needed}
            if len(shapes) > 1:
                raise ForearmError(f"{path}: {camera} has pictures of {len(shapes)} sizes")
            newest = np.searchsorted(action.times, times + 1e-6, side="right") - 1
            commands = np.stack([action.values[index] for index in newest])
            readings = linearly(times, np.array(state.times), np.stack(state.values))
            yield Episode(
                np.stack([kept[index] for index in indices]), readings.astype(np.float32), commands.astype(np.float32)
            )


def _note(path: Path, topic: str, track: Track, time: float, message: Any) -> None:
    names, values = _values(message)
    if track.times and (names != track.names or len(values) != len(track.values[0])):
        raise ForearmError(f"{path}: {topic} names other joints at {time:.3f} s than before: {', '.join(names)}")
    if not np.isfinite(values).all():
        raise ForearmError(f"{path}: {topic} says a number that is not finite at {time:.3f} s")
    if track.times and time <= track.times[-1]:
        if time < track.times[-1]:
            raise ForearmError(f"{path}: the stamps of {topic} go back at {time:.3f} s")
        track.times.pop(), track.values.pop()
    track.names = names
    track.times.append(time)
    track.values.append(values)


def _values(message: Any) -> tuple[list[str], np.ndarray]:
    """Names and numbers of joint states, of a trajectory (its last point: where it leads), or of an array."""
    if hasattr(message, "points"):
        if not message.points:
            raise InputError("a trajectory has no point")
        return list(message.joint_names), np.array(message.points[-1].positions, np.float64)
    if hasattr(message, "position"):
        if len(message.name) != len(message.position):
            raise InputError(f"joint states have {len(message.name)} names and {len(message.position)} positions")
        return list(message.name), np.array(message.position, np.float64)
    values = np.array(message.data, np.float64)
    return [f"command_{number}" for number in range(len(values))], values


def _pixels(message: Any) -> np.ndarray:
    if hasattr(message, "encoding"):
        return messages.pixels(message)
    from forearm.world_model.data.images import decode_image

    return decode_image(bytes(message.data))


def _messages(bag: Any, topics: tuple[str, ...]) -> Iterator[tuple[str, float, Any]]:
    """Topic, time in s and message, in order; the time is that of the stamp, where one was set."""
    for connection, logged, data in bag.messages([each for each in bag.connections if each.topic in topics]):
        message = bag.deserialize(data, connection.msgtype)
        header = getattr(message, "header", None)
        stamp = 0.0 if header is None else messages.seconds(header.stamp)
        yield connection.topic, stamp or 1e-9 * logged, message


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        from rosbags.highlevel import AnyReader
    except ModuleNotFoundError:
        raise ForearmError(NEEDS.format(what=f"{path.name}, a bag,")) from None
    try:
        with AnyReader([path], default_typestore=definitions()) as bag:
            yield bag
    except ForearmError:
        raise
    except InputError as error:
        raise ForearmError(f"{path}: {error}") from error
    except Exception as error:  # its readers report what is cut off each in its own way
        raise ForearmError(f"{path}: cannot be read whole ({one_line(error) or type(error).__name__})") from error
