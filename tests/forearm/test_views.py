import numpy as np
import pytest

import envs
from envs import registry
from forearm.errors import ForearmError
from forearm.views import Views

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


def test_what_is_like_nothing_here_passes(env):
    Views(env).check(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8), "goal")
