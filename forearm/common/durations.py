"""Durations as they are set: control steps, or seconds, written 1.2s, which a control period makes into steps."""

import re
from collections.abc import Mapping
from typing import Any

from forearm.common import checks
from forearm.errors import InputError

_SECONDS = re.compile(r"(\d+\.?\d*|\.\d+) ?s")


def seconds(value: object) -> float | None:
    """The seconds that `value` says; None where it says no seconds."""
    found = _SECONDS.fullmatch(value) if isinstance(value, str) else None
    return None if found is None else float(found[1])


def steps(name: str, value: object, *, least: int, whole: checks.Check = checks.whole) -> int | str:
    """A check for `checks.setting`: steps that keep `whole`, or more than 0 s; raises `InputError`."""
    told = seconds(value)
    if told is None or (not told and least):
        if isinstance(value, str):
            raise InputError(f"{name} must be a number of control steps, or seconds such as 1.2s, not '{value}'")
        return int(whole(name, value, least=least))
    return str(value)


def in_steps(name: str, value: Any, period: float, *, least: int = 1, multiple: int = 1) -> int:
    """Control steps of `period` s: seconds to the nearest `multiple`, at least one of it; whole numbers as they are.

    Raises `InputError` for anything else.
    """
    told = seconds(value)
    if told is None:
        if isinstance(value, str):
            raise InputError(f"{name} must be a number of control steps, or seconds such as 1.2s, not '{value}'")
        return checks.integer(name, value, least)
    return max(-(-least // multiple), round(told / period / multiple)) * multiple


def told_in_seconds(*configs: Mapping[str, Any]) -> bool:
    """Whether any of the values in these configs, their sections left out, is in seconds."""
    return any(seconds(value) is not None for config in configs for value in config.values())
