"""How a command tells how far it is, in a terminal and in a log file."""

import io
import re

import pytest
from rich.console import Console

from forearm.cli import progress
from forearm.cli.progress import bars
from forearm.common.progress import ALL_ROWS


def told(terminal: bool, pause: float, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Lines that stand in a file while half of the work is done."""
    monkeypatch.setattr(progress, "PAUSE", pause)
    file = io.StringIO()
    with bars(Console(file=file, force_terminal=terminal, width=120)) as lines:
        lines("reach [a]", 1, 4, "12 frames/s")
        lines("reach [a]", 2, 4)
        found = file.getvalue().splitlines()
        lines("reach [a]", 4, 4)
    return found


def test_a_log_file_hears_of_long_work_before_it_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = told(False, 0.0, monkeypatch)
    assert re.fullmatch(r"reach \[a\]: 1 of 4 after \d:\d\d:\d\d, 12 frames/s", first)
    assert re.fullmatch(r"reach \[a\]: 2 of 4 after \d:\d\d:\d\d, 12 frames/s", second)


def test_short_work_and_terminals_have_no_such_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    assert told(False, 60.0, monkeypatch) == []
    assert not any(" of 4 after" in line for line in told(True, 0.0, monkeypatch))


def test_a_comparison_tells_of_all_rows_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "PAUSE", 0.0)
    file = io.StringIO()
    with bars(Console(file=file, width=120)) as lines:
        lines(ALL_ROWS, 3, 8)
        lines("reach-cem", 1, 4)
        assert [line.split(" after")[0] for line in file.getvalue().splitlines()] == ["all rows: 3 of 8"] * 2
