"""Compare planners on the same episodes, beside floors, ceilings and error bars."""

import os
import platform
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from forearm.agent.guided import is_guided, suited
from forearm.common.files import remove_leftovers, write_json
from forearm.common.parallel import run_jobs
from forearm.common.progress import Progress
from forearm.common.version import VERSION
from forearm.errors import ForearmError
from forearm.evaluation.closed_loop import Outcome
from forearm.evaluation.contenders import LEARNED, NONE, ORACLE, PRIOR, Contender, check_row, fitted, imitating, pace_of
from forearm.evaluation.env_pool import check_simulator
from forearm.evaluation.manifest import Episode, manifest_document, manifest_sha256, solved_at_start
from forearm.evaluation.protocol import rules_of
from forearm.evaluation.statistics import compare_pairs, wilson
from forearm.evaluation.workers import ChunkJob, ManifestJob, film_path, finished, make_manifest, run_chunk


@dataclass(frozen=True)
class Comparison:
    """What to compare. `tasks`, `planners` and `protocol` are configs as in configs/; paths are real ones. Where
    `replan_every` is None, or a planner's horizon or action repeat, it is the task's. `command` is what to type for the
    same results.
    """

    tasks: Sequence[Mapping[str, Any]]
    planners: Sequence[Mapping[str, Any]]
    protocol: Mapping[str, Any]
    out: Path
    episodes: int = 50
    seed: int = 0
    baselines: Sequence[str] = ("random", "hold", "expert")
    learned: bool = True
    oracle: bool = False
    oracle_episodes: int = 20
    replan_every: int | None = 1
    films: int = 2
    use: tuple[str, ...] = ()
    command: str | None = None


def rows_of(comparison: Comparison) -> list[Contender]:
    """The rows, task by task: planners on the learned model, the same on the simulator, then the baselines.

    Raises `ForearmError`, ValueError, `envs.MissingExtra` or a checkpoint's own error for anything that would stop a
    row later.
    """
    rows = []
    for task in comparison.tasks:
        check_simulator(task["name"], "running episodes")
        kinds = [LEARNED] * comparison.learned + [ORACLE] * comparison.oracle
        for dynamics in kinds:
            for planner in comparison.planners:
                if dynamics == ORACLE and comparison.learned and is_guided(planner):
                    continue  # it has no other row
                rows.append(_planned(comparison, suited(task, planner), planner, dynamics))
        for name in comparison.baselines:
            row = Contender(
                task, {"name": name}, NONE, comparison.seed, use=comparison.use, protocol=comparison.protocol
            )
            rows.append(imitating(row, comparison.replan_every) if name == PRIOR else row)
    if not rows:
        raise ForearmError("nothing to compare: choose a planner or a baseline")
    for task in comparison.tasks:
        rules_of(comparison.protocol, task)
    for row in rows:
        check_row(row)
    return rows


def _planned(comparison: Comparison, task: Mapping[str, Any], planner: Mapping[str, Any], dynamics: str) -> Contender:
    """The row of a planner on a task that is suited to it."""
    checkpoint = None
    if dynamics == LEARNED:
        from forearm.agent.latent import fingerprint_of

        checkpoint = fingerprint_of(task)
    every = comparison.replan_every or pace_of(task)["replan_every"]
    found = fitted(planner, task)
    return Contender(task, found, dynamics, comparison.seed, every, checkpoint, comparison.use, comparison.protocol)


def compare(comparison: Comparison, batch: int, workers: int, progress: Progress | None = None) -> dict[str, Any]:
    """Run what has not been run yet, and return and write the results.

    Writes `manifest.json`, `settings.json`, `results.json` and films into the comparison's folder. Outcomes
    are kept there as they come, so a call that was killed goes on where it stopped. They depend on neither
    `batch` nor `workers`.
    """
    tell = progress or (lambda what, done, of: None)
    rows = rows_of(comparison)
    out = comparison.out
    remove_leftovers(out)
    episodes = _manifests(comparison, workers, tell)
    everything = [episode for task in episodes.values() for episode in task]
    write_json(out / "manifest.json", manifest_document(comparison.seed, everything))
    write_json(
        out / "settings.json",
        {"rows": [_settings(row) for row in rows], "protocol": dict(comparison.protocol)},
    )

    wanted = {row.key: _episodes_of(row, episodes[row.task_name], comparison) for row in rows}
    outcomes = {row.key: finished(out, row, wanted[row.key]) for row in rows}
    jobs: list[ChunkJob] = []
    for row in rows:
        films = comparison.films if row.dynamics != NONE else 0
        lacking = [e for e in wanted[row.key] if not _is_done(out, row, e, films, outcomes[row.key])]
        for start in range(0, len(lacking), batch):
            jobs.append(ChunkJob(row, tuple(lacking[start : start + batch]), out, films))
    for row in rows:
        tell(row.label, _count(outcomes, wanted, row), len(wanted[row.key]))
    for row, done in run_jobs(run_chunk, jobs, workers):
        outcomes[row.key] |= {outcome.episode: outcome for outcome in done}
        tell(row.label, _count(outcomes, wanted, row), len(wanted[row.key]))

    ordered = [[outcomes[row.key][e.episode] for e in wanted[row.key]] for row in rows]
    document = results_document(comparison, rows, ordered, manifest_sha256(everything))
    document["solved_at_start"] = {task: solved_at_start(episodes[task]) for task in episodes}
    write_json(out / "results.json", document)
    shutil.rmtree(out / "partial", ignore_errors=True)
    return document


