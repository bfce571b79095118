"""The document that a comparison ends with: its rows, the paired tests between them, and where figures come from."""

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timezone
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from forearm.agent.guided import PRIOR
from forearm.agent.setup import NONE
from forearm.common.version import VERSION
from forearm.evaluation.closed_loop import Outcome
from forearm.evaluation.contenders import Contender
from forearm.evaluation.statistics import compare_pairs, wilson


def results(
    contenders: Sequence[Contender], outcomes: Sequence[Sequence[Outcome]], protocol: Mapping[str, Any]
) -> dict[str, Any]:
    """The rows of results.json, and the paired tests between them."""
    confidence = float(protocol["confidence"])
    tested = [
        (one.task_name, one.name, other.name, [o.success for o in of_one], [o.success for o in of_other])
        for (one, of_one), (other, of_other) in combinations(zip(contenders, outcomes, strict=True), 2)
        if _are_tested(one, other)
    ]
    return {
        "rows": [_row(one, done, confidence) for one, done in zip(contenders, outcomes, strict=True)],
        "pairs": [asdict(pair) for pair in compare_pairs(tested, float(protocol["alpha"]))],
    }


def _are_tested(one: Contender, other: Contender) -> bool:
    """Whether a pair is, in this order: two searches, or a search and the prior that it draws from; under the same
    variation, or one as it is and the same varied.
    """
    if one.task_name != other.task_name or not one.searches:
        return False
    if one.variation != other.variation:
        return one.variation is None and one == replace(other, variation=None, goal_varies=False)
    its_prior = other.planner_name == PRIOR and one.draws_prior and one.setup.fingerprint == other.setup.fingerprint
    return other.searches or its_prior


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


def _row(contender: Contender, outcomes: Sequence[Outcome], confidence: float) -> dict[str, Any]:
    from forearm.planner.plan_json import or_none

    successes = sum(outcome.success for outcome in outcomes)
    ran_on = all(outcome.held is not None for outcome in outcomes)
    times = [ms for outcome in outcomes for ms in outcome.plan_ms] if contender.dynamics != NONE else []
    evaluations = [count for outcome in outcomes for count in outcome.model_evals]
    # An episode whose simulation diverged ended nowhere: as far as can be.
    distances = np.nan_to_num([o.final_distance_m for o in outcomes], nan=np.inf, posinf=np.inf)
    return {
        "task": contender.task_name,
        "name": contender.name,
        "label": contender.label,
        "key": contender.key,
        "planner": contender.planner_name,
        "dynamics": contender.dynamics,
        "checkpoint": contender.setup.fingerprint,
        **({} if contender.variation is None else {"vary": asdict(contender.variation)}),
        "episodes": len(outcomes),
        "successes": successes,
        "success": successes / len(outcomes),
        "ci95": list(wilson(successes, len(outcomes), confidence)),
        "touched": _share([outcome.touched for outcome in outcomes], confidence),
        "held": _share([bool(outcome.held) for outcome in outcomes], confidence) if ran_on else None,
        "final_distance_m": or_none(float(np.median(distances))),
        "plan_ms": {
            "p50": float(np.percentile(times, 50)) if times else None,
            "p95": float(np.percentile(times, 95)) if times else None,
            "episodes": [[round(ms, 3) for ms in outcome.plan_ms] for outcome in outcomes] if times else [],
        },
        "model_evals_per_plan": float(np.mean(evaluations)) if evaluations else 0.0,
        "outcomes": [
            {
                "episode": outcome.episode,
                "seed": outcome.seed,
                "success": outcome.success,
                "touched": outcome.touched,
                "held": outcome.held,
                "steps": outcome.steps,
                "final_distance_m": or_none(outcome.final_distance_m),
            }
            for outcome in outcomes
        ],
    }


def _share(solved: Sequence[bool], confidence: float) -> dict[str, Any]:
    return {"successes": sum(solved), "ci95": list(wilson(sum(solved), len(solved), confidence))}
