"""Where things are in the report's drawings; its template draws them as SVG."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from forearm.evaluation.contenders import name_of
from forearm.report.rows import Row

WIDTH, HEIGHT = 480.0, 268.0
LEFT, RIGHT, TOP, BOTTOM = 40.0, 376.0, 14.0, 218.0
"""Edges of the part of a chart in which points lie."""
REFERENCES = ("floor", "ceiling", "baseline")
"""Roles of rows that are drawn as lines, as they spend nothing that the others do."""
BAR = 200.0
"""Width of a bar that stands in a table."""
APART = 7.0
"""Percent by which labels of two horizontal lines must differ."""


@dataclass(frozen=True)
class Tick:
    """A mark on an axis."""

    at: float
    text: str


@dataclass(frozen=True)
class Point:
    """A row's success, with the ends of its interval; `said` is shown when it is pointed at."""

    x: float
    y: float
    low: float
    high: float
    said: str


@dataclass(frozen=True)
class Series:
    """Points of one colour and shape, number `style`, joined in order."""

    name: str
    style: int
    points: Sequence[Point]


@dataclass(frozen=True)
class Level:
    """A horizontal line: what is there in any case; of a series, if it has its style."""

    y: float
    text: str
    style: int | None = None


@dataclass(frozen=True)
class Chart:
    """Success in percent over something."""

    title: str
    axis: str
    x_ticks: Sequence[Tick]
    y_ticks: Sequence[Tick]
    series: Sequence[Series]
    levels: Sequence[Level]


@dataclass(frozen=True)
class Spread:
    """A row's plan times on an axis of its table: where the percentiles are, in [0, BAR]."""

    p5: float
    p25: float
    p50: float
    p75: float
    p95: float
    p99: float


def names_of(rows: Sequence[Row]) -> dict[str, str]:
    """A name for each kind of row that plans: that of its only row, or else of what its rows have in common."""
    kinds: dict[str, list[Row]] = {}
    for row in rows:
        if row.times or row.evaluations:
            kinds.setdefault(row.kind, []).append(row)
    found: dict[str, str] = {}
    for kind, alike in kinds.items():
        nominal = [row for row in alike if row.variation is None]
        short = name_of(alike[0].planner, alike[0].dynamics)
        name = nominal[0].name if len(nominal) == 1 else short
        found[kind] = name if name not in found.values() else alike[0].name
    return found


def budget_charts(rows: Sequence[Row], names: dict[str, str]) -> list[Chart]:
    """Success against what a plan costs, in evaluations of the model and in time, where rows differ in that."""
    rows = [row for row in rows if row.variation is None]
    found = []
    for title, axis, cost in (
        ("Success against evaluations", "evaluations of the model per plan", lambda row: row.evaluations),
        ("Success against time", "ms per plan, median", lambda row: row.plan_ms.get(50, 0.0)),
    ):
        points = {row: cost(row) for row in rows if cost(row) > 0}
        if len({round(x, 3) for x in points.values()}) < 2:
            continue
        low, high = min(points.values()) / 1.3, max(points.values()) * 1.3
        places = {row: _along(math.log(x), math.log(low), math.log(high)) for row, x in points.items()}
        series = _series(places, {row: f"{x:.4g} {axis}" for row, x in points.items()}, names)
        ticks = [Tick(_along(math.log(x), math.log(low), math.log(high)), f"{x:g}") for x in log_ticks(low, high)]
        levels = _levels([row for row in rows if row.role in REFERENCES and row not in points])
        found.append(Chart(title, axis, ticks, _percents(), series, levels))
    return found


