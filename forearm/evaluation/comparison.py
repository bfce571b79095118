"""Compare planners on the same episodes, beside floors, ceilings and error bars."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from forearm.agent.action_spec import Holding
from forearm.agent.checkpoint import HeadsMissing
from forearm.agent.guided import PRIOR
from forearm.agent.setup import CPU, EXPERT, LEARNED, NONE, ORACLE, PlanningSetup, no_oracle
from forearm.common.dotted import is_dotted
from forearm.common.engine.run import run_jobs
from forearm.common.files import remove_leftovers, write_json
from forearm.common.progress import ALL_ROWS, Progress
from forearm.errors import ForearmError
from forearm.evaluation.budget import Budget
from forearm.evaluation.closed_loop import Outcome
from forearm.evaluation.contenders import Contender
from forearm.evaluation.env_pool import check_simulator, has_expert
from forearm.evaluation.labels import told_apart
from forearm.evaluation.lengths import lengths_in_steps
from forearm.evaluation.manifest import (
    HeldOutEpisode,
    Manifest,
    ManifestJob,
    check_manifest,
    make_manifest,
    manifest_sha256,
    solved_at_start,
)
from forearm.evaluation.pace import seconds_left
from forearm.evaluation.pooling import pooled
from forearm.evaluation.protocol import criteria_of, rules_of
from forearm.evaluation.results import earlier_rows, provenance, row_of
from forearm.evaluation.verdicts import judged
from forearm.evaluation.workers import ChunkJob, film_path, finished, put_away, run_chunk, tidy

if TYPE_CHECKING:
    from forearm.envs.variation.factors import Variation


@dataclass(frozen=True)
class Comparison:
    """What to compare. `tasks`, `planners` and `protocol` are configs as in configs/; paths are real ones. Where
    `replan_every` is None, or a planner's horizon or action repeat, it is the task's. With `to_end` episodes run on
    after their first success, so that what is held at the end is counted too. Every contender that can notice it runs
    again under each of `variations`, with `goal_varies` on the goal picture too. `command` is what to type for the same
    results. With a `manifest` its episodes are run, the first `episodes` of each task, else such as `seed` draws. With
    several `seeds` each has a folder of its own below `out`, and rows hold the episodes of all. `budget` is the same
    for every search; `device` is where world models are. `hold` says of a task's config what holds its arm still, where
    an adapter is chosen.
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
    variations: "Sequence[Variation]" = ()
    goal_varies: bool = False
    command: str | None = None
    manifest: Manifest | None = None
    seeds: tuple[int, ...] = ()
    budget: Budget | None = None
    device: str = CPU
    hold: Callable[[Mapping[str, Any]], Holding | None] = lambda task: None

    def __post_init__(self) -> None:
        """Make control steps of lengths in seconds; raises `ForearmError` where no simulator says how long one is."""
        tasks, protocol = lengths_in_steps(self.tasks, self.protocol)
        object.__setattr__(self, "tasks", tasks)
        object.__setattr__(self, "protocol", protocol)


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

    settled = partial(PlanningSetup.resolve, replan_every=every, device=comparison.device)

    def learned(task: Mapping[str, Any], planner: Mapping[str, Any]) -> list[PlanningSetup]:
        """A planner on the model of a task, if it has what that needs."""
        try:
            return [settled(task, planner)]
        except HeadsMissing as error:
            if not is_dotted(str(task["checkpoint"])):
                raise
            left_out.append(f"{planner['name']} on {task['name']}: {error}")
            return []

    def add(*setups: PlanningSetup) -> bool:
        """Whether one of them draws from a prior."""
        given = setups if comparison.budget is None else map(comparison.budget.given_to, setups)
        made = [Contender(replace(setup, hold=comparison.hold(setup.task)), *about) for setup in given]
        contenders.extend(made)
        return any(contender.draws_prior for contender in made)

    for task in comparison.tasks:
        check_simulator(task["name"], "running episodes")
        planners = comparison.planners if comparison.learned else ()
        prior = add(*(setup for planner in planners for setup in learned(task, planner)))
        if comparison.oracle:
            # What needs latents has no oracle, and says so where it has no other contender either.
            of = [planner for planner in comparison.planners if not (comparison.learned and no_oracle(planner))]
            add(*(settled(task, planner, dynamics=ORACLE) for planner in of))
        names = list(comparison.baselines)
        names += [PRIOR] if names and prior else []
        if EXPERT in names and not has_expert(task):
            names.remove(EXPERT)
            left_out.append(f"expert on {task['name']}: the task has no scripted expert")
        if PRIOR in names and is_dotted(str(task["checkpoint"])):
            names.remove(PRIOR)
            left_out.append(f"prior on {task['name']}: model {task['checkpoint']} has no heads")
        add(*(PlanningSetup.baseline(task, name, every, comparison.device) for name in names))
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
    if len(comparison.seeds) > 1:
        return _seed_by_seed(comparison, batch, workers, tell, left, live)
    contenders, left_out = rows_of(comparison)
    out = comparison.out
    remove_leftovers(out)
    manifest = _manifest(comparison, workers, tell)
    episodes = manifest.episodes
    write_json(out / "manifest.json", manifest.document)
    described = [{"key": contender.key, "name": contender.name} | contender.document for contender in contenders]
    write_json(out / "settings.json", {"rows": described, "protocol": dict(comparison.protocol)})

    wanted = {one.key: _episodes_of(one, episodes[one.task_name], comparison) for one in contenders}
    earlier = earlier_rows(out)
    _rename_films(out, contenders, earlier)
    filmed_of = {one.key: comparison.films if one.dynamics != NONE else 0 for one in contenders}
    outcomes = {
        one.key: finished(out, one, wanted[one.key], earlier.get(one.key), filmed_of[one.key]) for one in contenders
    }
    jobs: list[ChunkJob] = []
    for contender in contenders:
        films = filmed_of[contender.key]
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

    protocol = comparison.protocol
    alpha, confidence = float(protocol["alpha"]), float(protocol["confidence"])
    rows = []
    for one in contenders:
        ran = wanted[one.key]
        filmed = [_film(out, one.label, episode.episode, filmed_of[one.key]) for episode in ran]
        rows.append(row_of(one, ran, [outcomes[one.key][episode.episode] for episode in ran], filmed, confidence))
    document = provenance(comparison.command, comparison.seed, protocol, manifest_sha256(manifest.everything)) | {
        "seeds": [comparison.seed],
        "manifests": manifest.sha256,
        "criteria": {task: dict(found) for task, found in manifest.criteria.items()},
        "budget": None if comparison.budget is None else str(comparison.budget),
        "device": comparison.device,
        "alpha": alpha,
        "confidence": confidence,
        "rows": rows,
        **judged(rows, alpha, confidence),
        "solved_at_start": {task: solved_at_start(episodes[task]) for task in episodes},
    }
    if left_out:
        document["left_out"] = left_out
    held = {str(row["key"]): row for row in rows}
    put_away(out, held, earlier)
    write_json(out / "results.json", document)
    tidy(out, held)
    return document


