"""A table of sensors, parquet or CSV, and the description that says what its columns are.

    table: plant.parquet          # or several, [a.csv, b.csv]; paths from the description's folder on
    time: t                       # column, in time_unit: s (the default), ms, min or h
    time_unit: h
    period: 18.0                  # s from one control step to the next
    episode: run                  # column; left out: every table is one episode
    longest_gap: 180.0            # s that any sensor, or command, may be silent; left out: 10 periods
    sensors:
      T_R: {unit: degC}           # column (default: the name), unit, unit_column, longest_gap
      c_B: {column: lab, unit: mol/l, longest_gap: 600.0}
    actions:
      F: {unit: l/h, low: 5.0, high: 100.0}

Rows may come at any times and cells may be empty. At every control step a sensor has the last value that was measured
since the step before, or none. A command stays what it was until it changes.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from forearm.errors import did_you_mean
from forearm.world_model.data.layout import DatasetError
from forearm.world_model.data.selection import Episodes, select
from forearm.world_model.data.streams import Stream, Streams

KEYS = ("table", "time", "time_unit", "period", "episode", "longest_gap", "sensors", "actions")
SECONDS = {"s": 1.0, "ms": 1e-3, "min": 60.0, "h": 3600.0}
GAP_PERIODS = 10.0
"""A gap that is too long, where the description says none."""
EARLY = 1e-3
"""Of a period, by which a row may come after its step: times are rounded."""
Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Column:
    """A sensor or an action of a description. low and high are an action's bounds; unit_column says the unit row by
    row, which must be `unit`; longest_gap in s.
    """

    name: str
    unit: str
    column: str = ""
    unit_column: str | None = None
    longest_gap: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Description:
    """What the columns of `table` are."""

    path: Path
    table: Sequence[Path]
    time: str
    period: float
    sensors: Sequence[Column]
    actions: Sequence[Column]
    time_unit: str = "s"
    episode: str | None = None
    longest_gap: float | None = None

    @property
    def gap(self) -> float:
        """How long anything may be silent, in s."""
        return GAP_PERIODS * self.period if self.longest_gap is None else self.longest_gap


def read_table(path: Path, episodes: Episodes = None, exclude: Episodes = None) -> Streams:
    """The streams that the description at `path` tells of.

    Raises:
        DatasetError: a description that is none, or a table with columns, units, times or gaps that do not fit it.
    """
    said = _described(path)
    parts: list[tuple[Path, pa.Table]] = []
    for file in said.table:
        whole = _read(file)
        parts += [(file, part) for part in _by_episode(said, file, whole)]
    chosen = select(range(len(parts)), episodes, exclude, path)
    found = [_stream(said, *parts[number], number) for number in chosen]
    units = tuple(each.unit for each in said.actions)
    bounds = tuple(tuple(getattr(each, side) for each in said.actions) for side in ("low", "high"))
    return Streams(
        path,
        tuple(each.name for each in said.sensors),
        tuple(each.unit for each in said.sensors),
        tuple(each.name for each in said.actions),
        tuple(unit if unit[0].isdigit() else f"1 {unit}" for unit in units),
        (bounds[0], bounds[1]),
        1.0 / said.period,
        found,
    )


def _described(path: Path) -> Description:
    import yaml

    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DatasetError(f"{path}: no such description of a table") from None
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise DatasetError(f"{path}: cannot be read as YAML ({str(error).splitlines()[0]})") from None
    _check_keys(path, "", found, KEYS)
    for key in ("table", "time", "period", "sensors", "actions"):
        if key not in found:
            raise DatasetError(f"{path}: says no {key}")
    tables = found["table"] if isinstance(found["table"], list) else [found["table"]]
    if (unit := found.get("time_unit", "s")) not in SECONDS:
        raise DatasetError(f"{path}: time_unit is {unit}: expected one of {', '.join(SECONDS)}")
    gap = found.get("longest_gap")
    return Description(
        path,
        [path.parent / str(table) for table in tables],
        str(found["time"]),
        _above(path, "period", found["period"]),
        [_column(path, "sensors", name, each) for name, each in _mapping(path, "sensors", found["sensors"]).items()],
        [_column(path, "actions", name, each) for name, each in _mapping(path, "actions", found["actions"]).items()],
        unit,
        None if found.get("episode") is None else str(found["episode"]),
        None if gap is None else _above(path, "longest_gap", gap),
    )


def _mapping(path: Path, key: str, found: Any) -> Mapping[str, Any]:
    if not isinstance(found, dict) or not found:
        raise DatasetError(f"{path}: {key}: expected names, each with its unit")
    return {str(name): value for name, value in found.items()}


def _column(path: Path, kind: str, name: str, found: Any) -> Column:
    where = f"{kind}.{name}"
    own = ("unit_column", "longest_gap") if kind == "sensors" else ("low", "high")
    _check_keys(path, where, found, ("column", "unit", *own))
    unit = found.get("unit")
    if not isinstance(unit, str) or not unit:
        raise DatasetError(f"{path}: {where}: expected its unit, such as unit: degC; '1' for a number without one")
    numbers: dict[str, float] = {}
    if kind == "actions":
        for side in ("low", "high"):
            if side not in found:
                raise DatasetError(f"{path}: {where}: expected its bounds, low and high, between which plans keep")
            numbers[side] = _number(path, f"{where}.{side}", found[side])
        if not numbers["low"] < numbers["high"]:
            raise DatasetError(f"{path}: {where}: low is {found['low']}, expected below high, {found['high']}")
    elif found.get("longest_gap") is not None:
        numbers["longest_gap"] = _above(path, f"{where}.longest_gap", found["longest_gap"])
    return Column(name, unit, str(found.get("column", name)), found.get("unit_column"), **numbers)


def _check_keys(path: Path, where: str, found: Any, known: Sequence[str]) -> None:
    at = f"{where}: " if where else ""
    if not isinstance(found, dict):
        raise DatasetError(f"{path}: {at}expected {', '.join(known)}")
    for key in found:
        if key not in known:
            raise DatasetError(f"{path}: {at}unknown '{key}'{did_you_mean(str(key), known)}")


def _number(path: Path, key: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise DatasetError(f"{path}: {key} is {value}: expected a number")
    return float(value)


def _above(path: Path, key: str, value: Any) -> float:
    if (number := _number(path, key, value)) <= 0:
        raise DatasetError(f"{path}: {key} is {value}: expected seconds, above 0")
    return number


def _read(file: Path) -> pa.Table:
    try:
        return pq.read_table(file) if file.suffix == ".parquet" else pa.csv.read_csv(file)
    except FileNotFoundError:
        raise DatasetError(f"{file}: no such table") from None
    except (OSError, pa.ArrowException) as error:
        kind = "parquet" if file.suffix == ".parquet" else "CSV"
        raise DatasetError(f"{file}: cannot be read as {kind} ({str(error).splitlines()[0]})") from None


def _by_episode(said: Description, file: Path, table: pa.Table) -> list[pa.Table]:
    """A table for each run of rows with the same value in the column of episodes."""
    if said.episode is None:
        return [table]
    values = _cells(file, table, said.episode).to_pylist()
    begins = [row for row in range(len(values)) if row == 0 or values[row] != values[row - 1]]
    again = [values[row] for row in begins]
    if len(set(again)) < len(again):
        twice = next(value for value in again if again.count(value) > 1)
        raise DatasetError(f"{file}: rows of episode {twice} do not stand together: sort them by {said.episode}")
    ends = [*begins[1:], len(values)]
    return [table.slice(begin, end - begin) for begin, end in zip(begins, ends, strict=True)]


def _stream(said: Description, file: Path, table: pa.Table, number: int) -> Stream:
    where = f"{file}: episode {number}"
    times = _numbers(where, file, table, said.time) * SECONDS[said.time_unit]
    if len(times) < 2 or not np.isfinite(times).all() or not (np.diff(times) > 0).all():
        row = int(np.argmax(~(np.diff(times) > 0))) + 1 if len(times) > 1 else 0
        raise DatasetError(f"{where}: column {said.time}: expected rising times, not so at row {row}")
    steps = np.arange(int((times[-1] - times[0]) / said.period + EARLY) + 1)
    moments = times[0] + steps * said.period
    readings = np.stack([_measured(said, where, file, table, each, times, moments) for each in said.sensors], axis=1)
    actions = np.stack([_commanded(said, where, file, table, each, times, moments) for each in said.actions], axis=1)
    return Stream(number, readings.astype(np.float32), actions.astype(np.float32), moments - times[0])


def _measured(
    said: Description, where: str, file: Path, table: pa.Table, sensor: Column, times: Doubles, moments: Doubles
) -> Doubles:
    """(L,) the last value since the step before, NaN where there is none."""
    if sensor.unit_column is not None:
        for row, unit in enumerate(_cells(file, table, sensor.unit_column).to_pylist()):
            if unit is not None and unit != sensor.unit:
                raise DatasetError(
                    f"{where}: sensor {sensor.name} is in {unit} at row {row}, {times[row] - times[0]:g} s, but in "
                    f"{sensor.unit} by {said.path.name}: convert it"
                )
    values = _numbers(where, file, table, sensor.column)
    if np.isinf(values).any():
        raise DatasetError(f"{where}: sensor {sensor.name} is infinite at row {int(np.isinf(values).argmax())}")
    known = np.flatnonzero(~np.isnan(values))
    gap = said.gap if sensor.longest_gap is None else sensor.longest_gap
    seen = np.concatenate([times[:1], times[known], times[-1:]])
    silent = np.diff(seen)
    if (silent > gap).any():
        at = int(silent.argmax())
        raise DatasetError(
            f"{where}: sensor {sensor.name} is silent for {silent[at]:g} s from {seen[at] - times[0]:g} s on, longer "
            f"than longest_gap={gap:g}: begin another episode after it, or allow it, sensors.{sensor.name}.longest_gap"
        )
    last = _last(times[known], moments, said.period)
    found: Doubles = np.where(last >= 0, values[known][last], np.nan) if len(known) else np.full(len(moments), np.nan)
    before = np.concatenate([[-1], last[:-1]])
    return np.where(last > before, found, np.nan)


def _commanded(
    said: Description, where: str, file: Path, table: pa.Table, action: Column, times: Doubles, moments: Doubles
) -> Doubles:
    """(L,) the command in force at each step."""
    values = _numbers(where, file, table, action.column)
    known = np.flatnonzero(np.isfinite(values))
    if not len(known) or known[0] > 0:
        raise DatasetError(f"{where}: action {action.name} is empty in the first row: what was sent is not known")
    seen = np.concatenate([times[known], times[-1:]])
    if (np.diff(seen) > said.gap).any():
        at = int(np.diff(seen).argmax())
        raise DatasetError(
            f"{where}: action {action.name} is not told for {np.diff(seen)[at]:g} s from {seen[at] - times[0]:g} s on, "
            f"longer than longest_gap={said.gap:g}: begin another episode after it, or raise longest_gap"
        )
    found = values[known][_last(times[known], moments, said.period)]
    assert action.low is not None
    assert action.high is not None
    outside = (found < action.low) | (found > action.high)
    if outside.any():
        at = int(outside.argmax())
        raise DatasetError(
            f"{where}: action {action.name} is {found[at]:g} {action.unit} at {moments[at] - times[0]:g} s, outside "
            f"{action.low:g} to {action.high:g}: mend the bounds in {said.path.name}, or its unit"
        )
    return found


def _last(times: Doubles, moments: Doubles, period: float) -> npt.NDArray[np.int64]:
    """(L,) which of `times` was the last up to each moment; -1 for none."""
    return np.searchsorted(times, moments + EARLY * period, side="right") - 1


def _cells(file: Path, table: pa.Table, column: str) -> pa.ChunkedArray:
    if column not in table.column_names:
        raise DatasetError(f"{file}: has no column {column}{did_you_mean(column, table.column_names)}")
    return table.column(column)


def _numbers(where: str, file: Path, table: pa.Table, column: str) -> Doubles:
    """(N,) float64, NaN for an empty cell."""
    cells = _cells(file, table, column)
    try:
        return np.asarray(pc.cast(cells, pa.float64()).to_numpy(), np.float64)
    except (pa.ArrowException, ValueError):
        raise DatasetError(f"{where}: column {column} holds something that is no number") from None
