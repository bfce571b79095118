"""What a client may ask, checked field by field before anything is computed."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from forearm.agent.places import are_places
from forearm.errors import InputError
from forearm.world_model.data.incoming import is_frame
from forearm.world_model.data.moments import readings_of

PROTOCOL = 1
"""Version of the wire document. A server answers requests of its own version and those that name none."""
LONGEST_DEADLINE_MS = 60_000.0
EARLIER = 16
"""Earlier frames that a request may bring along."""

IMAGE = ("pixels", "observation/image", "image")
READINGS = ("proprio", "observation/state", "state")
GOAL = ("goal", "prompt")
KNOWN = frozenset(
    (*IMAGE, *READINGS, *GOAL, "protocol", "request_id", "reset", "deadline_ms", "want_plan", "time", "elapsed_steps")
) | frozenset(("committed", "past", "earlier_pixels", "earlier_times", "earlier_proprio"))


class RequestError(InputError):
    """A request that cannot be answered; the message names the field and what was expected."""


@dataclass(frozen=True, eq=False)
class RequestShape:
    """What the model behind a server takes: side of frames in px, A, and P joint readings (0: none are used).

    sensors: what a model of sensors sees in the place of frames.
    """

    resolution: int
    action_dim: int
    proprio_dim: int
    sensors: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Request:
    """One request.

    pixels: (H, W, 3) uint8 of any size, or the readings of a model of sensors, None for a mere `reset`. proprio: (P,).
    goal: frame, name, places in m or readings, None to keep the goal. time: s of the client's clock. committed: (n, A),
    past: (m, A), commands after and before the frame. elapsed_steps: periods since the frame of the last request.
    earlier: (time, pixels, proprio) of frames in between.
    """

    pixels: Any
    proprio: np.ndarray | None = None
    goal: Any = None
    reset: bool = False
    request_id: str | int | None = None
    deadline_ms: float | None = None
    want_plan: bool = False
    time: float | None = None
    elapsed_steps: int | None = None
    committed: np.ndarray | None = None
    past: np.ndarray | None = None
    earlier: tuple[tuple[float, np.ndarray, np.ndarray | None], ...] = field(default=())

    def after(self, older: "Request") -> "Request":
        """The request to answer in place of an older one as well: what the older one changed still counts."""
        reset = self.reset or older.reset
        goal = self.goal if self.goal is not None else older.goal
        return replace(self, reset=reset, goal=goal)


def read(message: Any, shape: RequestShape) -> Request:
    """The request in a message; raises RequestError naming the field that is wrong."""
    if not isinstance(message, Mapping):
        raise RequestError(f"a request is a map, not {type(message).__name__}")
    version = message.get("protocol", PROTOCOL)
    if type(version) is not int or version != PROTOCOL:
        raise RequestError(f"protocol {str(version)[:20]}: this server speaks {PROTOCOL}")
    pixels = _seen(message, shape)
    reset = _flag(message, "reset")
    goal = _first(message, GOAL)
    if shape.sensors:
        pass  # what readings can be, the model knows
    elif are_places(goal):
        goal = _places(goal)
    elif goal is not None and not isinstance(goal, str):
        goal = _frame(goal, "goal")
    if pixels is None and not reset:
        what, names = ("readings", READINGS) if shape.sensors else ("frame", IMAGE)
        raise RequestError(f"no {what}: expected one of {', '.join(names)}, or reset")
    framed = pixels is not None and not shape.sensors
    return Request(
        pixels=pixels,
        proprio=_readings(_first(message, READINGS), shape) if framed else None,
        goal=goal,
        reset=reset,
        request_id=identity(message),
        deadline_ms=_number(message, "deadline_ms", 1.0, LONGEST_DEADLINE_MS),
        want_plan=_flag(message, "want_plan"),
        time=_number(message, "time", -1e12, 1e12),
        elapsed_steps=_steps(message),
        committed=_commands(message, "committed", shape),
        past=_commands(message, "past", shape),
        earlier=_earlier(message, shape),
    )


def identity(message: Any) -> str | int | None:
    """The request's id, if it has one that can be one."""
    found = message.get("request_id") if isinstance(message, Mapping) else None
    if found is None:
        return None
    if isinstance(found, bool) or not isinstance(found, str | int) or (isinstance(found, str) and len(found) > 128):
        raise RequestError("request_id is a whole number, or text of at most 128 characters")
    return found


def _first(message: Mapping[Any, Any], names: tuple[str, ...]) -> Any:
    given = [message[name] for name in names if message.get(name) is not None]
    if len(given) > 1:
        raise RequestError(f"{' and '.join(name for name in names if name in message)} mean the same: give one")
    return given[0] if given else None


def _seen(message: Mapping[Any, Any], shape: RequestShape) -> Any:
    """The frame, or the readings of a model of sensors; None where there are none."""
    pixels = _first(message, IMAGE)
    if not shape.sensors:
        return None if pixels is None else _frame(pixels)
    if pixels is not None:
        raise RequestError(f"this model sees sensors and no frames: give `proprio`, {', '.join(shape.sensors)}")
    return _first(message, READINGS)


