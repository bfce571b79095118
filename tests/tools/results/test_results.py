"""The page of results: what `forearm compare` wrote, with its command, counts and hashes."""

import json
import shutil
from pathlib import Path

import pytest

from tools.render.pages import headline, render
from tools.results import __main__ as command
from tools.results import cells

DOCS = Path(__file__).parents[3] / "docs"


def test_a_cell_is_measured_and_told(
    checkpoints: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, here: None
) -> None:
    monkeypatch.chdir(tmp_path)
    own = cells.Cell.words
    small = [f"reach.checkpoint={checkpoints}/reach.json", "planner.horizon=4", "task.max_steps=4", "cem.elites=2"]
    monkeypatch.setattr(cells.Cell, "words", lambda self, *a: [*own(self, *a), *small, "planner.samples=8"])
    arguments = [
        "--only",
        "reach",
        "rest",
        "--episodes",
        "3",
        "--oracle-episodes",
        "1",
        "--workers",
        "1",
        "--seeds",
        "3165",
        "6316",
    ]
    monkeypatch.setattr(command, "CELLS", (cells.Cell("reach", "rest"),))
    assert command.main([*arguments, "--docs", "docs"]) == 0
    written = (tmp_path / "docs" / "results.md").read_text()
    [row] = [line for line in written.splitlines() if line.startswith("| `reach`")]
    assert row.count("[") == 6 and "n = 2" in row and " of 6 | 0 [0, 39] | 3165, 6316 |" in row  # of both together
    told = [line for line in written.splitlines() if line.startswith("| `forearm compare")]
    assert len(told) == 4 and "oracle=true" in told[1] and "oracle=true" in told[3]
    for line, seed in ((told[0], 3165), (told[2], 6316)):
        assert f"task=reach protocol=rest planner=cem episodes=3 seed={seed} " in line
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


def test_nothing_measured_is_an_empty_page(tmp_path: Path) -> None:
    assert "| `" not in render(tmp_path, "results")


def test_rows_that_were_measured_elsewhere_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cell that is measured anew takes the place of its own figures, and of nothing else."""
    docs = tmp_path / "docs"
    shutil.copytree(DOCS / "data" / "results", docs / "data" / "results")
    before = render(docs, "results").splitlines()
    assert sum(line.startswith("| `") for line in before) > 60
    cell = cells.Cell(cells.CUBE, "lewm")
    assert (docs / "data" / "results" / f"{cell.apart}.json").is_file()
    monkeypatch.chdir(tmp_path)
    cell.folder.mkdir(parents=True)
    rows = [
        {"planner": planner, "dynamics": dynamics, "checkpoint": checkpoint, "successes": successes, "episodes": 10}
        for planner, dynamics, checkpoint, successes in (
            ("cem", "learned", "0123456789abcdef", 7), ("random", "none", None, 1), ("hold", "none", None, 2),
        )
    ]  # fmt: skip
    rows[0]["held"] = {"successes": 1}
    document = {
        "command": "forearm compare task=new", "created": "2027-01-02T03:04:05+00:00", "rows": rows,
        "manifest_sha256": "fedcba9876543210", "solved_at_start": {cells.CUBE: {"solved": 3, "drawn": 10}},
        "machine": {"processor": "P", "cores": 4, "system": "S", "python": "3", "torch": "2", "mujoco": "3"},
    }  # fmt: skip
    (cell.folder / "results.json").write_text(json.dumps(document))
    command.keep(cell, docs)
    after = render(docs, "results").splitlines()
    [row] = [line for line in after if line not in before and not line.startswith("| `forearm")]
    ceiling = "80 [58, 92, n = 20]"  # the simulator is the same
    assert row == (
        f"| `{cells.CUBE}` | **70 [40, 89]** |  | {ceiling} | 10 [2, 40] | 20 [6, 51] |  | 3 of 10 | 10 [2, 40] | 2 |"
    )
    [told] = [line for line in after if line not in before and line.startswith("| `forearm")]
    assert (
        told
        == "| `forearm compare task=new` | 10 | 2027-01-02 | 01234567 | fedcba98 | torch 2, mujoco 3 | P, 4 cores, S |"
    )
    gone = [line for line in before if line not in after]
    assert len(gone) == 3 and sum(f"out={cell.folder}-hold`" in line for line in gone) == 1
    assert (docs / "results.md").read_text(encoding="utf-8").splitlines() == after


def test_fresh_seeds_take_the_place_of_the_one_that_chose(tmp_path: Path) -> None:
    shutil.copytree(DOCS / "data" / "results", tmp_path / "data" / "results")
    old = json.loads((tmp_path / "data" / "results" / "push-rest.json").read_text())
    figures = {"successes": {"learned": [80, 100], "hold": [1, 100]}, "solved_at_start": {"solved": 2, "drawn": 102}}
    (tmp_path / "data" / "results" / f"{cells.Cell('push', 'rest', cells.SEEDS[1]).name}.json").unlink()
    for seed in (cells.SEEDS[0], cells.SEEDS[2]):
        name = cells.Cell("push", "rest", seed).name
        (tmp_path / "data" / "results" / f"{name}.json").write_text(json.dumps(old | {"figures": figures}))
    [row] = [line for line in render(tmp_path, "results").splitlines() if line.startswith("| `push`")]
    # The simulator was not measured anew: its figure is of seed 2, with its own n.
    ceiling = "100 [84, 100, n = 20]"
    assert row == f"| `push` | **80 [74, 85]** |  | {ceiling} |  | 1 [0, 4] |  | 4 of 204 |  | 3165, 6316 |"
    assert "| `push` | `rest` | 80 [74, 85] |" in headline(tmp_path)


def test_seeds_that_report_did_not_choose() -> None:
    assert not set(cells.SEEDS) & set(cells.CHOSEN_ON) and len(cells.SEEDS) == 3
    page = render(DOCS, "results")
    assert "Settings were chosen while seeds 0 to 9 were looked at" in page and "on seeds 3165, 5415, 6316" in page


def test_the_table_of_the_readme_is_of_the_same_figures() -> None:
    _, _, *rows = headline(DOCS).splitlines()
    assert len(rows) == 10
    page = (DOCS / "results.md").read_text(encoding="utf-8")
    for row in rows:
        title, protocol, alone, guided, *others = (cell.strip() for cell in row.strip("|").split("|"))
        section = page.partition(f"## {protocol}")[2].partition("\n## ")[0]
        assert f"| {title} | **{alone}** |  | {' | '.join(others)} |" in section
        assert not guided or f"| {title} with its prior | **{guided}** |" in section
