"""Checks of a plan document's fields: each returns the plain value, or raises and names the field."""

import math
from collections.abc import Mapping, Sequence
from reprlib import repr as short
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forearm.errors import InputError


class PlanError(InputError):
    """A plan document that cannot be: the message names the field."""


def array(name: str, value: Any, ndim: int, finite: bool = True) -> NDArray[np.float64]:
    """`value` as a float array of `ndim` dimensions of its own; text is no number here."""
    try:
        raw = np.asarray(value)
    except (ValueError, TypeError, OverflowError):
        raise PlanError(f"{name}: expected a {ndim}-dimensional list of numbers") from None
    if raw.dtype.kind not in "fiu" and raw.size > 0:
        raise PlanError(f"{name}: expected a {ndim}-dimensional list of numbers")
    if raw.ndim != ndim:
        raise PlanError(f"{name}: expected {ndim} dimension(s), got shape {raw.shape}")
    numbers = np.array(raw, dtype=np.float64)
    if finite and not np.isfinite(numbers).all():
        raise PlanError(f"{name}: holds a number that is NaN or infinite")
    return numbers


def shaped(name: str, numbers: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.float64]:
    """`numbers` if they have that shape."""
    if numbers.shape != shape:
        raise PlanError(f"{name}: expected shape {shape} to go with the actions, got {numbers.shape}")
    return numbers


def number(name: str, value: Any) -> float:
    """A float, made from a number and nothing else."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        raise PlanError(f"{name}: expected a number, got {short(value)}")
    try:
        return float(value)
    except OverflowError:
        raise PlanError(f"{name}: number too large") from None


def cost(name: str, value: Any) -> float:
    """A finite cost, or infinity for none."""
    result = number(name, value)
    if math.isnan(result) or result == -math.inf:
        raise PlanError(f"{name}: expected a finite cost, or infinity for none, got {result}")
    return result


def milliseconds(name: str, value: Any) -> float:
    """A length of time."""
    result = number(name, value)
    if not math.isfinite(result) or result < 0:
        raise PlanError(f"{name}: expected milliseconds, got {result}")
    return result


def count(name: str, value: Any, least: int | None) -> int:
    """An integer, at least `least` if given."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise PlanError(f"{name}: expected an integer, got {short(value)}")
    if least is not None and value < least:
        raise PlanError(f"{name}: expected at least {least}, got {value}")
    return int(value)


def text(name: str, value: Any) -> str:
    """A string."""
    if not isinstance(value, str):
        raise PlanError(f"{name}: expected text, got {short(value)}")
    return value


def items(name: str, value: Any) -> list[Any]:
    """A list of anything."""
    if isinstance(value, str | Mapping) or not isinstance(value, Sequence | np.ndarray):
        raise PlanError(f"{name}: expected a list, got {short(value)}")
    return list(value)


def mapping(name: str, value: Any) -> Mapping[Any, Any]:
    """Named values."""
    if not isinstance(value, Mapping):
        raise PlanError(f"{name}: expected an object with named values, got {short(value)}")
    return value


def plain(name: str, value: Any) -> Any:
    """`value` as JSON can hold it, so that a plan equals itself after a round trip."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(f"{name}.{key}", item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(f"{name}[{i}]", item) for i, item in enumerate(value)]
    raise PlanError(f"{name}: {short(value)} cannot be stored in a plan")


def or_none(value: float) -> float | None:
    """None in place of a number that JSON cannot hold."""
    return value if math.isfinite(value) else None


def or_infinite(value: Any) -> Any:
    """Infinity in place of None."""
    return math.inf if value is None else value
