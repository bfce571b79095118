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

from forearm.agent.guided import is_guided
from forearm.agent.setup import LEARNED, NONE, ORACLE, PlanningSetup
from forearm.common.files import remove_leftovers, write_json
from forearm.common.parallel import run_jobs
from forearm.common.progress import Progress
from forearm.common.version import VERSION
from forearm.errors import ForearmError
from forearm.evaluation.closed_loop import Outcome
from forearm.evaluation.contenders import Contender, label_of
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


def contenders_of(comparison: Comparison) -> list[Contender]:
    """The contenders, task by task: planners on the learned model, the same on the simulator, then the baselines.

    Raises `ForearmError`, ValueError, `envs.MissingExtra` or a checkpoint's own error for anything that would stop one
    later.
    """
    every = comparison.replan_every
    setups = []
    for task in comparison.tasks:
        check_simulator(task["name"], "running episodes")
        for dynamics in [LEARNED] * comparison.learned + [ORACLE] * comparison.oracle:
            for planner in comparison.planners:
                if dynamics == ORACLE and comparison.learned and is_guided(planner):
                    continue  # it has no other contender
                setups.append(PlanningSetup.resolve(task, planner, dynamics=dynamics, replan_every=every))
        setups += [PlanningSetup.baseline(task, name, every) for name in comparison.baselines]
    if not setups:
        raise ForearmError("nothing to compare: choose a planner or a baseline")
    for task in comparison.tasks:
        rules_of(comparison.protocol, task)
    contenders = [Contender(setup, comparison.seed, comparison.use, comparison.protocol) for setup in setups]
    for contender in contenders:
        contender.check()
    return contenders


def compare(comparison: Comparison, batch: int, workers: int, progress: Progress | None = None) -> dict[str, Any]:
    """Run what has not been run yet, and return and write the results.

    Writes `manifest.json`, `settings.json`, `results.json` and films into the comparison's folder. Outcomes
    are kept there as they come, so a call that was killed goes on where it stopped. They depend on neither
    `batch` nor `workers`.
    """
    tell = progress or (lambda what, done, of: None)
    contenders = contenders_of(comparison)
    out = comparison.out
    remove_leftovers(out)
    episodes = _manifests(comparison, workers, tell)
    everything = [episode for task in episodes.values() for episode in task]
    write_json(out / "manifest.json", manifest_document(comparison.seed, everything))
    described = [{"key": contender.key} | contender.document for contender in contenders]
    write_json(out / "settings.json", {"rows": described, "protocol": dict(comparison.protocol)})

    wanted = {one.key: _episodes_of(one, episodes[one.task_name], comparison) for one in contenders}
    outcomes = {one.key: finished(out, one, wanted[one.key]) for one in contenders}
    jobs: list[ChunkJob] = []
    for contender in contenders:
        films = comparison.films if contender.dynamics != NONE else 0
        done = outcomes[contender.key]
        lacking = [e for e in wanted[contender.key] if not _is_done(out, contender, e, films, done)]
        for start in range(0, len(lacking), batch):
            jobs.append(ChunkJob(contender, tuple(lacking[start : start + batch]), out, films))
    for contender in contenders:
        tell(contender.label, _count(outcomes, wanted, contender), len(wanted[contender.key]))
    for contender, ended in run_jobs(run_chunk, jobs, workers):
        outcomes[contender.key] |= {outcome.episode: outcome for outcome in ended}
        tell(contender.label, _count(outcomes, wanted, contender), len(wanted[contender.key]))

    ordered = [[outcomes[one.key][e.episode] for e in wanted[one.key]] for one in contenders]
    document = results_document(comparison, contenders, ordered, manifest_sha256(everything))
    document["solved_at_start"] = {task: solved_at_start(episodes[task]) for task in episodes}
    write_json(out / "results.json", document)
    shutil.rmtree(out / "partial", ignore_errors=True)
    return document


def films_of(comparison: Comparison, document: Mapping[str, Any]) -> list[Path]:
    """Films that a finished comparison, whose results are `document`, has written."""
    labels = [
        label_of(row["task"], row["planner"], row["dynamics"]) for row in document["rows"] if row["dynamics"] != NONE
    ]
    paths = [film_path(comparison.out, label, episode) for label in labels for episode in range(comparison.films)]
    return [path for path in paths if path.exists()]


def results_document(
    comparison: Comparison, contenders: Sequence[Contender], outcomes: Sequence[Sequence[Outcome]], sha256: str
) -> dict[str, Any]:
    """The content of results.json."""
    confidence = float(comparison.protocol["confidence"])
    solved = {
        (contender.task_name, contender.planner_name): [outcome.success for outcome in done]
        for contender, done in zip(contenders, outcomes, strict=True)
        if contender.dynamics == LEARNED
    }
    names = [str(planner["name"]) for planner in comparison.planners]
    tested = [
        (str(task["name"]), a, b, solved[task["name"], a], solved[task["name"], b])
        for task in comparison.tasks
        for a, b in combinations(names, 2)
        if solved
    ]
    return provenance(comparison, sha256) | {
        "rows": [_results_of(one, done, confidence) for one, done in zip(contenders, outcomes, strict=True)],
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


def _episodes_of(contender: Contender, episodes: Sequence[Episode], comparison: Comparison) -> Sequence[Episode]:
    return episodes[: comparison.oracle_episodes] if contender.dynamics == ORACLE else episodes


def _is_done(out: Path, contender: Contender, episode: Episode, films: int, outcomes: Mapping[int, Outcome]) -> bool:
    filmed = episode.episode >= films or film_path(out, contender.label, episode.episode).exists()
    return episode.episode in outcomes and filmed


def _count(
    outcomes: Mapping[str, Mapping[int, Outcome]], wanted: Mapping[str, Sequence[Episode]], contender: Contender
) -> int:
    return sum(episode.episode in outcomes[contender.key] for episode in wanted[contender.key])


def _results_of(contender: Contender, outcomes: Sequence[Outcome], confidence: float) -> dict[str, Any]:
    from forearm.planner.plan_json import or_none

    successes = sum(outcome.success for outcome in outcomes)
    times = [ms for outcome in outcomes for ms in outcome.plan_ms] if contender.dynamics != NONE else []
    evaluations = [count for outcome in outcomes for count in outcome.model_evals]
    # An episode whose simulation diverged ended nowhere: as far as can be.
    distances = np.nan_to_num([o.final_distance_m for o in outcomes], nan=np.inf, posinf=np.inf)
    return {
        "task": contender.task_name,
        "planner": contender.planner_name,
        "dynamics": contender.dynamics,
        "checkpoint": contender.setup.fingerprint,
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
