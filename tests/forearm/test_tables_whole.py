"""No table loses a number or a name, however narrow the paper is."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.table import Table

from forearm.cli import data as data_command
from forearm.cli import doctor
from forearm.cli import list as list_command
from forearm.cli.main import main
from forearm.cli.train import report_table
from forearm.evaluation.table import print_whole, results_tables
from forearm.world_model.data.inspection import Column, Inspection

WIDTHS = (1, 20, 40, 80, 200)


def printed(table: Any, width: int) -> str:
    console = Console(file=io.StringIO(), width=width)
    print_whole(console, table)
    return console.file.getvalue()  # type: ignore[attr-defined]


def cells(table: Table) -> list[str]:
    return [str(cell) for column in table.columns for cell in column.cells]


def inspected(count: int) -> Table:
    numbers = [Column("observation.state", f"left_joint_{n}.pos", -1.2345e-7, 1e9, n, 0.5, 0, 2) for n in range(count)]
    return data_command.columns(
        Inspection(Path("data"), "v3.0", "so101", 30.0, 1, 2, 2, 2, {}, [], numbers),
    )


def compared() -> list[Any]:
    row = {
        "task": "reach", "name": "a_planner_with_a_long_name (oracle) proposals=[previous,prior]", "ci95": (0.12, 0.98),
        "success": 0.5, "episodes": 100, "outcomes": [{"steps": 7, "success": True}], "final_distance_m": 0.123,
        "plan_ms": {"p50": 12345.0, "p95": 67890.0}, "model_evals_per_plan": 123456,
    }  # fmt: skip
    pair = {"task": "reach", "a": "one_planner", "b": "another_planner", "only_a": 1, "only_b": 2, "p_holm": 0.0123,
            "verdict": "not told apart by the test"}  # fmt: skip
    return list(results_tables({"rows": [row], "pairs": [pair], "protocol": "default"}))


def test_results_of_earlier_releases_are_read() -> None:
    row = {
        "task": "reach", "planner": "cem", "dynamics": "oracle", "episodes": 2, "successes": 1, "success": 0.5,
        "ci95": [0.1, 0.9], "final_distance_m": 0.02, "plan_ms": {"p50": 30.0, "p95": 40.0},
        "model_evals_per_plan": 512.0, "checkpoint": None,
        "outcomes": [{"episode": 0, "seed": 5, "success": True, "steps": 7, "final_distance_m": 0.02}],
    }  # fmt: skip
    pair = {"task": "reach", "a": "cem", "b": "mppi", "only_a": 1, "only_b": 0, "p": 1.0, "p_holm": 1.0,
            "verdict": "no difference shown"}  # fmt: skip
    shown = [printed(table, 80) for table in results_tables({"rows": [row], "pairs": [pair], "protocol": "rest"})]
    [line] = [line for line in shown[0].splitlines() if "cem" in line]
    assert line.split() == ["cem", "(oracle)", "50", "[10,", "90]", "-", "-", "2", "2.0", "7", "30/40", "512"]
    assert "no difference shown" in shown[1]


TABLES: dict[str, Callable[[], list[Any]]] = {
    "inspect": lambda: [inspected(3)],
    "compare": compared,
    "train": lambda: [report_table({"error": [0.1234, 0.5678] * 8, "tasks": {"a_long_task": {"rank": 12.3}}})],
    "doctor": lambda: [doctor.render_table([doctor.Finding("GL back end", False, "MUJOCO_GL=egl draws", "set " * 40)])],
}


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", list(TABLES))
def test_nothing_is_cut(name: str, width: int) -> None:
    for table in TABLES[name]():
        text = printed(table, width)
        assert "…" not in text
        if isinstance(table, Table):
            for column in table.columns:
                for cell in column.cells:
                    if column.no_wrap:
                        assert any(str(cell) in line for line in text.splitlines()), (cell, text)
            together = "".join(text.split())
            if len(table.columns) > 2:
                continue
            assert all(part in together for cell in cells(table) for part in str(cell).split() if "[" not in part)


@given(width=st.integers(1, 120), text=st.text("abc ", min_size=1, max_size=200), number=st.floats(allow_nan=False))
def test_numbers_stay_whole_and_text_is_wrapped(width: int, text: str, number: float) -> None:
    table = Table()
    table.add_column("number", no_wrap=True)
    table.add_column("text")
    table.add_row(str(number), text)
    shown = printed(table, width)
    assert "…" not in shown and any(str(number) in line for line in shown.splitlines())
    inside = "".join(shown.split("─┤")[0].split()) + "".join(c for c in shown if c in "abc")
    assert inside.count("a") >= text.count("a")
    assert max(map(len, shown.splitlines())) <= max(width, len(str(number)) + 6 + 24 + 10)


def test_lists_and_the_doctor_end_in_no_ellipsis(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setenv("COLUMNS", "24")
    assert main(["list"]) == 0
    said = capsys.readouterr().out
    assert "…" not in said.replace("tasks", "") and "predictive_sampling" in said
    assert list_command is not None
