"""The document that a comparison ends with: its rows, and where figures come from."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from forearm.agent.setup import NONE
from forearm.common.version import VERSION
from forearm.evaluation.closed_loop import Outcome
from forearm.evaluation.contenders import Contender
from forearm.evaluation.manifest import HeldOutEpisode
from forearm.evaluation.statistics import wilson


def provenance(command: str | None, seed: int, protocol: Mapping[str, Any], sha256: str) -> dict[str, Any]:
    """Where figures come from: version, time, command, machine, seed, protocol, and the hash of the manifest."""
    return {
        "version": VERSION,
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "command": command,
        "machine": machine(),
        "seed": seed,
        "protocol": str(protocol["name"]),
        "manifest_sha256": sha256,
    }


def machine() -> dict[str, Any]:
    """What timings depend on: processor, cores, system and library versions."""
    from importlib.metadata import version

    from forearm.envs.backend import mujoco

    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": version("torch"),
        "mujoco": mujoco.__version__,
    }


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def row_of(
    contender: Contender,
    episodes: Sequence[HeldOutEpisode],
    outcomes: Sequence[Outcome],
    films: Sequence[str | None],
    confidence: float,
) -> dict[str, Any]:
    """A row of results.json: who, and how the episodes went; `films` are paths beside that file."""
    from forearm.planner.plan_json import or_none

    told = [
        {
            "episode": outcome.episode,
            "run": contender.seed,
            "seed": outcome.seed,
            "sha256": episode.sha256[:16],
            "success": outcome.success,
            "touched": outcome.touched,
            "held": outcome.held,
            "steps": outcome.steps,
            "final_distance_m": or_none(outcome.final_distance_m),
            "film": film,
        }
        for episode, outcome, film in zip(episodes, outcomes, films, strict=True)
    ]
    plans = contender.dynamics != NONE
    return {
        "task": contender.task_name,
        "name": contender.name,
        "label": contender.label,
        "key": contender.key,
        "code": contender.code,
        "planner": contender.planner_name,
        "dynamics": contender.dynamics,
        "checkpoint": contender.setup.fingerprint,
        **({} if contender.variation is None else {"vary": asdict(contender.variation)}),
        "searches": contender.searches,
        "draws_prior": contender.draws_prior,
        "settings": contender.identity,
    } | summary(
        told,
        [[round(ms, 3) for ms in outcome.plan_ms] for outcome in outcomes] if plans else [],
        [outcome.model_evals for outcome in outcomes],
        confidence,
    )


def summary(
    outcomes: Sequence[Mapping[str, Any]],
    plan_ms: Sequence[Sequence[float]],
    model_evals: Sequence[Sequence[int]],
    confidence: float,
) -> dict[str, Any]:
    """What a row says of its episodes, given how each went, and for each plan its time and model evaluations."""
    from forearm.planner.plan_json import or_infinite, or_none

    successes = sum(bool(outcome["success"]) for outcome in outcomes)
    ran_on = all(outcome["held"] is not None for outcome in outcomes)
    times = [ms for episode in plan_ms for ms in episode]
    evaluations = [count for episode in model_evals for count in episode]
    # An episode whose simulation diverged ended nowhere: as far as can be.
    distances = [or_infinite(outcome["final_distance_m"]) for outcome in outcomes]
    return {
        "episodes": len(outcomes),
        "successes": successes,
        "success": successes / len(outcomes),
        "ci95": list(wilson(successes, len(outcomes), confidence)),
        "touched": _share([outcome["touched"] for outcome in outcomes], confidence),
        "held": _share([bool(outcome["held"]) for outcome in outcomes], confidence) if ran_on else None,
        "final_distance_m": or_none(float(np.median(distances))),
        "plan_ms": {
            "p50": float(np.percentile(times, 50)) if times else None,
            "p95": float(np.percentile(times, 95)) if times else None,
            "episodes": [list(episode) for episode in plan_ms] if times else [],
        },
        "model_evals_per_plan": float(np.mean(evaluations)) if evaluations else 0.0,
        "model_evals": [list(episode) for episode in model_evals],
        "outcomes": [dict(outcome) for outcome in outcomes],
    }


def outcomes_in(row: Mapping[str, Any]) -> list[Outcome]:
    """How the episodes of a row went; raises KeyError, TypeError or ValueError for one that does not say it all."""
    from forearm.planner.plan_json import or_infinite

    times = row["plan_ms"]["episodes"] or [[] for _ in row["outcomes"]]
    return [
        Outcome(
            told["episode"], told["seed"], told["success"], told["steps"], or_infinite(told["final_distance_m"]),
            list(plan_ms), list(evaluations), told["touched"], told["held"],
        )
        for told, plan_ms, evaluations in zip(row["outcomes"], times, row["model_evals"], strict=True)
    ]  # fmt: skip


def earlier_rows(out: Path) -> dict[str, dict[str, Any]]:
    """Rows of the results that a folder has, by their keys; those that cannot be read are no rows."""
    try:
        rows = json.loads((out / "results.json").read_text(encoding="utf-8"))["rows"]
        for row in rows:
            outcomes_in(row)
        return {str(row["key"]): row for row in rows}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}


def _share(solved: Sequence[bool], confidence: float) -> dict[str, Any]:
    return {"successes": sum(solved), "ci95": list(wilson(sum(solved), len(solved), confidence))}
