"""Plans, commands, episodes, data sets and weights are to the bit what they were when `golden.json` was captured."""

from typing import Any

import pytest

from tests.golden.capture import NUMERIC
from tests.golden.verdict import judge


@pytest.mark.slow
@pytest.mark.parametrize("entry", NUMERIC)
def test_nothing_has_changed(entry: str, found: dict[str, Any]) -> None:
    for package in ("websockets", "msgpack") if entry == "serve" else ():
        pytest.importorskip(package)
    judge(entry, found)
