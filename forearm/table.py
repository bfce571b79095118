"""Results as tables for a terminal of 100 columns."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from rich import box
from rich.console import RenderableType
from rich.table import Table

NOTHING = "-"


def results_tables(document: Mapping[str, Any]) -> Iterable[RenderableType]:
    """The rows of a results document, and below them what its paired tests say."""
    rows = Table(
        title="success with 95 % Wilson interval", title_justify="left", pad_edge=False, box=box.SIMPLE_HEAD
    )
    rows.add_column("task")
    rows.add_column("planner", no_wrap=True)
    rows.add_column("dynamics")
    for heading in ("success %", "n", "final cm", "steps", "plan ms\np50/p95", "model\nevals"):
        rows.add_column(heading, justify="right", no_wrap=True)
    previous = None
    for row in document["rows"]:
        if previous not in (None, row["task"]):
            rows.add_section()
        shown = row["task"] if row["task"] != previous else ""
        previous = row["task"]
        rows.add_row(shown, row["planner"], row["dynamics"], *_numbers(row))
    yield rows
    if document["pairs"]:
        title = "paired tests on the same episodes (exact, Holm-corrected)"
        pairs = Table(title=title, title_justify="left", pad_edge=False, box=box.SIMPLE_HEAD)
        for heading in ("task", "a", "b"):
            pairs.add_column(heading)
        for heading in ("only a", "only b", "p", "p Holm"):
            pairs.add_column(heading, justify="right", no_wrap=True)
        pairs.add_column("verdict")
        for pair in document["pairs"]:
            counts = (str(pair["only_a"]), str(pair["only_b"]))
            tests = (f"{pair['p']:.3g}", f"{pair['p_holm']:.3g}")
            pairs.add_row(pair["task"], pair["a"], pair["b"], *counts, *tests, verdict_in_words(pair))
        yield pairs


def verdict_in_words(pair: Mapping[str, Any]) -> str:
    """The verdict with the planner's name instead of a or b."""
    side, _, rest = str(pair["verdict"]).partition(" ")
    return f"{pair[side]} {rest}" if side in ("a", "b") else str(pair["verdict"])


def _numbers(row: Mapping[str, Any]) -> tuple[str, ...]:
    low, high = row["ci95"]
    steps = [outcome["steps"] for outcome in row["outcomes"] if outcome["success"]]
    p50, p95 = row["plan_ms"]["p50"], row["plan_ms"]["p95"]
    return (
        f"{100 * row['success']:.0f} [{100 * low:.0f}, {100 * high:.0f}]",
        str(row["episodes"]),
        f"{100 * row['final_distance_m']:.1f}",
        f"{np.median(steps):.0f}" if steps else NOTHING,
        NOTHING if p50 is None else f"{p50:.0f}/{p95:.0f}",
        f"{row['model_evals_per_plan']:.0f}" if row["model_evals_per_plan"] else NOTHING,
    )
