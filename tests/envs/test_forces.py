"""Force and torque of the built-in arm: beside the readings that were there, and the same again after a snapshot."""

import numpy as np
import pytest

from forearm import envs
from forearm.envs import registry
from forearm.envs.arm.felt import FELT


@pytest.fixture(scope="module")
def both():
    plain, feeling = envs.ArmEnv("push", resolution=16), envs.ArmEnv("push", resolution=16, forces=True)
    for env in (plain, feeling):
        env.reset(seed=3, options={"goal": False})
    return plain, feeling


def test_forces_change_nothing_but_what_is_read(both) -> None:
    plain, feeling = both
    assert feeling.state_names == (*plain.state_names, *FELT) and len(plain.snapshot()) + 10 == len(feeling.snapshot())
    for action in np.random.default_rng(0).uniform(-1, 1, (4, 4)):
        plain.advance(action)
        feeling.advance(action)
        assert np.array_equal(plain.proprio(), feeling.proprio()[:15])
    state, felt = feeling.snapshot(), feeling.proprio()
    feeling.advance(np.ones(4))
    after = feeling.proprio()
    feeling.restore(state)
    assert np.array_equal(feeling.proprio(), felt)
    feeling.advance(np.ones(4))
    assert np.array_equal(feeling.proprio(), after)


def test_the_wrist_carries_the_hand_and_feels_the_table(both) -> None:
    _, feeling = both
    feeling.reset(seed=3, options={"goal": False})
    for _ in range(5):
        feeling.advance(np.zeros(4))
    weight = 9.81 * feeling.model.body_subtreemass[feeling.data.body("hand").id]
    resting = feeling.proprio()
    assert np.linalg.norm(resting[22:]) == pytest.approx(weight, abs=0.3)
    joints = feeling.data.qpos[:7].copy()
    feeling.data.ctrl[1] += 0.2  # the servo pulls, and the arm is held
    for _ in range(20):
        envs.backend.mujoco.mj_step(feeling.model, feeling.data)
        feeling.data.qpos[:7], feeling.data.qvel[:7] = joints, 0.0
    feeling._locate()
    assert abs(feeling.proprio()[15:22] - resting[15:22]).argmax() == 1


def test_they_are_tasks_for_whoever_names_the_module(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_OWN", dict(registry._OWN))
    from forearm.envs.forces import Forces

    envs.register_environments("forces", Forces, ["push"])
    env = envs.make("forces/push", None, 16)
    assert env.name == "forces/push" and len(env.state_names) == 25 and isinstance(env, envs.Environment)
