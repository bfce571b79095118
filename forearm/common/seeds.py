"""Where every random number starts.

An episode's seed depends on what the episode is for and on its number, never on the process, the batch or the
order in which it runs. Resets for data and resets for evaluation are drawn from two ranges that do not
meet, so that no evaluation episode can have been seen in training.
"""

import numpy as np

_HALF = 2**30
_COLLECTION, _EVALUATION = 1, 2
_PLANNING, _POLICY, _VARIATION, _VARIED = 3, 4, 5, 6


def collection_rng(seed: int, episode: int) -> np.random.Generator:
    """The random stream of one episode of a data collection."""
    return np.random.default_rng([seed, _COLLECTION, episode])


def collection_reset_seed(seed: int, episode: int) -> int:
    """Seed for the environment's reset in a data collection, in [0, 2^30)."""
    return _draw(seed, _COLLECTION, episode)


def evaluation_reset_seed(seed: int, episode: int) -> int:
    """Seed for the environment's reset in an evaluation, in [2^30, 2^31): held out from every collection."""
    return _HALF + _draw(seed, _EVALUATION, episode)


def redrawn_seed(seed: int, episode: int, attempt: int) -> int:
    """Seed for the `attempt`-th try at an evaluation episode, from the same range; try 0 is `evaluation_reset_seed`."""
    if not attempt:
        return evaluation_reset_seed(seed, episode)
    state = np.random.SeedSequence([seed, _EVALUATION, episode, attempt]).generate_state(1, np.uint32)
    return _HALF + int(state[0]) % _HALF


def planning_seed(seed: int, episode: int) -> int:
    """Seed of the planner's own random stream in one evaluation episode."""
    return _draw(seed, _PLANNING, episode)


def policy_rng(seed: int, episode: int) -> np.random.Generator:
    """Random stream of a policy that does not plan (the random floor, the scripted expert)."""
    return np.random.default_rng([seed, _POLICY, episode])


def variation_rng(reset_seed: int) -> np.random.Generator:
    """Random stream of what is otherwise in the episode that was reset with this seed, whatever its strength."""
    return np.random.default_rng([reset_seed, _VARIATION])


def varied_rng(reset_seed: int) -> np.random.Generator:
    """Random stream that decides by what the episode that was reset with this seed is varied, in a data collection."""
    return np.random.default_rng([reset_seed, _VARIED])


def _draw(seed: int, purpose: int, episode: int) -> int:
    state = np.random.SeedSequence([seed, purpose, episode]).generate_state(1, np.uint32)
    return int(state[0]) % _HALF
