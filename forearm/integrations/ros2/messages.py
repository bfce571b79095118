"""What ROS 2's messages say, as arrays, and arrays as ROS 2's messages."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from forearm.control.trajectories.trajectory import Array
from forearm.errors import InputError
from forearm.integrations.message_check import NANO

CHANNELS = {"rgb8": (0, 1, 2), "bgr8": (2, 1, 0), "rgba8": (0, 1, 2), "bgra8": (2, 1, 0), "mono8": (0, 0, 0)}
"""Where red, green and blue stand in a pixel of an encoding."""
DEPTH = {"rgb8": 3, "bgr8": 3, "rgba8": 4, "bgra8": 4, "mono8": 1}
"""Bytes of a pixel."""


def seconds(stamp: Any) -> float:
    """A time of ROS in s."""
    return float(stamp.sec + 1e-9 * stamp.nanosec)


def stamp(time: float) -> dict[str, int]:
    """A time in s as ROS has it."""
    return dict(zip(("sec", "nanosec"), divmod(round(time * NANO), NANO), strict=True))


def header(time: float) -> dict[str, Any]:
    """The header of a message of that moment."""
    return {"stamp": stamp(time), "frame_id": ""}


def pixels(message: Any) -> np.ndarray:
    """The picture (H, W, 3) uint8, red first, of a `sensor_msgs/Image`; raises `InputError` for one not understood."""
    height, width, step, encoding = message.height, message.width, message.step, message.encoding
    if encoding not in CHANNELS:
        raise InputError(f"image encoding '{encoding}' is not known: expected one of {', '.join(CHANNELS)}")
    depth, data = DEPTH[encoding], np.frombuffer(bytes(message.data), np.uint8)
    if not height or not width or step < width * depth or len(data) != height * step:
        raise InputError(
            f"an image of {width} x {height} {encoding} with step {step} has {len(data)} bytes: "
            f"expected {height * max(step, width * depth)}"
        )
    rows = data.reshape(height, step)[:, : width * depth].reshape(height, width, depth)
    return np.ascontiguousarray(rows[:, :, CHANNELS[encoding]])


def image(frame: np.ndarray, time: float) -> dict[str, Any]:
    """A picture (H, W, 3) uint8 as `sensor_msgs/Image`."""
    height, width, _ = frame.shape
    size = {"height": height, "width": width, "encoding": "rgb8", "is_bigendian": 0, "step": 3 * width}
    return {"header": header(time), **size, "data": np.ascontiguousarray(frame).reshape(-1)}


def joint_state(names: Sequence[str], position: Array, velocity: Array, time: float) -> dict[str, Any]:
    """`sensor_msgs/JointState` of joints at (J,) rad or m, with (J,) per s."""
    state = {"name": list(names), "position": position, "velocity": velocity, "effort": np.empty(0)}
    return {"header": header(time), **state}


def readings(message: Any, names: Sequence[str]) -> tuple[Array, Array]:
    """Positions and velocities (J,) of the joints `names` in a `sensor_msgs/JointState`.

    Both are NaN of a joint that it does not have, of which another message may tell, and velocities where it has none.
    Raises `InputError` for a joint that it has twice, and where it has none of them.
    """
    said = list(message.name)
    if doubled := [name for name in names if said.count(name) > 1]:
        raise InputError(f"joint states name {', '.join(doubled)} more than once")
    if not set(names) & set(said):
        raise InputError(f"joint states lack {', '.join(names)}; they have {', '.join(said) or 'none'}")
    if len(message.position) != len(said):
        raise InputError(f"joint states have {len(said)} names and {len(message.position)} positions")
    found = np.full((2, len(names)), np.nan)
    for values, part in zip((message.position, message.velocity), found, strict=True):
        if len(values) == len(said):
            part[:] = [values[said.index(name)] if name in said else np.nan for name in names]
    return found[0], found[1]


def trajectory(names: Sequence[str], moments: Array, states: Any, time: float = 0.0) -> dict[str, Any]:
    """`trajectory_msgs/JointTrajectory` of the first joints of `states`, at `moments` (N,) s after its stamp.

    A stamp of 0 means at once. The last point has no velocity.
    """
    count = len(names)
    points: list[Mapping[str, Any]] = [
        {
            "positions": states.position[i, :count],
            "velocities": states.velocity[i, :count] * (i < len(moments) - 1),
            "accelerations": states.acceleration[i, :count] * (i < len(moments) - 1),
            "effort": np.empty(0),
            "time_from_start": stamp(float(moment)),
        }
        for i, moment in enumerate(moments)
    ]
    return {"header": header(time), "joint_names": list(names), "points": points}


def diagnostics(level: int, said: Mapping[str, str], message: str, time: float) -> dict[str, Any]:
    """`diagnostic_msgs/DiagnosticArray` with one status, of what forearm does."""
    values = [{"key": key, "value": value} for key, value in said.items()]
    status = {"level": level, "name": "forearm", "message": message, "hardware_id": "", "values": values}
    return {"header": header(time), "status": [status]}
