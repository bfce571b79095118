"""Compare planners on the same episodes, beside floors, ceilings and error bars."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from forearm.agent.action_spec import Holding
from forearm.agent.guided import PRIOR, is_guided
from forearm.agent.setup import NONE, ORACLE, PlanningSetup
from forearm.common.files import remove_leftovers, write_json
from forearm.common.parallel import run_jobs
from forearm.common.progress import Progress
from forearm.errors import ForearmError
from forearm.evaluation.closed_loop import Outcome
from forearm.evaluation.contenders import Contender, label_of
from forearm.evaluation.env_pool import check_simulator
from forearm.evaluation.labels import told_apart
from forearm.evaluation.lengths import lengths_in_steps
from forearm.evaluation.manifest import HeldOutEpisode, manifest_document, manifest_sha256, solved_at_start
from forearm.evaluation.protocol import rules_of
from forearm.evaluation.results import provenance, results
from forearm.evaluation.workers import ChunkJob, ManifestJob, film_path, finished, make_manifest, run_chunk


@dataclass(frozen=True)
class Comparison:
    """What to compare. `tasks`, `planners` and `protocol` are configs as in configs/; paths are real ones. Where
    `replan_every` is None, or a planner's horizon or action repeat, it is the task's. With `to_end` episodes run on
    after their first success, so that what is held at the end is counted too. `command` is what to type for the same
    results. `hold` says of a task's config what holds its arm still, where an adapter is chosen.
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
    replan_every: int | str | None = 1
    films: int = 2
    use: tuple[str, ...] = ()
    to_end: bool = True
    command: str | None = None
    hold: Callable[[Mapping[str, Any]], Holding | None] = lambda task: None

    def __post_init__(self) -> None:
        """Make control steps of lengths in seconds; raises `ForearmError` where no simulator says how long one is."""
        tasks, protocol = lengths_in_steps(self.tasks, self.protocol)
        object.__setattr__(self, "tasks", tasks)
        object.__setattr__(self, "protocol", protocol)


def contenders_of(comparison: Comparison) -> list[Contender]:
    """The contenders, task by task: planners on the learned model, the same on the simulator, then the baselines.

    A prior that a plan draws from is a baseline, named or not, wherever there are any. What two configs of one task
    share, such as a baseline, is there once.

    Raises `ForearmError`, ValueError, `envs.MissingExtra` or a checkpoint's own error for anything that would stop one
    later.
    """
    every = comparison.replan_every
    about = comparison.seed, comparison.use, comparison.protocol, comparison.to_end
    contenders: list[Contender] = []

    def add(*setups: PlanningSetup) -> bool:
        """Whether one of them draws from a prior."""
        made = [Contender(replace(setup, hold=comparison.hold(setup.task)), *about) for setup in setups]
        contenders.extend(made)
        return any(contender.draws_prior for contender in made)

    for task in comparison.tasks:
        check_simulator(task["name"], "running episodes")
        planners = comparison.planners if comparison.learned else ()
        prior = add(*(PlanningSetup.resolve(task, planner, replan_every=every) for planner in planners))
        if comparison.oracle:
            # What is guided has no oracle, and says so where it has no other contender either.
            of = [planner for planner in comparison.planners if not (comparison.learned and is_guided(planner))]
            add(*(PlanningSetup.resolve(task, planner, dynamics=ORACLE, replan_every=every) for planner in of))
        names = list(comparison.baselines)
        names += [PRIOR] if names and prior else []
        add(*(PlanningSetup.baseline(task, name, every) for name in names))
    if not contenders:
        raise ForearmError("nothing to compare: choose a planner or a baseline")
    _tasks(comparison)
    shared = {one.key: one for one in contenders if not one.searches}
    contenders = told_apart([one for one in contenders if one.searches or shared.pop(one.key, None) is not None])
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
    described = [{"key": contender.key, "name": contender.name} | contender.document for contender in contenders]
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
    # Rows take turns: how fast a machine is changes by the minute, and shall change alike for all of them.
    jobs.sort(key=lambda job: job.episodes[0].episode)
    for contender in contenders:
        tell(contender.label, _count(outcomes, wanted, contender), len(wanted[contender.key]))
    for contender, ended in run_jobs(run_chunk, jobs, workers):
        outcomes[contender.key] |= {outcome.episode: outcome for outcome in ended}
        tell(contender.label, _count(outcomes, wanted, contender), len(wanted[contender.key]))

    ordered = [[outcomes[one.key][e.episode] for e in wanted[one.key]] for one in contenders]
    about = provenance(comparison.command, comparison.seed, comparison.protocol, manifest_sha256(everything))
    document = about | results(contenders, ordered, comparison.protocol)
    document["solved_at_start"] = {task: solved_at_start(episodes[task]) for task in episodes}
    write_json(out / "results.json", document)
    shutil.rmtree(out / "partial", ignore_errors=True)
    return document


