"""Settings, help and messages are what they were when `golden.json` was captured."""

from typing import Any

import pytest

from tests.golden.capture import ENTRIES, EXACT, stored
from tests.golden.verdict import judge


def test_there_is_a_golden_value_for_every_entry_and_no_other() -> None:
    assert set(stored()["entries"]) == set(ENTRIES)


@pytest.mark.slow
@pytest.mark.parametrize("entry", EXACT)
def test_nothing_has_changed(entry: str, found: dict[str, Any]) -> None:
    judge(entry, found)