def films_of(comparison: Comparison) -> list[Path]:
    """Films that a finished comparison has written."""
    rows = [row for row in rows_of(comparison) if row.dynamics != NONE]
    paths = [film_path(comparison.out, row, episode) for row in rows for episode in range(comparison.films)]
    return [path for path in paths if path.exists()]


def results_document(
    comparison: Comparison, rows: Sequence[Contender], outcomes: Sequence[Sequence[Outcome]], sha256: str
) -> dict[str, Any]:
    """The content of results.json."""
    confidence = float(comparison.protocol["confidence"])
    solved = {
        (row.task_name, row.planner_name): [outcome.success for outcome in done]
        for row, done in zip(rows, outcomes, strict=True)
        if row.dynamics == LEARNED
    }
    names = [str(planner["name"]) for planner in comparison.planners]
    tested = [
        (str(task["name"]), a, b, solved[task["name"], a], solved[task["name"], b])
        for task in comparison.tasks
        for a, b in combinations(names, 2)
        if solved
    ]
    return provenance(comparison, sha256) | {
        "rows": [_row_document(row, done, confidence) for row, done in zip(rows, outcomes, strict=True)],
        "pairs": [asdict(pair) for pair in compare_pairs(tested, float(comparison.protocol["alpha"]))],
    }


def provenance(comparison: Comparison, sha256: str) -> dict[str, Any]:
    """Where figures come from: version, time, command, machine, seed, protocol, and the hash of the manifest."""
    return {
        "version": VERSION,
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "command": comparison.command,
        "machine": machine(),
        "seed": comparison.seed,
        "protocol": str(comparison.protocol["name"]),
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


def _manifests(comparison: Comparison, workers: int, tell: Progress) -> dict[str, list[Episode]]:
    """The episodes of every task, made in pieces by the workers."""
    size = 25
    jobs = []
    for task in comparison.tasks:
        for start in range(0, comparison.episodes, size):
            numbers = tuple(range(start, min(start + size, comparison.episodes)))
            jobs.append(ManifestJob(task, comparison.seed, numbers, comparison.protocol, comparison.use))
    found: dict[str, list[Episode]] = {str(task["name"]): [] for task in comparison.tasks}
    total, done = comparison.episodes * len(comparison.tasks), 0
    tell("manifest", 0, total)
    for episodes in run_jobs(make_manifest, jobs, workers):
        found[episodes[0].task] += episodes
        done += len(episodes)
        tell("manifest", done, total)
    return {task: sorted(episodes, key=lambda e: e.episode) for task, episodes in found.items()}


def _episodes_of(row: Contender, episodes: Sequence[Episode], comparison: Comparison) -> Sequence[Episode]:
    return episodes[: comparison.oracle_episodes] if row.dynamics == ORACLE else episodes


def _is_done(out: Path, row: Contender, episode: Episode, films: int, outcomes: Mapping[int, Outcome]) -> bool:
    filmed = episode.episode >= films or film_path(out, row, episode.episode).exists()
    return episode.episode in outcomes and filmed


def _count(
    outcomes: Mapping[str, Mapping[int, Outcome]], wanted: Mapping[str, Sequence[Episode]], row: Contender
) -> int:
    return sum(episode.episode in outcomes[row.key] for episode in wanted[row.key])


def _settings(row: Contender) -> dict[str, Any]:
    return {"key": row.key} | asdict(row)


def _row_document(row: Contender, outcomes: Sequence[Outcome], confidence: float) -> dict[str, Any]:
    from forearm.planner.plan_json import or_none

    successes = sum(outcome.success for outcome in outcomes)
    times = [ms for outcome in outcomes for ms in outcome.plan_ms] if row.dynamics != NONE else []
    evaluations = [count for outcome in outcomes for count in outcome.model_evals]
    # An episode whose simulation diverged ended nowhere: as far as can be.
    distances = np.nan_to_num([o.final_distance_m for o in outcomes], nan=np.inf, posinf=np.inf)
    return {
        "task": row.task_name,
        "planner": row.planner_name,
        "dynamics": row.dynamics,
        "checkpoint": row.checkpoint,
        "episodes": len(outcomes),
        "successes": successes,
        "success": successes / len(outcomes),
        "ci95": list(wilson(successes, len(outcomes), confidence)),
        "final_distance_m": or_none(float(np.median(distances))),
        "plan_ms": {
            "p50": float(np.percentile(times, 50)) if times else None,
            "p95": float(np.percentile(times, 95)) if times else None,
        },
        "model_evals_per_plan": float(np.mean(evaluations)) if evaluations else 0.0,
        "outcomes": [
            {
                "episode": outcome.episode,
                "seed": outcome.seed,
                "success": outcome.success,
                "steps": outcome.steps,
                "final_distance_m": or_none(outcome.final_distance_m),
            }
            for outcome in outcomes
        ],
    }
