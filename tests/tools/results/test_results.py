"""The page of results: what `forearm compare` wrote, with its command, counts and hashes."""

from pathlib import Path

import pytest

from tools.results import __main__ as command
from tools.results import cells
from tools.results.page import page


def test_a_cell_is_measured_and_told(checkpoints: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    own = cells.Cell.words
    small = [f"reach.checkpoint={checkpoints}/reach.json", "planner.horizon=4", "task.max_steps=4", "cem.elites=2"]
    monkeypatch.setattr(cells.Cell, "words", lambda self, *a: [*own(self, *a), *small, "planner.samples=8"])
    arguments = ["--only", "reach", "rest", "--episodes", "3", "--oracle-episodes", "1", "--workers", "1"]
    monkeypatch.setattr(command, "CELLS", (cells.Cell("reach", "rest"),))
    assert command.main([*arguments, "--out", "page.md"]) == 0
    written = (tmp_path / "page.md").read_text()
    [row] = [line for line in written.splitlines() if line.startswith("| `reach`")]
    assert row.count("[") == 5 and "n = 1" in row and " of " in row
    told = [line for line in written.splitlines() if line.startswith("| `forearm compare")]
    assert len(told) == 2 and "oracle=true" in told[1]
    assert "task=reach protocol=rest planner=cem episodes=3 seed=2" in told[0]
    hashes = [line.split(" | ")[3] for line in told]
    assert len(hashes[0]) == 8 and hashes[1] == ""  # the oracle has no checkpoint


def test_a_cell_that_cannot_be_measured_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "CELLS", (cells.Cell("raech", "rest"),))
    assert command.main(["--episodes", "1"]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("results: ") and "raech" in line and "reach" in line


def test_nothing_measured_is_an_empty_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "| `" not in page(cells.FOLDER)


def test_rows_that_were_measured_elsewhere_stay(tmp_path: Path) -> None:
    before = (Path(__file__).parents[3] / "docs" / "results.md").read_text(encoding="utf-8")
    lines = [line for line in before.splitlines() if line.startswith("| `")]
    assert len(lines) > 20
    assert page(tmp_path, before) == before
    older = before.replace(" | prior alone", "").replace(
        "|---|---|---|---|---|---|---|---|", "|---|---|---|---|---|---|---|"
    )
    start = older.index("| `push`")
    line = older[start : older.index("\n", start)]
    without = line.replace(" |  |", " |", 1)
    [row] = [row for row in page(tmp_path, older.replace(line, without)).splitlines() if row.startswith("| `push`")]
    assert row == line
