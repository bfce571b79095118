"""Compare planners on the same episodes, beside floors, ceilings and error bars."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from forearm.agent.checkpoint import HeadsMissing
from forearm.agent.guided import PRIOR, is_guided
from forearm.agent.setup import EXPERT, LEARNED, NONE, ORACLE, PlanningSetup
from forearm.common.dotted import is_dotted
from forearm.common.files import remove_leftovers, write_json
from forearm.common.parallel import run_jobs
from forearm.common.progress import ALL_ROWS, Progress
from forearm.errors import ForearmError
from forearm.evaluation.closed_loop import Outcome
from forearm.evaluation.contenders import Contender, label_of
from forearm.evaluation.env_pool import check_simulator, has_expert
from forearm.evaluation.labels import told_apart
from forearm.evaluation.manifest import (
    HeldOutEpisode,
    ManifestJob,
    make_manifest,
    manifest_document,
    manifest_sha256,
    solved_at_start,
)
from forearm.evaluation.pace import seconds_left
from forearm.evaluation.protocol import rules_of
from forearm.evaluation.results import provenance, results
from forearm.evaluation.workers import ChunkJob, film_path, finished, run_chunk

if TYPE_CHECKING:
    from forearm.envs.variation.factors import Variation


@dataclass(frozen=True)
class Comparison:
    """What to compare. `tasks`, `planners` and `protocol` are configs as in configs/; paths are real ones. Where
    `replan_every` is None, or a planner's horizon or action repeat, it is the task's. With `to_end` episodes run on
    after their first success, so that what is held at the end is counted too. Every contender that can notice it runs
    again under each of `variations`, with `goal_varies` on the goal picture too. `command` is what to type for the same
    results.
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
    to_end: bool = True
    variations: "Sequence[Variation]" = ()
    goal_varies: bool = False
    command: str | None = None


def contenders_of(comparison: Comparison) -> list[Contender]:
    """The contenders, without what was left out; see `rows_of`."""
    return rows_of(comparison)[0]


def rows_of(comparison: Comparison) -> tuple[list[Contender], list[str]]:
    """The contenders, task by task: planners on the learned model, the same on the simulator, then the baselines.

    And what was left out, a line each: planners that need heads which a model of one's own has not, and the expert of
    a task that has none. A prior that a plan draws from is a baseline, named or not, wherever there are any. What two
    configs of one task share, such as a baseline, is there once.

    Raises `ForearmError`, ValueError, `envs.MissingExtra` or a checkpoint's own error for anything that would stop one
    later.
    """
    every = comparison.replan_every
    about = comparison.seed, comparison.use, comparison.protocol, comparison.to_end
    contenders: list[Contender] = []
    left_out: list[str] = []

    def learned(task: Mapping[str, Any], planner: Mapping[str, Any]) -> list[PlanningSetup]:
        """A planner on the model of a task, if it has what that needs."""
        try:
            return [PlanningSetup.resolve(task, planner, replan_every=every)]
        except HeadsMissing as error:
            if not is_dotted(str(task["checkpoint"])):
                raise
            left_out.append(f"{planner['name']} on {task['name']}: {error}")
            return []

    def add(*setups: PlanningSetup) -> bool:
        """Whether one of them draws from a prior."""
        made = [Contender(setup, *about) for setup in setups]
        contenders.extend(made)
        return any(contender.draws_prior for contender in made)

    for task in comparison.tasks:
        check_simulator(task["name"], "running episodes")
        planners = comparison.planners if comparison.learned else ()
        prior = add(*(setup for planner in planners for setup in learned(task, planner)))
        if comparison.oracle:
            # What is guided has no oracle, and says so where it has no other contender either.
            of = [planner for planner in comparison.planners if not (comparison.learned and is_guided(planner))]
            add(*(PlanningSetup.resolve(task, planner, dynamics=ORACLE, replan_every=every) for planner in of))
        names = list(comparison.baselines)
        names += [PRIOR] if names and prior else []
        if EXPERT in names and not has_expert(task):
            names.remove(EXPERT)
            left_out.append(f"expert on {task['name']}: the task has no scripted expert")
        if PRIOR in names and is_dotted(str(task["checkpoint"])):
            names.remove(PRIOR)
            left_out.append(f"prior on {task['name']}: model {task['checkpoint']} has no heads")
        add(*(PlanningSetup.baseline(task, name, every) for name in names))
    if not contenders:
        reasons = "".join(f"; left out: {line}" for line in left_out)
        raise ForearmError(f"nothing to compare: choose a planner or a baseline{reasons}")
    _tasks(comparison)
    shared = {one.key: one for one in contenders if not one.searches}
    contenders = [one for one in contenders if one.searches or shared.pop(one.key, None) is not None]
    contenders = told_apart([row for one in contenders for row in (one, *_varied(one, comparison))])
    for contender in contenders:
        contender.check()
    return contenders, list(dict.fromkeys(left_out))


def _varied(contender: Contender, comparison: Comparison) -> list[Contender]:
    """The same under each variation; for one that looks at no frame, under those that it can notice."""
    blind = contender.dynamics != LEARNED
    return [
        replace(contender, variation=variation, goal_varies=comparison.goal_varies)
        for variation in comparison.variations
        if not (blind and variation.about.seen)
    ]


def compare(
    comparison: Comparison,
    batch: int,
    workers: int,
    progress: Progress | None = None,
    left: Callable[[float], None] | None = None,
    live: str | None = None,
) -> dict[str, Any]:
    """Run what has not been run yet, and return and write the results.

    Writes `manifest.json`, `settings.json`, `results.json` and films into the comparison's folder. Outcomes
    are kept there as they come, so a call that was killed goes on where it stopped. They depend on neither
    `batch` nor `workers`, nor on `live`, the `feed_url` of a page that shows episodes while they run.
    `progress` is told of each row, and of `ALL_ROWS`, whose rest takes so many seconds as `left` is told.
    """
    tell = progress or (lambda what, done, of: None)
    contenders, left_out = rows_of(comparison)
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
            jobs.append(ChunkJob(contender, tuple(lacking[start : start + batch]), out, films, live))
    # Rows take turns: how fast a machine is changes by the minute, and shall change alike for all of them.
    jobs.sort(key=lambda job: job.episodes[0].episode)

    def tell_all() -> None:
        tell(ALL_ROWS, sum(_count(outcomes, wanted, one) for one in contenders), sum(map(len, wanted.values())))
        lacking = {one.key: len(wanted[one.key]) - _count(outcomes, wanted, one) for one in contenders}
        if left is not None and (seconds := seconds_left(lacking, outcomes, workers)) is not None:
            left(seconds)

    for contender in contenders:
        tell(contender.label, _count(outcomes, wanted, contender), len(wanted[contender.key]))
    tell_all()
    for contender, ended in run_jobs(run_chunk, jobs, workers):
        outcomes[contender.key] |= {outcome.episode: outcome for outcome in ended}
        tell(contender.label, _count(outcomes, wanted, contender), len(wanted[contender.key]))
        tell_all()

    ordered = [[outcomes[one.key][e.episode] for e in wanted[one.key]] for one in contenders]
    about = provenance(comparison.command, comparison.seed, comparison.protocol, manifest_sha256(everything))
    document = about | results(contenders, ordered, comparison.protocol)
    if left_out:
        document["left_out"] = left_out
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