def films_of(comparison: Comparison, document: Mapping[str, Any]) -> list[Path]:
    """Films that a finished comparison, whose results are `document`, has written."""
    rows = [row for row in document["rows"] if row["dynamics"] != NONE]
    labels = [row.get("label") or label_of(row["task"], row["planner"], row["dynamics"]) for row in rows]
    paths = [film_path(comparison.out, label, episode) for label in labels for episode in range(comparison.films)]
    return [path for path in paths if path.exists()]


def _tasks(comparison: Comparison) -> dict[str, Mapping[str, Any]]:
    """A config of every task, by name: those that differ in their checkpoint, say, have the same episodes.

    Raises `ForearmError` for rules that make no sense, or that give two configs of one task other episodes.
    """
    found: dict[str, Mapping[str, Any]] = {}
    for task in comparison.tasks:
        name = str(task["name"])
        if rules_of(comparison.protocol, found.setdefault(name, task)) != rules_of(comparison.protocol, task):
            raise ForearmError(
                f"two configs of task {name} have episodes of their own (collect.steps), which cannot be paired: "
                "set protocol.trajectory_steps="
            )
    return found


def _manifests(comparison: Comparison, workers: int, tell: Progress) -> dict[str, list[HeldOutEpisode]]:
    """The episodes of every task, made in pieces by the workers."""
    size = 25
    jobs, tasks = [], _tasks(comparison)
    for task in tasks.values():
        for start in range(0, comparison.episodes, size):
            numbers = tuple(range(start, min(start + size, comparison.episodes)))
            jobs.append(ManifestJob(task, comparison.seed, numbers, comparison.protocol, comparison.use))
    found: dict[str, list[HeldOutEpisode]] = {name: [] for name in tasks}
    total, done = comparison.episodes * len(tasks), 0
    tell("manifest", 0, total)
    for episodes in run_jobs(make_manifest, jobs, workers):
        found[episodes[0].task] += episodes
        done += len(episodes)
        tell("manifest", done, total)
    return {task: sorted(episodes, key=lambda e: e.episode) for task, episodes in found.items()}


def _episodes_of(
    contender: Contender, episodes: Sequence[HeldOutEpisode], comparison: Comparison
) -> Sequence[HeldOutEpisode]:
    return episodes[: comparison.oracle_episodes] if contender.dynamics == ORACLE else episodes


def _is_done(
    out: Path, contender: Contender, episode: HeldOutEpisode, films: int, outcomes: Mapping[int, Outcome]
) -> bool:
    filmed = episode.episode >= films or film_path(out, contender.label, episode.episode).exists()
    return episode.episode in outcomes and filmed


def _count(
    outcomes: Mapping[str, Mapping[int, Outcome]], wanted: Mapping[str, Sequence[HeldOutEpisode]], contender: Contender
) -> int:
    return sum(episode.episode in outcomes[contender.key] for episode in wanted[contender.key])
