"""Results as tables for a terminal of 80 columns."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from rich import box
from rich.console import RenderableType
from rich.table import Table

NOTHING = "-"


def results_tables(document: Mapping[str, Any]) -> Iterable[RenderableType]:
    """A table for each task of a results document, and one for what its paired tests say."""
    for task in dict.fromkeys(row["task"] for row in document["rows"]):
        table = plain_table(f"{task}: success with 95 % Wilson interval")
        table.add_column("planner", no_wrap=True, min_width=15)
        for heading in ("success %", "n", "final\ncm", "steps", "plan ms\np50/p95", "model\nevals"):
            table.add_column(heading, justify="right", no_wrap=True)
        for row in document["rows"]:
            if row["task"] == task:
                oracle = " (oracle)" if row["dynamics"] == "oracle" else ""
                table.add_row(row["planner"] + oracle, *_numbers(row))
        yield table
        if counted := document.get("solved_at_start", {}).get(task):
            share = 100 * counted["solved"] / counted["drawn"]
            yield (
                f"protocol {document['protocol']}: {counted['solved']} of {counted['drawn']} pairs of start and goal "
                f"drawn ({share:.0f} %) were solved before the arm moved\n"
            )
    for task in dict.fromkeys(pair["task"] for pair in document["pairs"]):
        pairs = plain_table(f"{task}: exact paired tests, Holm-corrected")
        for heading in ("a", "b"):
            pairs.add_column(heading, no_wrap=True)
        for heading in ("only\na", "only\nb", "p\nHolm"):
            pairs.add_column(heading, justify="right", no_wrap=True)
        pairs.add_column("verdict", no_wrap=True)
        for pair in document["pairs"]:
            if pair["task"] == task:
                counts = (str(pair["only_a"]), str(pair["only_b"]), f"{pair['p_holm']:.3g}")
                pairs.add_row(pair["a"], pair["b"], *counts, str(pair["verdict"]))
        yield pairs


def plain_table(title: str) -> Table:
    """An empty table in the house's style."""
    return Table(title=title, title_justify="left", pad_edge=False, box=box.SIMPLE_HEAD, padding=0)


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
