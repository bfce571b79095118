"""What the product computes is what it computed when `golden.json` was captured, to the bit.

A failure here means that a plan, a setting, a message, a weight or a command is another one than before. If that was
not meant, mend the code. If it was meant, capture these entries again, and name them in the commit's message.
"""

from typing import Any

import pytest

from tests.golden.capture import ENTRIES, EXACT, stored
from tests.golden.pinned import captured, made_with


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    """All entries as they are computed now, in one process."""
    wanted = ENTRIES if stored()["made_with"] == made_with() else EXACT
    return captured(list(wanted))


def test_there_is_a_golden_value_for_every_entry_and_no_other() -> None:
    assert set(stored()["entries"]) == set(ENTRIES)


@pytest.mark.parametrize("entry", ENTRIES)
def test_nothing_has_changed(entry: str, found: dict[str, Any]) -> None:
    document = stored()
    if entry not in EXACT and document["made_with"] != made_with():
        pytest.skip(f"other releases round differently: captured with {document['made_with']}, here {made_with()}")
    for package in ("websockets", "msgpack") if entry == "serve" else ():
        pytest.importorskip(package)
    golden, now = document["entries"][entry], found[entry]
    assert "failed" not in now, f"{entry} could not be computed:\n{now['failed']}"
    if now != golden:
        pytest.fail(f"{entry} has changed: {_difference(golden, now)}.\n{_remedy(entry)}", pytrace=False)


def _difference(golden: dict[str, Any], now: dict[str, Any]) -> str:
    """What differs, by the names of an entry's parts."""
    parts = {**dict.fromkeys(golden), **dict.fromkeys(now)}
    lines = [
        f"\n  {part}: {golden.get(part, 'nothing')!r} before, {now.get(part, 'nothing')!r} now"
        for part in parts
        if golden.get(part, "nothing") != now.get(part, "nothing")
    ]
    return f"{len(lines)} of {len(parts)} parts{''.join(lines[:8])}{' ...' if len(lines) > 8 else ''}"


def _remedy(entry: str) -> str:
    return (
        "If this was not meant, mend the code. If it was, capture it again, python -m tests.golden.capture "
        f"'{entry}', and name it in the commit's message: only entries named there may be captured again."
    )
