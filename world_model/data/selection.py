"""Which episodes of a data set are meant: some of them, or all but some."""

from collections.abc import Iterable, Sequence
from typing import Any

from forearm.world_model.data.layout import DatasetError

Episodes = int | str | Sequence[int | str] | None
"""Numbers of episodes, and ranges of them such as "0:40", whose end does not belong to them; None for no choice."""


def select(known: Sequence[int], episodes: Episodes, exclude: Episodes, where: object) -> list[int]:
    """The numbers out of ``known`` that are chosen, in rising order.

    Raises:
        DatasetError: a number is none, is named twice or is not there, a range is empty, or nothing is left.
    """
    there = sorted(known)
    chosen = there if episodes is None else sorted(_numbers("episodes", episodes, there, where))
    if exclude is None:
        return chosen
    without = set(_numbers("exclude", exclude, there, where))
    left = [number for number in chosen if number not in without]
    if not left:
        raise DatasetError(f"{where}: exclude={written(exclude)} leaves no episode; it has {ranges(there)}")
    return left


def ranges(numbers: Iterable[int]) -> str:
    """Rising numbers as the setting is written: ``[0:40,42]``, or ``0:40`` alone."""
    spans: list[list[int]] = []
    for number in numbers:
        if spans and spans[-1][1] == number:
            spans[-1][1] = number + 1
        else:
            spans.append([number, number + 1])
    parts = [str(first) if end == first + 1 else f"{first}:{end}" for first, end in spans]
    return parts[0] if len(parts) == 1 and ":" in parts[0] else f"[{','.join(parts)}]"


def written(value: Any) -> str:
    """A setting as it was given."""
    if isinstance(value, (list, tuple)):
        return f"[{','.join(map(written, value))}]"
    return str(value)


def of_each(value: Any, sets: int, setting: str) -> list[Any]:
    """One choice for each of several data sets: a list of lists has one each, anything else holds for all.

    Raises:
        DatasetError: as many lists as data sets were expected.
    """
    if isinstance(value, (list, tuple)) and any(value is None or isinstance(value, (list, tuple)) for value in value):
        if len(value) != sets:
            raise DatasetError(
                f"{setting}={written(value)} has {len(value)} entries for {sets} data sets: give one each, "
                f"{setting}=[[0,1],[2:9]], or one list for all"
            )
        return list(value)
    return [value] * sets


def _numbers(setting: str, given: Episodes, known: Sequence[int], where: object) -> list[int]:
    parts = list(given) if isinstance(given, (list, tuple)) else [given]
    found: list[int] = []
    for part in parts:
        found += _span(setting, part, known, where)
    if not found:
        raise DatasetError(f"{where}: {setting}={written(given)} names no episode; it has {ranges(known)}")
    there = set(known)
    for number in found:
        if number not in there:
            raise DatasetError(
                f"{where}: {setting}={written(given)}: there is no episode {number}; it has {ranges(known)}"
            )
    if len(set(found)) < len(found):
        twice = next(number for number in found if found.count(number) > 1)
        raise DatasetError(f"{where}: {setting}={written(given)} names episode {twice} twice")
    return found


def _span(setting: str, part: Any, known: Sequence[int], where: object) -> list[int]:
    """The numbers that one entry stands for."""
    if isinstance(part, int) and not isinstance(part, bool):
        return [part]
    text = str(part).strip()
    first, colon, end = (piece.strip() for piece in text.partition(":"))
    right = all(
        piece.isascii() and (piece.isdigit() or (colon and not piece)) for piece in (first, end if colon else first)
    )
    if not isinstance(part, str) or not right or len(text) > 40:
        raise DatasetError(
            f"{where}: {setting}={written(part)}: expected numbers of episodes and ranges, such as {setting}=[0,1] or "
            f"{setting}=0:40"
        )
    if not colon:
        return [int(first)]
    low = int(first) if first else min(known)
    high = int(end) if end else max(known) + 1
    if low >= high:
        raise DatasetError(f"{where}: {setting}={text} names no episode: the end of a range does not belong to it")
    if high > max(known) + 1:
        raise DatasetError(f"{where}: {setting}={text} goes beyond the last episode; it has {ranges(known)}")
    return [number for number in known if low <= number < high]
