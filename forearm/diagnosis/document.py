"""A diagnosis as a document: what was found, in plain values."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from forearm.diagnosis.cells import CELLS, Cell
from forearm.diagnosis.ranking import summary
from forearm.diagnosis.study import Diagnosed, Effort
from forearm.diagnosis.verdict import judge
from forearm.evaluation.closed_loop import Outcome
from forearm.evaluation.statistics import wilson


def findings(
    outcomes: Mapping[Cell, Sequence[Outcome]],
    episodes: Sequence[Diagnosed],
    rankings: Sequence[Sequence[float | None]],
    probe_m: Sequence[float],
    names: Sequence[str],
    horizon: int,
    frameskip: int,
    effort: Effort,
    alpha: float,
    confidence: float,
) -> dict[str, Any]:
    """Everything that a diagnosis says.

    Args:
        outcomes: by cell, on the same episodes.
        episodes: those of the planner as it is.
        rankings: of each start, as `study.ranking` gives them.
        probe_m: (P,) errors of the probe in m on the explorer's frames.
        names: (P,) of the things.
        horizon, frameskip: in control steps.
        effort: what was spent.
        alpha, confidence: of the paired test and the intervals.
    """
    pools = [pool for episode in episodes for pool in episode.pools]
    reached = [episode.goal_steps for episode in episodes if episode.goal_steps is not None]
    goal_steps = float(np.median(reached)) if reached else None
    solved = {cell: [outcome.success for outcome in done] for cell, done in outcomes.items()}
    return {
        "cells": [_cell(cell, outcomes[cell], confidence) for cell in CELLS],
        "probe_m": {
            "explorer": dict(zip(names, probe_m, strict=True)),
            "candidates": dict(zip(names, np.mean([e.probe_m for e in episodes], axis=0).tolist(), strict=True)),
        },
        "coverage": {
            "plans": len(pools),
            "solved": _share([pool.solved for pool in pools]),
            "nearer_m": effort.nearer_m,
            "nearer": _share([pool.nearer_m >= effort.nearer_m for pool in pools]),
            "chosen_nearer": _share([pool.chosen_nearer_m >= effort.nearer_m for pool in pools]),
        },
        "selection": {
            "regret_m": _mean([pool.regret_m for pool in pools]),
            "spearman": _mean([pool.spearman for pool in pools]),
            "spearman_elites": _mean([pool.spearman_elites for pool in pools]),
            "spearman_iterations": _columns([pool.spearman_iterations for pool in pools]),
        },
        "prediction": {
            "predicted": _columns([pool.predicted for pool in pools]),
            "realised": _columns([pool.realised for pool in pools]),
            "optimism": _mean([pool.optimism for pool in pools]),
        },
        "range": asdict(summary([list(row) for row in rankings], frameskip)),
        "horizon": horizon,
        "goal_steps": goal_steps,
        "verdict": (verdict := judge(solved, horizon, goal_steps, alpha)).numbers() | {"sentence": verdict.sentence},
    }


def _cell(cell: Cell, outcomes: Sequence[Outcome], confidence: float) -> dict[str, Any]:
    solved = sum(outcome.success for outcome in outcomes)
    return {
        "dynamics": cell.dynamics,
        "cost": cell.cost,
        "solved": solved,
        "episodes": len(outcomes),
        "ci95": list(wilson(solved, len(outcomes), confidence)),
        "final_distance_m": _mean([outcome.final_distance_m for outcome in outcomes]),
        "outcomes": [asdict(outcome) for outcome in outcomes],
    }


def _share(values: Sequence[bool]) -> float | None:
    return _mean([float(value) for value in values])


def _mean(values: Sequence[float | None]) -> float | None:
    """Of those that are known; None where none is."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _columns(rows: Sequence[Sequence[float | None]]) -> list[float | None]:
    """Means of the columns of rows that may differ in length."""
    return [_mean([row[i] for row in rows if i < len(row)]) for i in range(max(map(len, rows), default=0))]
