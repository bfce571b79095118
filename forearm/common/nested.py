"""Nested settings by dotted names, so that a difference can be named."""

from collections.abc import Iterator, Mapping
from typing import Any


def leaves(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every value that is no mapping itself, by its dotted name."""
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What differs between two sets of leaves, such as `steps was 4, is 6`; what is in one alone is None in the other.

    Both must have come through JSON, or neither: it makes lists of tuples.
    """
    return [
        f"{key} was {before.get(key)}, is {now.get(key)}"
        for key in {**now, **before}
        if before.get(key) != now.get(key)
    ]
