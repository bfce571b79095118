"""The log of a plant that was excited persistently: a table with empty cells, and its description."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from process_plant import reactor
from process_plant.reactor import ACTIONS, HIGH, LAB, LOW, NOISE, PERIOD, SENSORS

HELD = 25
"""Steps that a command is held, at most."""
DESCRIPTION = """table: {table}
time: t
period: {period}
episode: run
longest_gap: {gap}
sensors:
  c_B: {{unit: mol/l}}
  T_R: {{unit: degC}}
  T_K: {{unit: degC}}
actions:
  F: {{unit: 1/h, low: 5.0, high: 100.0}}
  Q_dot: {{unit: kJ/h, low: -8500.0, high: 0.0}}
"""


def excited(runs: int, steps: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Readings (runs, steps, 3) and commands (runs, steps, 2): levels drawn anew after 1 to `HELD` steps, of each
    command by itself, half of them over all its range and half near the last one.
    """
    rng = np.random.default_rng(seed)
    first = np.stack([reactor.commands_of_rest(rng) for _ in range(runs)], axis=1)
    state, action, left = reactor.steady(first), first, np.zeros((2, runs), int)
    readings, actions = np.empty((steps, 3, runs)), np.empty((steps, 2, runs))
    span = (HIGH - LOW)[:, None]
    for step in range(steps):
        anywhere = LOW[:, None] + span * rng.random((2, runs)) ** np.array([[1.7], [1.0]])
        near = action + 0.1 * span * rng.standard_normal((2, runs))
        drawn = np.where(rng.random((2, runs)) < 0.5, anywhere, near)
        action = np.clip(np.where(left == 0, drawn, action), LOW[:, None], HIGH[:, None])
        left = np.where(left == 0, rng.integers(1, HELD + 1, (2, runs)), left) - 1
        readings[step] = state[1:] + NOISE[:, None] * rng.standard_normal((3, runs))
        actions[step] = action
        state = reactor.after(state, action)
    readings[np.arange(steps) % LAB != 0, 0] = np.nan
    return readings.transpose(2, 0, 1), actions.transpose(2, 0, 1)


def write(path: Path, readings: np.ndarray, actions: np.ndarray) -> Path:
    """Write `path`.parquet and `path`.yaml; returns the description."""
    runs, steps = readings.shape[:2]
    columns = {"run": np.repeat(np.arange(runs), steps), "t": np.tile(PERIOD * np.arange(steps), runs)}
    for names, values in ((SENSORS, readings), (ACTIONS, actions)):
        columns |= dict(zip(names, values.reshape(-1, len(names)).T, strict=True))
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table({name: pa.array(values, from_pandas=True) for name, values in columns.items()})
    pq.write_table(table, path.with_suffix(".parquet"))
    description = path.with_suffix(".yaml")
    said = DESCRIPTION.format(table=path.with_suffix(".parquet").name, period=PERIOD, gap=2 * LAB * PERIOD)
    description.write_text(said, encoding="utf-8")
    return description
