"""Rows of a results document, of this release or of earlier ones, in the form in which reports show them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from forearm.agent.setup import LEARNED, NONE, ORACLE
from forearm.errors import ForearmError, InputError, did_you_mean
from forearm.evaluation.contenders import label_of, name_of

RESULTS = "results.json"
PERCENTILES = (50, 90, 95, 99, 100)
"""Of a row's plan times; the last one is the slowest plan."""
SPENT = ("samples", "iterations", "elites", "deadline_ms")
"""Settings of a planner that say what a plan may cost."""
OUTCOME = ("episode", "seed", "success", "steps")
PAIR = ("a", "b", "only_a", "only_b", "p_holm", "verdict")
"""What an episode and a paired test have to say."""
ROLES = {"random": "floor", "hold": "floor", "expert": "ceiling", "prior": "baseline"}


@dataclass(frozen=True)
class Share:
    """A share of the episodes with its interval, all in percent."""

    value: float
    low: float
    high: float

    @property
    def text(self) -> str:
        """Such as `92 [81, 97]`."""
        return f"{self.value:.0f} [{self.low:.0f}, {self.high:.0f}]"


@dataclass(frozen=True, eq=False)
class Row:
    """One row of a comparison.

    Attributes:
        task, name, label: of the row; `label` is what its films are named after.
        planner, dynamics, checkpoint: what it is made of.
        role: `planner`, `oracle`, `baseline`, `floor` or `ceiling`.
        success, touched, held: shares of the episodes; None where they were not counted.
        episodes: how many.
        final_cm: median distance at the end; None where that is not finite.
        steps: median control steps of successes; None without any.
        plan_ms: at `PERCENTILES`; empty for what does not plan, and the first and third alone in earlier results.
        times: of every plan, in ms; empty in earlier results.
        evaluations: of the model per plan; 0 for what does not plan.
        variation: name and strength of what was varied, such as ("light", 0.7); None where nothing was.
        nominal: the strength at which everything is as it was, where that is told.
        base: all that it is made of, but for what was varied.
        kind: the same, but for what a plan may cost as well.
        outcomes: of the episodes, as in the document.
    """

    task: str
    name: str
    label: str
    planner: str
    dynamics: str
    checkpoint: str | None
    role: str
    success: Share
    touched: Share | None
    held: Share | None
    episodes: int
    final_cm: float | None
    steps: float | None
    plan_ms: Mapping[int, float]
    times: Sequence[float]
    evaluations: float
    variation: tuple[str, float] | None
    nominal: float | None
    base: str
    kind: str
    outcomes: Sequence[Mapping[str, Any]]


def read_results(path: Path) -> dict[str, Any]:
    """The document in a file, or in `results.json` of a folder.

    Raises `ForearmError` for a file that is missing or holds no results of a comparison.
    """
    path = path / RESULTS if path.is_dir() else path
    if not path.is_file():
        near = sorted(found.name for found in path.parent.glob("*.json")) if path.parent.is_dir() else []
        raise ForearmError(f"no results at {path}{did_you_mean(path.name, near) or ': forearm compare writes them'}")
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        for task in tasks_of(rows_of(document)):
            pairs_of(document, task)
    except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError) as error:
        what = f"lacks {error}" if isinstance(error, KeyError) else str(error)
        raise ForearmError(f"{path} holds no results of 'forearm compare' ({what})") from None
    return dict(document)


def rows_of(document: Mapping[str, Any]) -> list[Row]:
    """Its rows, in order; raises ValueError, TypeError or KeyError for what is no results document."""
    rows = [_row(row) for row in document["rows"]]
    if not rows:
        raise InputError("it has no rows")
    return rows


def tasks_of(rows: Sequence[Row]) -> list[str]:
    """Names of the tasks, in order."""
    return list(dict.fromkeys(row.task for row in rows))


def pairs_of(document: Mapping[str, Any], task: str) -> list[dict[str, Any]]:
    """The paired tests of a task, with a verdict that names the better row."""
    found = []
    for pair in document.get("pairs", ()):
        if pair["task"] == task:
            _ = [pair[key] for key in PAIR]
            better = {"a better": f"{pair['a']} is better", "b better": f"{pair['b']} is better"}
            found.append({**pair, "said": better.get(pair["verdict"], pair["verdict"])})
    return found


def _row(row: Mapping[str, Any]) -> Row:
    planner, dynamics = str(row["planner"]), str(row["dynamics"])
    role = "oracle" if dynamics == ORACLE else ROLES.get(planner, "planner")
    episodes, outcomes = int(row["episodes"]), list(row["outcomes"])
    _ = [outcome[key] for outcome in outcomes for key in OUTCOME]
    low, high = (100 * float(bound) for bound in row["ci95"])
    distance = row.get("final_distance_m")
    steps = [outcome["steps"] for outcome in outcomes if outcome["success"]]
    times = [float(ms) for episode in row["plan_ms"].get("episodes", ()) for ms in episode]
    if dynamics not in (LEARNED, ORACLE, NONE):
        raise InputError(f"unknown dynamics {dynamics!r}")
    return Row(
        task=str(row["task"]),
        name=str(row.get("name") or name_of(planner, dynamics)),
        label=str(row.get("label") or label_of(str(row["task"]), planner, dynamics)),
        planner=planner,
        dynamics=dynamics,
        checkpoint=row.get("checkpoint"),
        role=role,
        success=Share(100 * float(row["success"]), low, high),
        touched=_share(row.get("touched"), episodes),
        held=_share(row.get("held"), episodes),
        episodes=episodes,
        final_cm=None if distance is None else 100 * float(distance),
        steps=float(np.median(steps)) if steps else None,
        plan_ms=_percentiles(row["plan_ms"], times),
        times=times,
        evaluations=float(row.get("model_evals_per_plan") or 0.0),
        variation=_variation(row.get("vary")),
        nominal=(row.get("vary") or {}).get("nominal"),
        base=_made_of(row),
        kind=_made_of(row, SPENT),
        outcomes=outcomes,
    )


def _share(counted: Mapping[str, Any] | None, episodes: int) -> Share | None:
    if counted is None:
        return None
    low, high = (100 * float(bound) for bound in counted["ci95"])
    return Share(100 * counted["successes"] / episodes, low, high)


def _percentiles(told: Mapping[str, Any], times: Sequence[float]) -> dict[int, float]:
    if times:
        return {p: float(np.percentile(times, p)) for p in PERCENTILES}
    return {p: float(told[f"p{p}"]) for p in (50, 95) if told.get(f"p{p}") is not None}


def _made_of(row: Mapping[str, Any], without: Sequence[str] = ()) -> str:
    """What a row is made of, but for what was varied and some of its planner's settings; earlier results do not say it,
    and have a name for it.
    """
    settings, varied = row.get("settings"), _variation(row.get("vary"))
    if not isinstance(settings, Mapping):
        name = str(row.get("name") or name_of(str(row["planner"]), str(row["dynamics"])))
        return name.replace(f" {varied[0]}={varied[1]:g}", "") if varied else name
    alike = {key: value for key, value in settings.items() if key not in ("seed", "vary", "goal_varies")}
    alike["planner"] = {key: value for key, value in settings.get("planner", {}).items() if key not in without}
    return json.dumps(alike, sort_keys=True, default=str)


def _variation(told: Any) -> tuple[str, float] | None:
    """Of `{"factor": "light", "strength": 0.7}`; None for what is written otherwise."""
    if not isinstance(told, Mapping) or not {"factor", "strength"} <= set(told):
        return None
    return str(told["factor"]), float(told["strength"])
