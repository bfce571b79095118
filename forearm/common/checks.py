"""One-line validation of settings: every failure is an `InputError`, a ValueError, that names the field.

A dataclass of settings has its limits beside its defaults and checks them all in `__post_init__`:

    samples: int = checks.setting(128, checks.integer, least=2)
"""

import math
import numbers
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import Field, field
from functools import cache, partial
from typing import Any, TypeVar

from forearm.errors import InputError, did_you_mean

T = TypeVar("T")
Check = Callable[..., Any]
"""Takes a setting's name, its value and limits; returns the value as it is kept, or raises `InputError`."""


def setting(default: T, check: Check, *, none: bool = False, **limits: Any) -> T:
    """A field of a dataclass of settings, with its default and the check that `settings` makes of it.

    `check` is one of this module, such as `integer`, and `limits` what it takes. None is allowed where it is the
    default, and with `none`.
    """
    described: T = field(default=default, metadata={"check": (partial(check, **limits), none or default is None)})
    return described


def like(config: type[Any], name: str) -> Any:
    """A field with the default and the check of the field `name` of another dataclass."""
    of: Field[Any] = config.__dataclass_fields__[name]
    return field(default=of.default, metadata=of.metadata)


def settings(config: Any, within: str = "") -> None:
    """Check every `setting` of a frozen dataclass and keep what its check returns; raises `InputError`.

    `within` stands before the names in messages.
    """
    for name in _settings(config.__class__):
        object.__setattr__(config, name, of(config.__class__, name, getattr(config, name), within))


def of(kind: type, name: str, value: Any, within: str = "") -> Any:
    """A value for the field `name` of a dataclass, as the field's check returns it if there is one."""
    check, optional = _settings(kind).get(name, (None, True))
    return value if check is None or (value is None and optional) else check(f"{within}{name}", value)


@cache
def _settings(kind: type) -> dict[str, tuple[Check, bool]]:
    """The checks of a class and of those that it inherits from, which hold where a default alone is new."""
    return {
        item.name: item.metadata["check"]
        for cls in reversed(kind.__mro__)
        for item in cls.__dict__.get("__dataclass_fields__", {}).values()
        if "check" in item.metadata
    }


def worded(check: Check, said: str) -> Check:
    """`check`, which says `said` of what it refuses, with {name}, {value} and its limits filled in.

    whole = worded(integer, "{name} must be a whole number of at least {least}, not {value}")
    """

    def refusing(name: str, value: object, **limits: Any) -> Any:
        try:
            return check(name, value, **limits)
        except InputError:
            told = {key: ", ".join(limit) if isinstance(limit, tuple) else limit for key, limit in limits.items()}
            raise InputError(said.format(name=name, value=value, **told)) from None

    return refusing


def integer(name: str, value: object, least: int, most: int | None = None) -> int:
    """Return `value` as an int within the given limits, or raise `ValueError`."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise InputError(f"{name} must be an integer, got {value!r}")
    number = int(value)
    if number < least:
        raise InputError(f"{name} must be at least {least}, got {number}")
    if most is not None and number > most:
        raise InputError(f"{name} must be at most {most}, got {number}")
    return number


whole = worded(integer, "{name} must be a whole number of at least {least}, not {value}")
"""An integer, in the words of the command line."""


def real(
    name: str,
    value: object,
    *,
    least: float | None = None,
    above: float | None = None,
    below: float | None = None,
    most: float | None = None,
) -> float:
    """Return `value` as a finite float within the given limits, or raise `ValueError`."""
    number = math.nan
    if isinstance(value, numbers.Real) and not isinstance(value, bool):
        with suppress(OverflowError):  # of a whole number of hundreds of digits
            number = float(value)
    if not math.isfinite(number):
        raise InputError(f"{name} must be a finite number, got {value!r}")
    if least is not None and number < least:
        raise InputError(f"{name} must be at least {least:g}, got {number:g}")
    if above is not None and number <= above:
        raise InputError(f"{name} must be greater than {above:g}, got {number:g}")
    if most is not None and number > most:
        raise InputError(f"{name} must be at most {most:g}, got {number:g}")
    if below is not None and number >= below:
        raise InputError(f"{name} must be less than {below:g}, got {number:g}")
    return number


def flag(name: str, value: object) -> bool:
    """Return `value` if it is a bool, or raise `ValueError`."""
    if not isinstance(value, bool):
        raise InputError(f"{name} must be true or false, got {value!r}")
    return value


def choice(name: str, value: object, known: Sequence[str]) -> str:
    """Return `value` if it is one of `known`, or raise a `ValueError` that suggests the nearest."""
    if not isinstance(value, str) or value not in known:
        raise InputError(f"unknown {name} {value!r}{did_you_mean(str(value), known)}")
    return value


def reals(name: str, value: object, *, least: float) -> float | tuple[float, ...]:
    """Return a number, or one number per action dimension as a tuple; `ValueError` otherwise."""
    if isinstance(value, Iterable) and not isinstance(value, str):
        numbers_ = tuple(real(f"{name}[{i}]", item, least=least) for i, item in enumerate(value))
        if not numbers_:
            raise InputError(f"{name} must be a number or one number per action dimension, got an empty list")
        return numbers_
    return real(name, value, least=least)


def per_dimension(setting: float | tuple[float, ...]) -> tuple[float, ...]:
    """A setting as a tuple of one number for all dimensions, or of one number each."""
    return setting if isinstance(setting, tuple) else (setting,)
