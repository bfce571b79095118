"""What is shown of an entry that is another one."""

import subprocess
import sys

import pytest

from tests.golden import difference, pinned, verdict
from tests.golden.capture import EXACT


def test_a_difference_names_entry_and_part_and_shows_the_lines_that_differ() -> None:
    before = {"entry": {"same": "x", "part": "one\ntwo", "gone": [1, "text"]}}
    shown = difference.differences(before, {"entry": {"same": "x", "part": "one\nthree"}})
    assert "entry: part (before)" in shown and "-two\n+three\n" in shown
    assert "entry: gone (before)" in shown and "-[1, 'text']\n" in shown
    assert "same" not in shown
    assert difference.differences(before, before) == ""


def test_a_failure_names_the_entry_what_differs_and_both_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = next(iter(EXACT))
    monkeypatch.setattr(verdict, "stored", lambda: {"made_with": {}, "entries": {entry: {"a": 1, "b": 2}}})
    verdict.judge(entry, {entry: {"a": 1, "b": 2}})
    with pytest.raises(pytest.fail.Exception) as failure:
        verdict.judge(entry, {entry: {"a": 1, "c": 3}})
    said = str(failure.value)
    assert f"'{entry}' has changed: 2 of 3 parts" in said and "before 2\n    now    'nothing'" in said
    assert f"tests.golden.difference main '{entry}'" in said and f"tests.golden.capture '{entry}'" in said


def test_what_would_be_hashed_is_shown_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(pinned.sha256({"b": 1, "a": 2})) == 32
    monkeypatch.setenv(pinned.WHOLE, "1")
    assert pinned.sha256({"b": 1, "a": 2}) == '{\n "a": 2,\n "b": 1\n}'


@pytest.mark.parametrize("module", ["capture", "difference"])
def test_an_entry_that_is_none_ends_with_a_line(module: str) -> None:
    words = [sys.executable, "-m", f"tests.golden.{module}", *(["HEAD"] if module == "difference" else []), "nothing"]
    run = subprocess.run(words, cwd=pinned.ROOT, env=pinned.environment(), capture_output=True, text=True, check=False)
    assert run.returncode == 2 and "--list" in run.stderr and run.stderr.count("\n") == 1