def _frame(value: Any, name: str = "frame") -> Any:
    if isinstance(value, Mapping):
        return {str(camera): _frame(each, f"{name} {camera}"[:80]) for camera, each in value.items()}
    if not isinstance(value, np.ndarray):
        raise RequestError(f"{name} is {type(value).__name__}: expected an array uint8 (height, width, 3)")
    if not is_frame(value):
        raise RequestError(f"{name} is {value.dtype} {value.shape}: expected uint8 (height, width, 3)")
    return value


def _places(goal: Mapping[Any, Any]) -> dict[str, list[float]]:
    """Places in m by what is there; whether they can be is seen where they are drawn."""
    found = {str(name): _numbers(place, f"goal.{str(name)[:20]}") for name, place in goal.items()}
    for name, place in found.items():
        if place.shape not in ((2,), (3,)):
            raise RequestError(f"goal.{name[:20]} has shape {place.shape}: expected a place in m, [x, y] or [x, y, z]")
    return {name: place.tolist() for name, place in found.items()}


def _readings(value: Any, shape: RequestShape, name: str = "proprio") -> np.ndarray | None:
    if value is None:
        if shape.proprio_dim:
            raise RequestError(f"no joint readings: this model expects {shape.proprio_dim} numbers as `proprio`")
        return None
    readings = _numbers(value, name)
    if shape.proprio_dim and readings.shape != (shape.proprio_dim,):
        raise RequestError(f"{name} has shape {readings.shape}: expected ({shape.proprio_dim},)")
    return readings


def _numbers(value: Any, name: str) -> np.ndarray:
    try:
        found = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise RequestError(f"{name}: expected numbers") from None
    if not np.isfinite(found).all():
        raise RequestError(f"{name} holds a number that is NaN or infinite")
    return found


def _commands(message: Mapping[Any, Any], name: str, shape: RequestShape) -> np.ndarray | None:
    if message.get(name) is None:
        return None
    found = _numbers(message[name], name)
    if found.ndim != 2 or found.shape[1] != shape.action_dim or len(found) > 1000:
        raise RequestError(f"{name} has shape {found.shape}: expected (n, {shape.action_dim}), n at most 1000")
    return found


def _earlier(
    message: Mapping[Any, Any], shape: RequestShape
) -> tuple[tuple[float, np.ndarray, np.ndarray | None], ...]:
    key = "earlier_proprio" if shape.sensors else "earlier_pixels"
    frames, times = message.get(key), message.get("earlier_times")
    if frames is None and times is None:
        return ()
    if shape.sensors:
        frames = _rows(frames, shape.sensors)
    elif not isinstance(frames, np.ndarray) or frames.ndim != 4 or not all(map(is_frame, frames[:1])):
        raise RequestError("earlier_pixels: expected an array uint8 (n, height, width, 3)")
    moments = _numbers(times, "earlier_times")
    if moments.shape != (len(frames),) or len(frames) > EARLIER or np.any(np.diff(moments) <= 0):
        raise RequestError(f"earlier_times: expected {len(frames)} rising numbers, at most {EARLIER}")
    now = _number(message, "time", -1e12, 1e12)
    if now is None or (len(moments) and moments[-1] >= now):
        raise RequestError("earlier_times: expected times before `time`, which must be given")
    readings: list[np.ndarray | None] = [None] * len(frames)
    if shape.proprio_dim and not shape.sensors:
        given = _numbers(message.get("earlier_proprio"), "earlier_proprio")
        if given.shape != (len(frames), shape.proprio_dim):
            raise RequestError(f"earlier_proprio: expected shape ({len(frames)}, {shape.proprio_dim})")
        readings = list(given)
    return tuple(zip(moments.tolist(), frames, readings, strict=True))


def _rows(given: Any, sensors: tuple[str, ...]) -> list[np.ndarray]:
    """Earlier readings, (P,) each."""
    if not isinstance(given, np.ndarray | list):
        raise RequestError(f"earlier_proprio: expected rows of {len(sensors)} numbers")
    try:
        return [readings_of(row, sensors, "earlier_proprio") for row in given]
    except InputError as error:
        raise RequestError(str(error)) from None


def _number(message: Mapping[Any, Any], name: str, least: float, most: float) -> float | None:
    value = message.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not least <= value <= most:
        raise RequestError(f"{name} must be a number from {least:g} to {most:g}")
    return float(value)


def _steps(message: Mapping[Any, Any]) -> int | None:
    value = _number(message, "elapsed_steps", 0, 1e6)
    if value is not None and value != int(value):
        raise RequestError("elapsed_steps must be a whole number of periods")
    return None if value is None else int(value)


def _flag(message: Mapping[Any, Any], name: str) -> bool:
    value = message.get(name, False)
    if not isinstance(value, bool | np.bool_):
        raise RequestError(f"{name} must be true or false")
    return bool(value)
