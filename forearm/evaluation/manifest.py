"""The manifest: which episodes an evaluation consists of, fixed before any planner has seen one."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from forearm.agent.scripted import holding
from forearm.common.engine.luggage import Luggage
from forearm.common.parallel import import_modules
from forearm.common.seeds import redrawn_seed
from forearm.errors import ForearmError, one_line
from forearm.evaluation.env_pool import environment
from forearm.evaluation.luggage import luggage_of
from forearm.evaluation.protocol import Rules, begin, meets, rules_of
from forearm.settings.words import written

if TYPE_CHECKING:
    from forearm.envs import Environment

TRIES = 200
"""Pairs that are drawn for an episode before giving up on an unsolved one."""


@dataclass(frozen=True)
class HeldOutEpisode:
    """One episode: where it starts and what it must reach.

    `start_state` and `goal_state` are simulator snapshots, rounded to a micrometre or microradian, for the
    record; what is run is the reset with `seed`. `sha256` is over task, number, seed, and where hand and
    object start and must end, to a tenth of a millimetre. `solved`: the start already meets the criterion; `dropped`
    starts before this one did so and were drawn again.
    """

    task: str
    episode: int
    seed: int
    start_state: tuple[float, ...]
    goal_state: tuple[float, ...]
    start_distance_m: float
    sha256: str
    solved: bool = False
    dropped: int = 0


@dataclass(frozen=True)
class ManifestJob:
    """Episodes `numbers` of one task."""

    task: Mapping[str, Any]
    seed: int
    numbers: tuple[int, ...]
    protocol: Mapping[str, Any]
    use: tuple[str, ...] = ()

    @property
    def luggage(self) -> list[Luggage]:
        """See `forearm.common.engine.luggage`."""
        return list(luggage_of(self.use))


def make_manifest(job: ManifestJob) -> list[HeldOutEpisode]:
    """Make and check the episodes of `job`, in a worker process: torch is not loaded for that."""
    import_modules(job.use)
    env = environment(job.task["name"], job.task["camera"], job.task["resolution"])
    return [make_episode(env, job.seed, e, rules_of(job.protocol, job.task)) for e in job.numbers]


def make_episode(env: "Environment", seed: int, episode: int, rules: Rules) -> HeldOutEpisode:
    """The `episode`-th held-out episode of `env`'s task for `seed`, drawn as `rules` say.

    A start that already meets the criterion is drawn again where the rules say so.

    Raises `ForearmError` if no unsolved start is found, for numbers that are not finite, or for a start from which hand
    or object move by themselves by more than their tolerance within one control step.
    """
    for dropped in range(TRIES):
        reset_seed = redrawn_seed(seed, episode, dropped)
        info = begin(env, rules, reset_seed, episode)[1]
        solved = meets(env, rules)
        if not (solved and rules.drop_solved):
            break
    else:
        raise ForearmError(
            f"{env.name}: episode {episode} of seed {seed} is solved before it starts, {TRIES} times in a row: "
            "mend the task's starts and goals, or set protocol.drop_solved=false"
        )
    start, goal = _rounded(env.snapshot()), _rounded(info["goal_state"])
    distance = float(info["distance_m"])
    if not np.isfinite([*start, *goal, distance]).all():
        raise ForearmError(
            f"{env.name}: episode {episode} of seed {seed} starts or ends where numbers are not finite: mend the task"
        )
    before = _positions(env)
    if rules.rest_tolerance_m is not None:
        env.advance(holding(env).act())
        moved = float(np.linalg.norm(_positions(env) - before, axis=-1).max())
        if moved > rules.rest_tolerance_m:
            raise ForearmError(
                f"{env.name}: episode {episode} of seed {seed} does not start at rest: "
                f"something moves by {moved * 1000:.1f} mm while the arm holds still"
            )
    env.restore(info["goal_state"])
    places = [np.round(positions * 1e4).astype(int).tolist() for positions in (before, _positions(env))]
    digest = hashlib.sha256(json.dumps([env.name, episode, reset_seed, places]).encode()).hexdigest()
    return HeldOutEpisode(env.name, episode, reset_seed, start, goal, distance, digest, solved, dropped)


def manifest_sha256(episodes: Sequence[HeldOutEpisode]) -> str:
    """One hash for a whole list of episodes, in order."""
    return hashlib.sha256("\n".join(episode.sha256 for episode in episodes).encode()).hexdigest()


@dataclass(frozen=True)
class Manifest:
    """Episodes by task, the protocol's config they were drawn by, and what makes up a success on each task."""

    seed: int
    protocol: Mapping[str, Any]
    criteria: Mapping[str, Mapping[str, Any]]
    episodes: Mapping[str, Sequence[HeldOutEpisode]]

    @property
    def everything(self) -> list[HeldOutEpisode]:
        """Episodes of all tasks, in order."""
        return [episode for task in self.episodes.values() for episode in task]

    @property
    def document(self) -> dict[str, Any]:
        """The manifest as JSON."""
        return {
            "seed": self.seed,
            "sha256": manifest_sha256(self.everything),
            "protocol": dict(self.protocol),
            "criteria": {task: dict(found) for task, found in self.criteria.items()},
            "episodes": [asdict(episode) for episode in self.everything],
        }

    @property
    def sha256(self) -> dict[str, str]:
        """One hash for each task."""
        return {task: manifest_sha256(episodes) for task, episodes in self.episodes.items()}


