from types import SimpleNamespace

import numpy as np
import pytest

from forearm import envs
from forearm.agent.camera_check import Views, views_for
from forearm.envs import registry
from forearm.errors import ForearmError

TASKS = ["reach", "push", "ogbench/cube-single", "metaworld/reach-v3", "fetch/push"]


@pytest.fixture(scope="module", params=TASKS)
def env(request):
    benchmark, slash, _ = request.param.partition("/")
    if slash and (reason := registry.obstacle(benchmark)):
        pytest.skip(reason)
    made = envs.make(request.param)
    yield made
    made.close()


def frames(env, camera):
    """Frames of held-out episodes, at their starts and in the middle of things."""
    rng = np.random.default_rng(0)
    for seed in range(8):
        env.reset(seed=2**30 + seed, options={"goal": False})
        policy = env.explorer(rng)
        for _ in range(4 * seed):
            env.advance(policy.act())
        yield env.render(camera)


def test_frames_of_the_right_camera_pass_and_others_are_named(env):
    views = Views(env)
    for frame in frames(env, env.camera):
        views.check(frame, "goal")
        views.check(np.uint8(frame * 0.8), "goal")  # in a poorer light
    for camera in env.cameras[1:]:
        told = []
        for frame in frames(env, camera):
            try:
                views.check(frame, "goal=g.png")
            except ForearmError as error:
                told.append(str(error))
        assert all(f"goal=g.png looks like camera '{camera}' of {env.name}, not like '{env.camera}'" in t for t in told)
        assert len(told) == 8 if "/" in env.name else len(told) >= 4  # the built-in arm fills much of both pictures


def test_frames_upside_down_are_told(env):
    views = Views(env)
    for frame in frames(env, env.camera):
        for turned in (frame[::-1], frame[::-1, ::-1]):
            with pytest.raises(ForearmError, match="looks upside down for camera"):
                views.check(turned, "start")


def test_a_plane_that_is_looked_down_on_has_no_upside():
    if reason := registry.obstacle("pusht"):
        pytest.skip(reason)
    env = envs.make("pusht")
    views, own = Views(env), 0
    for seed in range(20):
        frame = env.reset(seed=2**30 + seed, options={"goal": False})[0]["pixels"]
        views.check(frame, "goal")
        views.check(frame[::-1], "goal")
        own += views._difference(frame, "top") > 1.8 * views._turned(frame)
    assert own, "no frame that would be refused elsewhere: the test shows nothing"
    env.close()


def test_what_is_like_nothing_here_passes(env):
    Views(env).check(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8), "goal")


def brain_of(task, camera, side=64):
    fit = SimpleNamespace(cameras=(camera,))
    document = {"camera": f"observation.images.{camera}"}
    return SimpleNamespace(task={"name": task}, document=document, resolution=side, fit=fit)


def test_views_are_those_of_the_checkpoints_own_camera_and_resolution():
    env = envs.make("push", "side", 48)
    frame = env.reset(seed=3, options={"goal": False})[0]["pixels"]
    other = env.render("front")
    env.close()
    views = views_for(brain_of("push", "side", 48))
    views.check(frame, "goal")
    with pytest.raises(ForearmError, match="like camera 'front' of push, not like 'side'"):
        views.check(other, "goal")


def test_no_views_where_there_is_nothing_to_look_at(monkeypatch):
    assert views_for(brain_of("own", "wrist")) is None
    assert views_for(brain_of("push", "wrist")) is None
    monkeypatch.setattr(registry, "obstacle", lambda benchmark: "not installed")
    assert views_for(brain_of("fetch/push", "front")) is None

    def none_draws():
        raise envs.RenderingUnavailable("none")

    monkeypatch.setattr(envs, "working_backend", none_draws)
    assert views_for(brain_of("push", "front")) is None
