"""Futures of the built-in arm in one call into MuJoCo are those of stepping, to the bit."""

import numpy as np
import pytest

from forearm import envs
from forearm.envs.arm import futures


@pytest.fixture(params=["push", "pick_place"])
def arm(request):
    env = envs.make(request.param)
    env.reset(seed=7)
    policy = envs.explorer(env, np.random.default_rng(3))
    for _ in range(12):
        env.step(policy.act())
    yield env
    env.close()


def looked(env):
    """All that a diagnosis looks at, and how far the episode is."""
    places = np.stack(list(env.positions().values()))
    return places, env.distance(), env.cost(), env.success(), env.steps, env.proprio(), env.render()


def test_every_state_that_is_visited_is_that_of_stepping(arm):
    start = arm.snapshot()
    actions = np.random.default_rng(0).normal(0, 0.8, (4, 6, 4))
    found = {at: looked(arm) for at in envs.visit(arm, start, actions)}
    assert list(found) == [(k, h) for k in range(4) for h in range(6)]
    for k in range(4):
        arm.restore(start)
        for h in range(6):
            arm.advance(actions[k, h])
            for value, expected in zip(found[k, h], looked(arm), strict=True):
                assert np.array_equal(value, expected)


@pytest.mark.skipif(not futures.BATCHES, reason="needs mujoco 3.17")
def test_a_batch_gives_what_a_rollout_gives(arm, monkeypatch):
    start, actions = arm.snapshot(), np.random.default_rng(1).uniform(-1, 1, (5, 4, 4))
    batched = futures.full_states(arm, start, actions, threads=2)
    monkeypatch.setattr(futures, "BATCHES", False)
    assert np.array_equal(batched, futures.full_states(arm, start, actions))