def read_manifest(path: Path) -> Manifest:
    """The manifest in a file.

    Raises `ForearmError` for one that cannot be read, is of an earlier release, or whose hash is not that of its
    episodes.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if "criteria" not in document:
            raise ForearmError(
                f"manifest={path}: it does not say what a success is (criteria): write one anew with 'forearm manifest'"
            )
        whole = [_read(entry) for entry in document["episodes"]]
        protocol, criteria = dict(document["protocol"]), {str(t): dict(c) for t, c in document["criteria"].items()}
        seed, sha256 = int(document["seed"]), str(document["sha256"])
        str(protocol["name"])
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        if isinstance(error, ForearmError):
            raise
        raise ForearmError(
            f"manifest={path}: cannot be read as a manifest ({one_line(error)}): write one with 'forearm manifest'"
        ) from None
    episodes = {task: [episode for episode in whole if episode.task == task] for task in criteria}
    numbers = [[episode.episode for episode in found] for found in episodes.values()]
    counted = bool(numbers) and all(found == list(range(len(numbers[0]))) and found for found in numbers)
    if not counted or sum(map(len, numbers)) != len(whole) or manifest_sha256(whole) != sha256:
        raise ForearmError(f"manifest={path}: its episodes are not those of its hash: was it edited?")
    return Manifest(seed, protocol, criteria, episodes)


def check_manifest(manifest: Manifest, seed: int, episodes: int, criteria: Mapping[str, Mapping[str, Any]]) -> None:
    """Raise `ForearmError`, with the field that differs, for a comparison that is not of a manifest's episodes."""
    for task, found in criteria.items():
        if task not in manifest.episodes:
            raise ForearmError(f"task={task} is not in the manifest, which has {', '.join(manifest.episodes)}")
        if field := differing(manifest.criteria[task], found):
            here, there = written(found.get(field)), written(manifest.criteria[task].get(field))
            raise ForearmError(
                f"{task}: {field} is {here} here, but {there} in the manifest: what is counted would not be the same; "
                "leave the setting to the manifest, or write another with 'forearm manifest'"
            )
        if episodes > len(manifest.episodes[task]):
            raise ForearmError(
                f"episodes={episodes}, but the manifest has {len(manifest.episodes[task])} of {task}: write a longer "
                "one with 'forearm manifest'"
            )
    if seed != manifest.seed:
        raise ForearmError(f"seed={seed}, but the manifest was drawn with seed={manifest.seed}: leave seed= out")


def _read(entry: Mapping[str, Any]) -> HeldOutEpisode:
    states = {key: tuple(map(float, entry[key])) for key in ("start_state", "goal_state")}
    return HeldOutEpisode(**{**entry, **states})


def differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> str | None:
    """The first field whose values differ."""
    return next((key for key in {**one, **other} if one.get(key) != other.get(key)), None)


def solved_at_start(episodes: Sequence[HeldOutEpisode]) -> dict[str, int]:
    """How many pairs of start and goal were `drawn`, and how many of them were `solved` before anything moved."""
    dropped = sum(episode.dropped for episode in episodes)
    return {"drawn": len(episodes) + dropped, "solved": sum(episode.solved for episode in episodes) + dropped}


def _positions(env: "Environment") -> np.ndarray:
    """Hand and objects: (1 or more, 3) in metres."""
    return np.stack(list(env.positions().values()))


def _rounded(state: np.ndarray) -> tuple[float, ...]:
    # The last bits differ between processors; adding 0 turns -0.0 into 0.0.
    return tuple(float(x) for x in np.round(np.asarray(state, np.float64), 6) + 0.0)
