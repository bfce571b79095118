"""Diagnose one planner on one task: do the pieces that are missing, then say what they show."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

from forearm.common.engine.run import run_jobs
from forearm.common.files import remove_leftovers, write_json
from forearm.common.progress import Count, Progress
from forearm.diagnosis.cells import CELLS, DIAGNOSED
from forearm.diagnosis.document import findings
from forearm.diagnosis.futures import Explored, position_names
from forearm.diagnosis.jobs import AS_IT_IS, CELL, EXPLORE, RANKING, Job, diagnosed_of, do, kept, outcome_of
from forearm.diagnosis.page import save_picture
from forearm.diagnosis.study import Effort, fit_probe
from forearm.diagnosis.subject import check_frames, check_planner
from forearm.evaluation.comparison import Comparison, contenders_of
from forearm.evaluation.contenders import Contender
from forearm.evaluation.env_pool import environment
from forearm.evaluation.manifest import HeldOutEpisode, Manifest, ManifestJob, make_manifest, manifest_sha256
from forearm.evaluation.protocol import criteria_of
from forearm.evaluation.results import provenance


class Piece(Protocol):
    """A part of the work that is kept on disk once it is done."""

    @property
    def path(self) -> Path:
        """Where."""

    @property
    def place(self) -> Path:
        """The same below a folder that differs between machines."""


T = TypeVar("T", bound=Piece)


def diagnose(comparison: Comparison, effort: Effort, workers: int, progress: Progress | None = None) -> dict[str, Any]:
    """Diagnose the one planner of a comparison on its one task; writes and returns the findings.

    Writes `manifest.json`, `diagnosis.json` and `diagnosis.png` into the comparison's folder. Pieces are kept as they
    come, so a call that was killed goes on where it stopped. Raises what
    `forearm.evaluation.comparison.compare` raises, and `ForearmError` for a planner that cannot be diagnosed.
    """
    tell = progress or (lambda what, done, of: None)
    [contender] = contenders_of(comparison)
    planner = contender.setup.planner()
    check_planner(planner, contender.planner_name)
    check_frames(contender.setup)
    out = comparison.out
    remove_leftovers(out)
    episodes = manifest_of(comparison, contender, workers)
    task, protocol = contender.task_name, comparison.protocol
    criteria = {task: criteria_of(protocol, contender.task)}
    write_json(out / "manifest.json", Manifest(contender.seed, protocol, criteria, {task: episodes}).document)
    base = Job(CELL, contender, 0, out, effort)
    probe_m = _probe(base, workers, tell)
    jobs = [
        replace(base, number=e.episode, cell=cell, episode=e) for cell in CELLS if cell != DIAGNOSED for e in episodes
    ]
    jobs += [replace(base, kind=AS_IT_IS, number=e.episode, episode=e) for e in episodes]
    jobs += [replace(base, kind=RANKING, number=e.episode, episode=e) for e in episodes[: effort.starts]]
    found = answers(do, kept, jobs, workers, lambda done, of: tell("episodes in all cells", done, of))
    as_it_is = [diagnosed_of(found[job.path]) for job in jobs if job.kind == AS_IT_IS]
    outcomes = {
        cell: [outcome_of(found[job.path]) for job in jobs if job.cell == cell] for cell in CELLS if cell != DIAGNOSED
    }
    outcomes[DIAGNOSED] = [episode.outcome for episode in as_it_is]
    env = environment(contender.task_name, contender.task["camera"], contender.task["resolution"])
    document = _about(comparison, contender, episodes) | findings(
        outcomes,
        as_it_is,
        [found[job.path] for job in jobs if job.kind == RANKING],
        probe_m,
        position_names(env),
        planner.config.horizon,
        contender.setup.model.config.frameskip,
        effort,
        float(comparison.protocol["alpha"]),
        float(comparison.protocol["confidence"]),
    )
    write_json(out / "diagnosis.json", document)
    save_picture(out / "diagnosis.png", document)
    shutil.rmtree(out / "partial", ignore_errors=True)
    return document


def _about(comparison: Comparison, contender: Contender, episodes: Sequence[HeldOutEpisode]) -> dict[str, Any]:
    sha256 = manifest_sha256(episodes)
    return provenance(comparison.command, comparison.seed, comparison.protocol, sha256) | {
        "task": contender.task_name,
        "planner": dict(contender.setup.planner_config),
        "replan_every": contender.setup.replan_every,
        "checkpoint": contender.setup.fingerprint,
    }


def manifest_of(comparison: Comparison, contender: Contender, workers: int) -> list[HeldOutEpisode]:
    """The episodes of a comparison, in their order."""
    numbers = range(comparison.episodes)
    jobs = [
        ManifestJob(contender.task, contender.seed, tuple(numbers[first::workers]), contender.protocol, contender.use)
        for first in range(min(workers, len(numbers)))
    ]
    made = [episode for part in run_jobs(make_manifest, jobs, workers) for episode in part]
    return sorted(made, key=lambda episode: episode.episode)


def _probe(base: Job, workers: int, tell: Progress) -> list[float]:
    """Errors (P,) of the probe in m, which is fitted and kept unless it is there."""
    noted = replace(base, kind=EXPLORE)
    errors = kept(noted)
    if errors is None or not base.probe.is_file():
        jobs = [replace(base, kind=EXPLORE, number=number) for number in range(base.effort.explore)]
        parts: dict[int, Explored] = {}
        for job, part in run_jobs(do, jobs, workers):
            parts[job.number] = part
            tell("explored episodes", len(parts), len(jobs))
        probe, errors = fit_probe([parts[number] for number in sorted(parts)])
        probe.save(base.probe)
        write_json(noted.path, errors)
    return list(errors)


def answers(
    do: Callable[[T], tuple[T, Any]], kept: Callable[[T], Any], jobs: Sequence[T], workers: int, tell: Count
) -> dict[Path, Any]:
    """What every piece came to, by where it is kept: from there, as `kept` reads it, or done now."""
    found = {job.path: answer for job in jobs if (answer := kept(job)) is not None}
    missing = {job.place: job for job in jobs if job.path not in found}
    tell(len(found), len(jobs))
    for done, answer in run_jobs(do, list(missing.values()), workers):
        found[missing[done.place].path] = answer
        tell(len(found), len(jobs))
    return found
