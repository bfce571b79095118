"""The judgement on an entry: is it what it was, and if not, what differs and what to do."""

from typing import Any

import pytest

from tests.golden.capture import EXACT, comparable, stored
from tests.golden.pinned import made_with

SHOWN = 8
"""Parts of an entry that a failure names."""


def judge(entry: str, found: dict[str, Any]) -> None:
    """Fail, with the entry's name, what differs in it and what to do, unless `found` holds its golden value."""
    document = stored()
    if entry not in EXACT and not comparable():
        pytest.skip(f"other releases round differently: captured with {document['made_with']}, here {made_with()}")
    golden, now = document["entries"][entry], found[entry]
    if isinstance(now, dict) and "failed" in now:
        pytest.fail(f"golden entry '{entry}' could not be computed:\n{now['failed']}", pytrace=False)
    if now != golden:
        pytest.fail(f"golden entry '{entry}' has changed: {_difference(golden, now)}\n{_remedy(entry)}", pytrace=False)


def _difference(golden: dict[str, Any], now: dict[str, Any]) -> str:
    """What differs, by the names of an entry's parts."""
    parts = {**dict.fromkeys(golden), **dict.fromkeys(now)}
    lines = [
        f"\n  {part}:\n    before {golden.get(part, 'nothing')!r}\n    now    {now.get(part, 'nothing')!r}"
        for part in parts
        if golden.get(part, "nothing") != now.get(part, "nothing")
    ]
    more = f"\n  and {len(lines) - SHOWN} more" if len(lines) > SHOWN else ""
    return f"{len(lines)} of {len(parts)} parts{''.join(lines[:SHOWN])}{more}"


def _remedy(entry: str) -> str:
    return (
        f"See what was hashed, beside a commit in which it was as before: "
        f"python -m tests.golden.difference main '{entry}'\n"
        f"If the change was not meant, mend the code. If it was: python -m tests.golden.capture '{entry}', "
        f"and say in the commit's message why this entry changed."
    )
