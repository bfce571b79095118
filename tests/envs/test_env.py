import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from forearm import envs
from forearm.envs.arm import kinematics


@pytest.mark.parametrize("name", sorted(envs.TASKS))
def test_gymnasium_accepts_it(name):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*(infinity|different from the unwrapped|render_mode).*")
        made = gymnasium.make(envs.TASKS[name].env_id)
        check_env(made.unwrapped, skip_render_check=True)
    made.close()


def test_reset_is_a_function_of_the_seed(env):
    first, info = env.reset(seed=3)
    again, same = env.reset(seed=3)
    other, _ = env.reset(seed=4)
    assert np.array_equal(first["pixels"], again["pixels"]) and np.array_equal(info["goal"], same["goal"])
    assert np.array_equal(info["goal_state"], same["goal_state"])
    assert not np.array_equal(first["pixels"], other["pixels"])


def test_starts_at_rest_unsolved_and_goal_state_is_solved(env):
    for seed in range(15):
        _, info = env.reset(seed=seed)
        assert not info["success"] and info["distance_m"] > env.task.success_radius + 0.02
        assert np.all(env.data.qvel == 0)
        before = env.achieved()
        for _ in range(3):
            env.step(np.zeros(4))
        assert np.linalg.norm(env.achieved() - before) < 1e-3
        env.restore(info["goal_state"])
        assert env.success() and env.distance() < 1e-9


def test_the_goal_image_is_the_goal_state_rendered(env):
    _, info = env.reset(seed=1)
    env.restore(info["goal_state"])
    assert np.array_equal(env.render(), info["goal"])


def test_restored_state_has_the_same_frame_and_the_same_future(env):
    rng = np.random.default_rng(0)
    env.reset(seed=2)
    policy = envs.explorer(env, rng)
    for _ in range(12):
        env.step(policy.act())
    state, frame = env.snapshot(), env.render()
    actions = rng.uniform(-1, 1, (8, 4))
    future = [env.step(a)[0]["pixels"] for a in actions]
    end = env.snapshot()
    env.restore(state)
    assert np.array_equal(env.render(), frame) and np.array_equal(env.snapshot(), state)
    assert all(np.array_equal(env.step(a)[0]["pixels"], f) for a, f in zip(actions, future, strict=True))
    assert np.array_equal(env.snapshot(), end)


def test_joint_commands_keep_the_position_and_velocity_limits(env):
    rng = np.random.default_rng(1)
    env.reset(seed=5)
    for _ in range(40):
        before = env.command.joints
        env.step(rng.choice([-1.0, 1.0], 4))
        after = env.command.joints
        assert np.all(after >= kinematics.POSITION_LOW) and np.all(after <= kinematics.POSITION_HIGH)
        assert np.all(np.abs(after - before) <= kinematics.VELOCITY_LIMIT * env.control_period + 1e-12)
        assert np.all(env.command.tool >= np.array(env.task.low)) and np.all(env.command.tool <= env.task.high)


def test_the_arm_follows_its_commands(env):
    env.reset(seed=6)
    for _ in range(10):
        env.step(np.array([0.5, 0.3, 0.2, 0.0]))
    for _ in range(4):
        env.step(np.zeros(4))
    assert np.linalg.norm(env.ee_position() - env.command.tool) < 0.01


def test_cameras_and_resolutions_show_different_pictures_of_the_same_scene(env):
    env.reset(seed=0)
    assert env.render().shape == (64, 64, 3) and env.render(resolution=96).shape == (96, 96, 3)
    assert not np.array_equal(env.render("front"), env.render("side"))
    colours = len(np.unique(env.render(resolution=96).reshape(-1, 3), axis=0))
    assert colours > 20


def test_the_object_is_where_projection_says(env):
    if not env.task.has_object:
        pytest.skip("no object")
    env.reset(seed=0)
    # The orange of the object, seen from the camera that nothing stands in front of at the start.
    for seed in range(5):
        env.reset(seed=seed)
        frame = env.render(resolution=64).astype(int)
        orange = (frame[..., 0] > 150) & (frame[..., 2] < 70)
        if orange.sum() < 12:
            continue
        rows, columns = np.nonzero(orange)
        seen = env.project(env.object_position()[None])[0]
        assert np.linalg.norm(seen - [columns.mean(), rows.mean()]) < 4.0


def test_two_environments_draw_side_by_side_and_after_one_is_gone():
    one, other = envs.make("reach"), envs.make("push")
    one.reset(seed=0)
    other.reset(seed=0)
    frame = other.render()
    one.render()
    assert np.array_equal(other.render(), frame)
    one.close()
    del one
    for _ in range(5):
        moved = other.step(np.array([1.0, 0.0, 0.0, 0.0]))[0]["pixels"]
    assert not np.array_equal(moved, frame) and moved.std() > 5
    other.close()


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="unknown task 'fly'"):
        envs.make("fly")
    with pytest.raises(ValueError, match="unknown camera 'top'"):
        envs.make("reach", camera="top")
    with pytest.raises(ValueError, match="resolution is 8"):
        envs.make("reach", resolution=8)
    made = envs.make("reach")
    made.reset(seed=0)
    with pytest.raises(ValueError, match=r"shape \(3,\)"):
        made.step(np.zeros(3))
    with pytest.raises(ValueError, match="not finite"):
        made.step(np.array([0, np.nan, 0, 0]))
    with pytest.raises(ValueError, match="snapshot has shape"):
        made.restore(np.zeros(5))
    made.close()