def strength_charts(rows: Sequence[Row], names: dict[str, str]) -> list[Chart]:
    """Success against the strength of each factor that was varied.

    What the same row does without is a point where the results say at which strength that is, and else a level.
    """
    found = []
    for factor in dict.fromkeys(row.variation[0] for row in rows if row.variation):
        points = {row: row.variation[1] for row in rows if row.variation and row.variation[0] == factor}
        told = {row.base: row.nominal for row in points}
        nominal = [row for row in rows if row.variation is None and row.base in told]
        points |= {row: at for row in nominal if (at := told[row.base]) is not None}
        if len(set(points.values())) < 2:
            continue
        low, high = min(points.values()), max(points.values())
        low, high = low - 0.05 * (high - low), high + 0.05 * (high - low)
        places = {row: _along(x, low, high) for row, x in points.items()}
        series = _series(places, {row: f"{factor} {x:g}" for row, x in points.items()}, names, by_base=True)
        apart = [row for row in nominal if row not in points]
        levels = [
            Level(_up(row.success.value), "as it is" if row is apart[0] else "", list(names).index(row.kind))
            for row in apart
        ]
        ticks = [Tick(_along(x, low, high), f"{x:g}") for x in sorted(set(points.values()))]
        found.append(Chart(f"Success against {factor}", f"strength of {factor}", ticks, _percents(), series, levels))
    return found


def spreads(rows: Sequence[Row]) -> tuple[dict[Row, Spread], list[Tick]]:
    """Plan times of the rows that have them, on one logarithmic axis, and its marks."""
    timed = [row for row in rows if row.times]
    if not timed:
        return {}, []
    low = max(1e-3, min(float(np.percentile(row.times, 5)) for row in timed)) / 1.15
    high = max(2 * low, max(max(row.times) for row in timed) * 1.15)

    def at(value: float) -> float:
        return round(BAR * (math.log(max(value, low)) - math.log(low)) / (math.log(high) - math.log(low)), 2)

    found = {row: Spread(*(at(float(x)) for x in np.percentile(row.times, (5, 25, 50, 75, 95, 99)))) for row in timed}
    return found, [Tick(at(x), f"{x:g}") for x in log_ticks(low, high)]


def log_ticks(low: float, high: float) -> list[float]:
    """From 2 to 6 round numbers between two positive ones, as far as there are some."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 4, 5, 7)):
        ticks = [step * 10.0**decade for decade in decades for step in steps if low <= step * 10.0**decade <= high]
        if len(ticks) >= 3:
            break
    return ticks[:: math.ceil(len(ticks) / 6) or 1]


def _series(
    places: Mapping[Row, float], said: Mapping[Row, str], names: Mapping[str, str], by_base: bool = False
) -> list[Series]:
    """A series for each kind of row, from left to right, given where its rows are and what they say; `by_base` one for
    each budget.
    """
    alike: dict[str, list[Row]] = {}
    for row in places:
        alike.setdefault(row.base if by_base else row.kind, []).append(row)
    found: dict[str, Series] = {}
    for of_one in alike.values():
        row = of_one[0]
        known = names[row.kind] in found
        style = len(names) + len(found) if known else list(names).index(row.kind)
        name = row.name if known else names[row.kind]
        in_order = sorted(of_one, key=lambda row: places[row])
        found[name] = Series(name, style, [_point(row, places[row], said[row]) for row in in_order])
    return list(found.values())


def _point(row: Row, x: float, said: str) -> Point:
    share = row.success
    return Point(x, _up(share.value), _up(share.low), _up(share.high), f"{row.name}: {share.text} %, {said}")


def _levels(rows: Sequence[Row]) -> list[Level]:
    """Rows as lines; those that are nearly as good share one."""
    groups: list[list[Row]] = []
    for row in sorted(rows, key=lambda row: row.success.value):
        if groups and row.success.value - groups[-1][0].success.value < APART:
            groups[-1].append(row)
        else:
            groups.append([row])
    return [
        Level(_up(sum(row.success.value for row in group) / len(group)), ", ".join(row.name for row in group))
        for group in groups
    ]


def _percents() -> list[Tick]:
    return [Tick(_up(percent), f"{percent}") for percent in (0, 25, 50, 75, 100)]


def _along(value: float, low: float, high: float) -> float:
    return round(LEFT + 8 + (RIGHT - LEFT - 16) * (value - low) / (high - low), 2)


def _up(percent: float) -> float:
    return round(BOTTOM - (BOTTOM - TOP) * percent / 100, 2)
