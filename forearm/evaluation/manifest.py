"""The manifest: which episodes an evaluation consists of, fixed before any planner has seen one."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from forearm.agent.scripted import holding
from forearm.common.parallel import import_modules
from forearm.common.seeds import redrawn_seed
from forearm.errors import ForearmError
from forearm.evaluation.env_pool import environment
from forearm.evaluation.protocol import Rules, begin, meets, rules_of

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


def manifest_document(seed: int, episodes: Sequence[HeldOutEpisode]) -> dict[str, Any]:
    """The manifest as JSON."""
    return {
        "seed": seed,
        "sha256": manifest_sha256(episodes),
        "episodes": [asdict(episode) for episode in episodes],
    }


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
