from typing import Any

import numpy as np
import pytest

from forearm import envs
from forearm.errors import ForearmError
from forearm.evaluation.closed_loop import check_start
from forearm.evaluation.manifest import HeldOutEpisode, Manifest, make_episode, manifest_sha256
from forearm.evaluation.protocol import Rules


@pytest.fixture(scope="module")
def env() -> Any:
    made = envs.make("push")
    yield made
    made.close()


def episodes(env: Any, numbers: Any, seed: int = 0) -> list[HeldOutEpisode]:
    return [make_episode(env, seed, n, rules=Rules()) for n in numbers]


def test_a_manifest_does_not_depend_on_how_many_episodes_it_has_or_on_their_order(env: Any) -> None:
    few, many = episodes(env, range(2)), episodes(env, [3, 2, 1, 0])[::-1]
    assert few == many[:2]
    assert manifest_sha256(few) != manifest_sha256(many)


def test_another_seed_is_another_manifest(env: Any) -> None:
    assert episodes(env, [0])[0].sha256 != episodes(env, [0], seed=1)[0].sha256


def test_the_start_is_the_one_that_a_reset_gives(env: Any) -> None:
    (episode,) = episodes(env, [5])
    _, info = env.reset(seed=episode.seed)
    check_start(env, episode)
    assert info["distance_m"] == episode.start_distance_m > 0.04
    assert np.allclose(info["goal_state"], episode.goal_state, atol=1e-5)
    env.step(np.ones(4))
    with pytest.raises(ForearmError, match="does not start"):
        check_start(env, episode)


def test_the_document_holds_states_seeds_and_hashes(env: Any) -> None:
    document = Manifest(0, {"name": "rest"}, {"push": {}}, {"push": episodes(env, range(2))}).document
    assert len(document["episodes"]) == 2 and len(document["sha256"]) == 64
    assert {"start_state", "goal_state", "seed", "sha256"} <= set(document["episodes"][0])


def test_a_start_in_motion_or_already_solved_is_refused(env: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    reset = env.reset

    def moving(**keywords: Any) -> Any:
        result = reset(**keywords)
        env.data.qvel[9:12] = 1.0  # the object slides
        return result

    monkeypatch.setattr(env, "reset", moving)
    with pytest.raises(ForearmError, match="at rest"):
        episodes(env, [0])
    monkeypatch.setattr(env, "reset", reset)
    monkeypatch.setattr("forearm.evaluation.manifest.meets", lambda env, rules: True)
    with pytest.raises(ForearmError, match="solved before"):
        episodes(env, [0])
