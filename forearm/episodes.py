"""The manifest: which episodes an evaluation consists of, fixed before any planner has seen one."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from forearm.errors import ForearmError
from forearm.seeds import evaluation_reset_seed


@dataclass(frozen=True)
class Episode:
    """One episode: where it starts and what it must reach.

    `start_state` and `goal_state` are simulator snapshots, rounded to a micrometre or microradian, for the
    record; what is run is the reset with `seed`. `sha256` is over task, number, seed, and where hand and
    object start and must end, to a tenth of a millimetre.
    """

    task: str
    episode: int
    seed: int
    start_state: tuple[float, ...]
    goal_state: tuple[float, ...]
    start_distance_m: float
    sha256: str


def make_episode(env: Any, task: str, seed: int, episode: int, rest_tolerance_m: float) -> Episode:
    """The `episode`-th held-out episode of `task` for `seed`, after checking that it starts at rest and
    unsolved.

    Raises `ForearmError` for a start that is already solved, or from which hand or object move by
    themselves by more than `rest_tolerance_m` within one control step.
    """
    reset_seed = evaluation_reset_seed(seed, episode)
    info = env.reset(seed=reset_seed)[1]
    start, goal = _rounded(env.snapshot()), _rounded(info["goal_state"])
    if info["success"]:
        raise ForearmError(
            f"{task}: episode {episode} of seed {seed} is solved before it starts: mend the task's sampler"
        )
    distance = float(info["distance_m"])
    before = _positions(env)
    env.step(np.zeros(env.action_space.shape, np.float32))
    moved = float(np.linalg.norm(_positions(env) - before, axis=-1).max())
    if moved > rest_tolerance_m:
        raise ForearmError(
            f"{task}: episode {episode} of seed {seed} does not start at rest: "
            f"something moves by {moved * 1000:.1f} mm while the arm holds still"
        )
    env.restore(info["goal_state"])
    places = [np.round(positions * 1e4).astype(int).tolist() for positions in (before, _positions(env))]
    digest = hashlib.sha256(json.dumps([task, episode, reset_seed, places]).encode()).hexdigest()
    return Episode(task, episode, reset_seed, start, goal, distance, digest)


def manifest_sha256(episodes: Sequence[Episode]) -> str:
    """One hash for a whole list of episodes, in order."""
    return hashlib.sha256("\n".join(episode.sha256 for episode in episodes).encode()).hexdigest()


def manifest_document(seed: int, episodes: Sequence[Episode]) -> dict[str, Any]:
    """The manifest as JSON."""
    return {
        "seed": seed,
        "sha256": manifest_sha256(episodes),
        "episodes": [asdict(episode) for episode in episodes],
    }


def _positions(env: Any) -> np.ndarray:
    """Hand and, where there is one, object: (1 or 2, 3) in metres."""
    found = np.stack([env.ee_position(), env.object_position()])
    return found[np.isfinite(found).all(-1)]


def _rounded(state: np.ndarray) -> tuple[float, ...]:
    # The last bits differ between processors; adding 0 turns -0.0 into 0.0.
    return tuple(float(x) for x in np.round(np.asarray(state, np.float64), 6) + 0.0)
