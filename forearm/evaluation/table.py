"""Results as tables for a terminal of 80 columns, and tables on paper that is too narrow for them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from rich import box
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from forearm.evaluation.statistics import BOSCHLOO

NOTHING = "-"
ASSUMED = (
    "differences that are shown: of rows that do not go together, with rates around 50 %, at the hardest step of "
    "Holm's correction; more episodes: so many that the two would be told apart as often, if they go on as they did "
    "(-: they do not differ, or it takes over 20000)\n"
)
LEAST_TEXT = 24
"""Columns that running text gets at least, before a table becomes wider than the console."""
MOST_COLUMNS = 10_000


def results_tables(document: Mapping[str, Any]) -> Iterable[RenderableType]:
    """A table for each task of a results document, and one for what its paired tests say."""
    from forearm.evaluation.contenders import name_of  # torch takes seconds, and other tables need none

    for task in dict.fromkeys(row["task"] for row in document["rows"]):
        table = plain_table(f"{task}: success with 95 % Wilson interval")
        table.add_column("planner", no_wrap=True, min_width=15)
        headings = (
            "success %",
            "first\ntouch",
            "held\nat end",
            "n",
            "final\ncm",
            "steps",
            "plan ms\np50/p95",
            "model\nevals",
        )
        for heading in headings:
            table.add_column(heading, justify="right", no_wrap=True)
        for row in document["rows"]:
            if row["task"] == task:
                table.add_row(Text(row.get("name") or name_of(row["planner"], row["dynamics"])), *_numbers(row))
        yield table
        if counted := document.get("solved_at_start", {}).get(task):
            share = 100 * counted["solved"] / counted["drawn"]
            yield (
                f"protocol {document['protocol']}: {counted['solved']} of {counted['drawn']} pairs of start and goal "
                f"drawn ({share:.0f} %) were solved before the arm moved\n"
            )
    for task in dict.fromkeys(pair["task"] for pair in document["pairs"]):
        unpaired = any(pair.get("test") == BOSCHLOO for pair in document["pairs"] if pair["task"] == task)
        kind = "exact tests" if unpaired else "exact paired tests"
        pairs = plain_table(f"{task}: {kind}, Holm-corrected over {len(document['pairs'])}")
        for heading in ("a", "b"):
            pairs.add_column(heading, no_wrap=True)
        for heading in ("only\na", "only\nb", "p\nHolm", "more\nepisodes"):
            pairs.add_column(heading, justify="right", no_wrap=True)
        pairs.add_column("verdict", no_wrap=True)
        for pair in document["pairs"]:
            if pair["task"] == task:
                only = (NOTHING if pair[key] is None else str(pair[key]) for key in ("only_a", "only_b"))
                more = NOTHING if pair.get("more_episodes") is None else str(pair["more_episodes"])
                counts = (*only, f"{pair['p_holm']:.3g}", more)
                pairs.add_row(Text(pair["a"]), Text(pair["b"]), *counts, str(pair["verdict"]))
        yield pairs
        if shown := document.get("detectable", {}).get(task):
            yield _detectable(shown)
    if document.get("detectable"):
        yield ASSUMED
    if across := document.get("across"):
        yield from _across(across)


def _detectable(shown: Mapping[str, Any]) -> str:
    least = shown["difference"]
    what = "no difference is" if least is None else f"a difference of {100 * least:.0f} points or more is"
    return f"with n = {shown['n']} {what} shown {100 * shown['power']:.0f} times in 100\n"


def _across(across: Mapping[str, Any]) -> Iterable[RenderableType]:
    """Tables of what rows do over all tasks."""
    rates = plain_table(
        f"over {len(across['tasks'])} tasks: interquartile mean of success, with 95 % bootstrap interval"
    )
    rates.add_column("planner", no_wrap=True, min_width=15)
    rates.add_column("success %", justify="right", no_wrap=True)
    for row in across["rows"]:
        rates.add_row(Text(row["name"]), _interval(row["iqm"], row["ci95"]))
    yield rates
    if across["pairs"]:
        pairs = plain_table("probability that an episode of a does better than one of b, ties half, in %")
        for heading in ("a", "b", "probability"):
            pairs.add_column(heading, no_wrap=True)
        for pair in across["pairs"]:
            pairs.add_row(Text(pair["a"]), Text(pair["b"]), _interval(pair["probability"], pair["ci95"]))
        yield pairs


def _interval(share: float, ends: Sequence[float]) -> str:
    return f"{100 * share:.0f} [{100 * ends[0]:.0f}, {100 * ends[1]:.0f}]"


def print_whole(console: Console, shown: RenderableType) -> None:
    """Print a table, or anything else, with every number and name whole, however narrow the console is.

    A pipe counts as 80 columns, and rich cuts what does not fit to "…". Here lines become longer instead; text that may
    be wrapped is, and what never may (columns with `no_wrap`) is not. A terminal wraps what is too long for it.
    """
    if isinstance(shown, Table):
        for column in shown.columns:
            if not column.no_wrap:
                column.overflow = "fold"
        console.print(_Whole(shown), crop=False)
    else:
        console.print(shown, highlight=False, soft_wrap=True)


class _Whole:
    """A table that is as wide as the console, or as it must be; a console cuts a width that is given to it."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        wide = options.update(width=MOST_COLUMNS)
        needed = Measurement.get(console, wide, self._table).maximum
        for column in self._table.columns:
            if not column.no_wrap:
                cells = (column.header, *column.cells)
                longest = max(Measurement.get(console, wide, cell).maximum for cell in cells)
                needed -= max(0, longest - LEAST_TEXT)
        yield from console.render(self._table, options.update(width=max(options.max_width, needed)))


def plain_table(title: str) -> Table:
    """An empty table in the house's style."""
    return Table(title=title, title_justify="left", pad_edge=False, box=box.SIMPLE_HEAD, padding=0)


def _numbers(row: Mapping[str, Any]) -> tuple[str, ...]:
    steps = [outcome["steps"] for outcome in row["outcomes"] if outcome["success"]]
    p50, p95 = row["plan_ms"]["p50"], row["plan_ms"]["p95"]
    return (
        _interval(row["success"], row["ci95"]),
        *(_percent(row.get(key), row["episodes"]) for key in ("touched", "held")),
        str(row["episodes"]),
        NOTHING if row["final_distance_m"] is None else f"{100 * row['final_distance_m']:.1f}",
        f"{np.median(steps):.0f}" if steps else NOTHING,
        NOTHING if p50 is None else f"{p50:.0f}/{p95:.0f}",
        f"{row['model_evals_per_plan']:.0f}" if row["model_evals_per_plan"] else NOTHING,
    )


def _percent(counted: Mapping[str, Any] | None, episodes: int) -> str:
    """Of what was counted; results of earlier releases, and episodes that end with their success, have none."""
    return NOTHING if counted is None else f"{100 * counted['successes'] / episodes:.0f}"