def _seed_by_seed(
    comparison: Comparison,
    batch: int,
    workers: int,
    tell: Progress,
    left: Callable[[float], None] | None,
    live: str | None,
) -> dict[str, Any]:
    """A comparison for each seed, and one table of them all."""
    parts = []
    for seed in comparison.seeds:
        alone = replace(comparison, seed=seed, seeds=(), out=comparison.out / f"seed-{seed}")

        def told(what: str, done: int, of: int, seed: int = seed) -> None:
            tell(what if what == ALL_ROWS else f"{what} (seed {seed})", done, of)

        parts.append((alone.out, compare(alone, batch, workers, told, left, live)))
    document = pooled(parts, comparison.out)
    write_json(comparison.out / "results.json", document)
    return document


def films_of(comparison: Comparison, document: Mapping[str, Any]) -> list[Path]:
    """Films that a finished comparison, whose results are `document`, has written."""
    named = [outcome.get("film") for row in document["rows"] for outcome in row["outcomes"]]
    paths = [comparison.out / name for name in named if name]
    return [path for path in paths if path.exists()]


def _film(out: Path, label: str, episode: int, films: int) -> str | None:
    """Where the film of an episode is, beside results.json; None where there is none."""
    path = film_path(out, label, episode)
    return path.relative_to(out).as_posix() if episode < films and path.exists() else None


def _rename_films(out: Path, contenders: Sequence[Contender], earlier: Mapping[str, Mapping[str, Any]]) -> None:
    """Give films of rows that are kept the names that these now have, as labels say what differs in this table."""
    moved = []
    for contender in contenders:
        row = earlier.get(contender.key)
        if row is None or row["label"] == contender.label:
            continue
        for outcome in row["outcomes"]:
            path = film_path(out, str(row["label"]), outcome["episode"])
            if outcome.get("film") and path.exists():
                waiting = path.with_name(f".{contender.key}-{outcome['episode']}.tmp.mp4")
                path.replace(waiting)
                moved.append((waiting, film_path(out, contender.label, outcome["episode"])))
    for waiting, path in moved:
        waiting.replace(path)


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


def _manifest(comparison: Comparison, workers: int, tell: Progress) -> Manifest:
    """The episodes of every task: of the comparison's manifest, or drawn."""
    tasks = _tasks(comparison)
    criteria = {name: criteria_of(comparison.protocol, task) for name, task in tasks.items()}
    given = comparison.manifest
    if given is None:
        drawn = draw_manifest(
            tasks, comparison.protocol, comparison.seed, comparison.episodes, workers, comparison.use, tell
        )
        return Manifest(comparison.seed, comparison.protocol, criteria, drawn)
    check_manifest(given, comparison.seed, comparison.episodes, criteria)
    first = {name: given.episodes[name][: comparison.episodes] for name in tasks}
    return Manifest(given.seed, comparison.protocol, criteria, first)


def draw_manifest(
    tasks: Mapping[str, Mapping[str, Any]],
    protocol: Mapping[str, Any],
    seed: int,
    episodes: int,
    workers: int,
    use: tuple[str, ...] = (),
    tell: Progress = lambda what, done, of: None,
) -> dict[str, list[HeldOutEpisode]]:
    """So many episodes of every task, made in pieces by the workers; raises like `make_episode`."""
    size = 25
    jobs = []
    for task in tasks.values():
        for start in range(0, episodes, size):
            numbers = tuple(range(start, min(start + size, episodes)))
            jobs.append(ManifestJob(task, seed, numbers, protocol, use))
    found: dict[str, list[HeldOutEpisode]] = {name: [] for name in tasks}
    total, done = episodes * len(tasks), 0
    tell("manifest", 0, total)
    for made in run_jobs(make_manifest, jobs, workers):
        found[made[0].task] += made
        done += len(made)
        tell("manifest", done, total)
    return {task: sorted(made, key=lambda e: e.episode) for task, made in found.items()}


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
