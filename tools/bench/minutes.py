"""From nothing to a model that plans: success against the minutes that filming, training and measuring took.

Each row is a learning of its own, from nothing. It is measured on fresh seeds afterwards, which is not counted; the
episodes that `learn` itself measures are. What was learned is kept after each, so a run that was stopped goes on.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from forearm.errors import ForearmError
from forearm.evaluation.statistics import wilson
from tools.bench.budget import Budget
from tools.experiments.lewm_recipe import REPORT

KEPT = Path("outputs/minutes")
SEEDS = (8818, 4412, 3449)
"""Drawn once, for this table."""
MEASURED = ("films=0", "baselines=[]", "to_end=false")


@dataclass(frozen=True)
class Case:
    """One learning: `words` are settings of `forearm learn` beside task and minutes."""

    task: str
    minutes: float
    words: tuple[str, ...] = ()
    told: str = ""
    """What these settings are called."""

    @property
    def name(self) -> str:
        """Of its folders."""
        return "-".join((self.task, f"{self.minutes:g}", *self.told.split())).replace("/", "-")


FURTHER = ("planner.horizon=20",)
"""Plans that look 2 s ahead instead of 1.6."""
CASES = (
    *(Case("push", minutes, FURTHER, "further") for minutes in (32, 16, 11, 8, 4, 2)),
    Case("reach", 3),
    Case("reach", 3, ("look=true",), "with a look"),
    Case("pick_place", 16),
)
"""In the order of measuring; the longest of a task comes first."""
LEWM_MINUTES = 4.0
"""Of training, on the films of the longest learning of push."""
LEWM_SHARE = 10
"""Its plans take so long that one in so many episodes has to do."""


def minutes(budget: Budget, cases: Sequence[Case] = CASES, kept: Path = KEPT) -> dict[str, Any]:
    """The rows, and that of LeWorldModel's recipe on the films of the longest learning of push."""
    wanted = [case for case in cases if case.minutes <= budget.minutes_longest]
    rows = [_row(case, kept, budget.minutes_episodes) for case in wanted]
    pushed = [case for case in wanted if case.task == "push"]
    beside = _lewm(pushed[0], kept, -(-budget.minutes_episodes // LEWM_SHARE)) if pushed else None
    tasks = list(dict.fromkeys(row["task"] for row in rows))
    return {
        "seeds": list(SEEDS),
        "rows": sorted(rows, key=lambda row: (tasks.index(row["task"]), row["asked"])),
        "lewm": beside,
    }


def _row(case: Case, kept: Path, episodes: int) -> dict[str, Any]:
    out = kept / case.name
    if not (out / "curve.json").exists():
        again = ("resume=true",) if (out / "settings.json").exists() else ()
        _forearm("learn", f"task={case.task}", f"minutes={case.minutes:g}", f"out={out}", *case.words, *again)
    document = json.loads((out / "curve.json").read_text(encoding="utf-8"))
    last = document["stages"][-1]
    of_planner = [word for word in case.words if word.startswith("planner.")]
    words = (f"task.checkpoint={document['checkpoint']}", f"planner={document['planner']}", *of_planner)
    return {
        "task": case.task, "told": case.told, "planner": document["planner"], "words": list(case.words),
        "asked": case.minutes, "minutes": last["minutes"], "films": last["films"],
        "training_s": sum(stage["of_each"]["training"] for stage in document["stages"]),
        **_solved(case, kept / f"{case.name}-compared", words, episodes),
    }  # fmt: skip


def _lewm(case: Case, kept: Path, episodes: int) -> dict[str, Any]:
    """Its recipe on the films of a learning, measured with its cost: the distance at the end of the horizon."""
    out = kept / f"{case.name}-lewm"
    if not (out / REPORT).exists():
        films = kept / f"{case.name}-films"
        if not (films / "meta" / "info.json").exists():
            whole = sorted((kept / case.name / "films").glob("*/meta/info.json"))
            _forearm("data", "merge", f"data=[{','.join(str(path.parent.parent) for path in whole)}]", f"out={films}")
        told = (f"data={films}", f"out={out}", f"minutes={LEWM_MINUTES:g}")
        _run([sys.executable, "-m", "tools.experiments.lewm_recipe", *told])
    report = json.loads((out / REPORT).read_text(encoding="utf-8"))
    planned = ("planner=cem", "planner.horizon=20", "planner.action_repeat=5", "task.objective.weights=last")
    words = ("model=lewm_trained:load", *planned)
    solved = _solved(case, kept / f"{case.name}-lewm-compared", words, episodes, {"PYTHONPATH": str(out.absolute())})
    return {**report, "minutes": LEWM_MINUTES, **solved}


def _solved(
    case: Case, out: Path, words: Sequence[str], episodes: int, environment: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Successes on the fresh seeds, so many episodes of each."""
    seeds = ",".join(map(str, SEEDS))
    if not (out / "results.json").exists():
        given = (f"task={case.task}", f"seed={seeds}", f"episodes={episodes}", f"out={out}", *MEASURED, *words)
        _forearm("compare", *given, environment=environment)
    document = json.loads((out / "results.json").read_text(encoding="utf-8"))
    rows = [row for row in document["rows"] if row["dynamics"] == "learned"]
    successes, ran = sum(row["successes"] for row in rows), sum(row["episodes"] for row in rows)
    return {"successes": successes, "episodes": ran, "ci95": list(wilson(successes, ran, 0.95))}


def _forearm(*words: str, environment: Mapping[str, str] | None = None) -> None:
    _run([sys.executable, "-m", "forearm", *words], environment)


def _run(command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
    one = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1") if "compare" in command else {}
    ended = subprocess.run(command, env={**os.environ, **one, **(environment or {})}, stdout=subprocess.DEVNULL)
    if ended.returncode:
        raise ForearmError(f"{' '.join(command)} ended with {ended.returncode}: run it by itself")
