"""What is wrong with a JointTrajectory message that somebody else wrote: a total function over anything at all."""

import math
from collections.abc import Iterator, Mapping, Sequence
from numbers import Integral, Real
from typing import Any, TypeGuard

from forearm.errors import one_line

NANO = 1_000_000_000
SECONDS = 2**31
"""sec is a signed number of 32 bits."""
VALUES = ("positions", "velocities", "accelerations")
MESSAGE = ("header", "joint_names", "points")
POINT = (*VALUES, "effort", "time_from_start")
SHOWN = 60
"""Characters of a wrong value that are shown."""


def problems(found: Any) -> list[str]:
    """What a JointTrajectoryController would refuse a message for, a sentence each; empty for a good one.

    Every field that is wrong is named. Raises nothing, whatever `found` is.
    """
    if not isinstance(found, Mapping):
        return [f"a JointTrajectory is a mapping with joint_names and points, not {_shown(found)}"]
    wrong = [*_unknown(found, MESSAGE, ""), *_header(found)]
    names = found.get("joint_names")
    count: int | None = None
    if not _is_list(names):
        wrong.append(f"joint_names must be a list of names, not {_shown(names)}")
    else:
        count = len(names)
        wrong += _joint_names(names)
    points = found.get("points")
    if not _is_list(points):
        return [*wrong, f"points must be a list, not {_shown(points)}"]
    if not points:
        return [*wrong, "points is empty: there must be at least one point"]
    before: int | None = None
    for i, point in enumerate(points):
        if not isinstance(point, Mapping):
            wrong.append(f"point {i} must be a mapping with positions and time_from_start, not {_shown(point)}")
            continue
        wrong += _unknown(point, POINT, f"point {i}: ")
        for key in VALUES:
            wrong += [f"point {i}: {said}" for said in _values(point, key, count)]
        wrong += [f"point {i}: {said}" for said in _effort(point)]
        time, said_of_time = _time(point.get("time_from_start"), "time_from_start")
        wrong += [f"point {i}: {said}" for said in said_of_time]
        if time is not None:
            if before is not None and time <= before:
                wrong.append(f"point {i}: time_from_start must rise")
            before = time
    if isinstance(points[-1], Mapping) and _moves(points[-1].get("velocities")):
        wrong.append(f"point {len(points) - 1}: velocities: the last point must have no velocity")
    return wrong


def _header(found: Mapping[Any, Any]) -> Iterator[str]:
    if "header" not in found:
        return
    header = found["header"]
    if not isinstance(header, Mapping):
        yield f"header must be a mapping, not {_shown(header)}"
        return
    yield from _unknown(header, ("stamp", "frame_id"), "header: ")
    if "stamp" in header:
        yield from (f"header: {said}" for said in _time(header["stamp"], "stamp")[1])
    if not isinstance(header.get("frame_id", ""), str):
        yield f"header: frame_id must be text, not {_shown(header['frame_id'])}"


def _joint_names(names: Sequence[Any]) -> Iterator[str]:
    if not names:
        yield "joint_names is empty: it must name every joint once"
    seen = set()
    for i, name in enumerate(names):
        if not isinstance(name, str) or not name:
            yield f"joint_names: number {i} must be a name, not {_shown(name)}"
        elif name in seen:
            yield f"joint_names must name every joint once, but names {_shown(name)} again"
        else:
            seen.add(name)


def _values(point: Mapping[Any, Any], key: str, count: int | None) -> Iterator[str]:
    """What is wrong with the numbers of a point, of which there must be `count`; None: it is not known how many."""
    if key not in point and key != "positions":
        return
    values = point.get(key)
    if not _is_list(values):
        yield f"{key} must be a list of numbers, not {_shown(values) if key in point else 'missing'}"
        return
    if count is not None and len(values) != count and (key == "positions" or values):
        yield f"{key} has {len(values)} numbers for {count} joints"
    for j, value in enumerate(values):
        if isinstance(value, bool) or not isinstance(value, Real):
            yield f"{key}: number {j} is {_shown(value)}, which is no number"
        elif not _finite(value):
            yield f"{key}: number {j} is {_shown(value)}: it holds a number that is NaN, infinite or too large"


def _effort(point: Mapping[Any, Any]) -> Iterator[str]:
    effort = point.get("effort", ())
    if not _is_list(effort):
        yield f"effort must be an empty list, not {_shown(effort)}"
    elif effort:
        yield "effort is not used for position control; leave it empty"


def _time(stamp: Any, name: str) -> tuple[int | None, list[str]]:
    """A duration or a moment in ns, None where it cannot be told, and what is wrong with it."""
    if not isinstance(stamp, Mapping):
        return None, [f"{name} must be a mapping of sec and nanosec, not {_shown(stamp)}"]
    wrong = list(_unknown(stamp, ("sec", "nanosec"), f"{name}: "))
    told = 0
    for key, unit, end in (("sec", NANO, SECONDS), ("nanosec", 1, NANO)):
        value = stamp.get(key)
        if key not in stamp:
            wrong.append(f"{name}: {key} is missing")
        elif isinstance(value, bool) or not isinstance(value, Integral):
            wrong.append(f"{name}: {key} must be a whole number, not {_shown(value)}")
        elif not 0 <= int(value) < end:
            wrong.append(f"{name}: {key} must lie between 0 and {end - 1}, not {_shown(value)}")
        else:
            told += unit * int(value)
    return (None, wrong) if wrong else (told, [])


def _unknown(found: Mapping[Any, Any], known: Sequence[str], where: str) -> Iterator[str]:
    for key in found:
        if not isinstance(key, str) or key not in known:
            yield f"{where}{_shown(key)} is none of its fields, which are {', '.join(known)}"


def _moves(velocities: Any) -> bool:
    if not _is_list(velocities):
        return False
    return any(isinstance(value, Real) and not isinstance(value, bool) and value != 0 for value in velocities)


def _finite(value: Any) -> bool:
    try:
        return math.isfinite(value)
    except (OverflowError, ValueError, TypeError):
        return False


def _is_list(value: Any) -> TypeGuard[Sequence[Any]]:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray | memoryview)


def _shown(value: Any) -> str:
    """A value in a few words, also where Python cannot write it out."""
    try:
        text = one_line(repr(value))
    except (ValueError, RecursionError):  # a whole number of thousands of digits; lists in lists in lists
        return f"a value of type {type(value).__name__} that is too large to show"
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
