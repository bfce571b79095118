"""The benchmarks' adapters keep the contract; one that is not installed, or cannot run beside the mujoco that is, is
skipped with that reason.
"""

import importlib

import numpy as np
import pytest

from forearm import envs
from forearm.envs import registry
from forearm.envs.benchmarks import catalog

# For each benchmark the tasks that differ in kind: objects, locks, buttons; fixed and movable targets; in the air.
TASKS = [
    "ogbench/cube-single",
    "ogbench/cube-double",
    "ogbench/scene",
    "ogbench/puzzle-3x3",
    "metaworld/reach-v3",
    "metaworld/push-v3",
    "metaworld/drawer-open-v3",
    "fetch/reach",
    "fetch/push",
    "fetch/pick-and-place",
    "pusht",
]


def skip_if_it_cannot_run(benchmark):
    reason = registry.obstacle(benchmark)
    if reason is not None:
        pytest.skip(reason)


def made(name, **keywords):
    skip_if_it_cannot_run(name.partition("/")[0])
    return envs.make(name, **keywords)


@pytest.fixture(scope="module", params=TASKS)
def env(request):
    env = made(request.param)
    yield env
    env.close()


def test_it_keeps_the_contract(env):
    assert isinstance(env, envs.Environment) and env.name in envs.names()
    observation, info = env.reset(seed=0)
    assert observation["pixels"].shape == info["goal"].shape == (64, 64, 3)
    assert observation["pixels"].std() > 10
    assert observation["proprio"].shape == (len(env.state_names),) and observation["proprio"].dtype == np.float32
    assert env.action_space.shape == (len(env.action_names),)
    assert np.all(env.action_space.low == -1) and np.all(env.action_space.high == 1)
    assert env.positions()["ee_position"].shape == (3,) and env.cost() >= 0
    assert env.observation_space.contains(observation)


def test_reset_is_a_function_of_the_seed(env):
    first, info = env.reset(seed=3)
    state = env.snapshot()
    env.reset(seed=4)
    policy = env.explorer(np.random.default_rng(0))
    for _ in range(15):
        env.advance(policy.act())
    again, same = env.reset(seed=3)
    assert np.array_equal(env.snapshot(), state)
    assert np.array_equal(first["pixels"], again["pixels"]) and np.array_equal(info["goal"], same["goal"])
    assert np.array_equal(info["goal_state"], same["goal_state"])
    assert env.reset(seed=3, options={"goal": False})[1].keys() == {"distance_m", "success"}
    env.reset(seed=4)
    assert not np.array_equal(env.snapshot(), state)


def test_the_goal_state_is_solved_and_is_what_the_goal_image_shows(env):
    for seed in range(2):
        _, info = env.reset(seed=seed)
        env.restore(info["goal_state"])
        assert env.success() and env.distance() < 0.055
        assert np.array_equal(env.render(), info["goal"])


def test_restored_states_have_the_same_frame_and_the_same_future(env):
    env.reset(seed=2)
    # The expert first: the interesting states are those in which something is touched or held.
    expert, rng = env.expert(np.random.default_rng(0)), np.random.default_rng(1)
    for _ in range(25):
        env.advance(expert.act())
    state, seen = env.snapshot(), env.observe()
    actions = rng.uniform(-1, 1, (12, len(env.action_names)))
    future = [env.step(action) for action in actions]
    end = env.snapshot()
    env.reset(seed=5)
    env.restore(state)
    assert np.array_equal(env.snapshot(), state)
    assert np.array_equal(env.render(), seen["pixels"]) and np.array_equal(env.observe()["proprio"], seen["proprio"])
    for action, (observation, _, _, _, info) in zip(actions, future, strict=True):
        repeated, _, _, _, verdict = env.step(action)
        assert np.array_equal(repeated["pixels"], observation["pixels"])
        assert np.array_equal(repeated["proprio"], observation["proprio"]) and verdict == info
    assert np.array_equal(env.snapshot(), end)


@pytest.mark.parametrize(
    "name",
    ["ogbench/scene", "fetch/pick-and-place", "metaworld/pick-place-v3", "metaworld/door-lock-v3", "pusht"],
)
def test_a_snapshot_means_the_same_to_an_environment_that_has_seen_other_things(name):
    here, there = made(name), made(name)
    here.reset(seed=3, options={"goal": False})
    there.reset(seed=7, options={"goal": False})
    explorer, expert = there.explorer(np.random.default_rng(5)), here.expert(np.random.default_rng(0))
    for _ in range(20):
        there.advance(explorer.act())
    for _ in range(40):
        here.advance(expert.act())
    there.restore(here.snapshot())
    assert np.array_equal(here.render(), there.render())
    for action in np.random.default_rng(1).uniform(-1, 1, (10, len(here.action_names))):
        assert np.array_equal(here.snapshot(), there.snapshot()) and here.cost() == there.cost()
        here.advance(action)
        there.advance(action)
    for again in (here, there):
        again.reset(seed=9, options={"goal": False})
    assert np.array_equal(here.snapshot(), there.snapshot())
    for env in (here, there):
        env.close()


def test_a_step_without_a_frame_is_a_step(env):
    env.reset(seed=1)
    start, action = env.snapshot(), np.full(len(env.action_names), 0.4)
    env.step(action)
    stepped = env.snapshot()
    env.restore(start)
    env.advance(action)
    assert np.array_equal(env.snapshot(), stepped) and env.steps == 1


def test_the_expert_solves_it(env):
    solved, episodes = 0, 3
    for seed in range(10, 10 + episodes):
        env.reset(seed=seed, options={"goal": False})
        policy = env.expert(np.random.default_rng(seed))
        while not (env.success() or env.steps == env.max_episode_steps):
            action = policy.act()
            assert np.abs(action).max() <= 1
            env.advance(action)
        solved += env.success()
    assert solved >= episodes - 1


def test_the_explorer_repeats_itself_from_a_seed_and_stays_within_bounds(env):
    runs = []
    for _ in range(2):
        env.reset(seed=6, options={"goal": False})
        policy = env.explorer(np.random.default_rng(7))
        actions = []
        for _ in range(40):
            actions.append(policy.act())
            env.advance(actions[-1])
        runs.append(np.stack(actions))
    assert np.array_equal(*runs) and np.abs(runs[0]).max() <= 1 and runs[0].std() > 0.1


def test_any_two_states_make_an_episode(env):
    env.reset(seed=8, options={"goal": False})
    start, policy = env.snapshot(), env.explorer(np.random.default_rng(3))
    for _ in range(30):
        env.advance(policy.act())
    goal, frame, there = env.snapshot(), env.render(), env.achieved()
    _, info = env.reset(seed=0, options={"start_state": start, "goal_state": goal})
    assert np.array_equal(info["goal"], frame) and env.steps == 0
    if not env.name.startswith("metaworld/drawer"):  # whose target belongs to the drawer
        env.restore(info["goal_state"])
        assert np.array_equal(env.achieved(), there) and env.success()


def test_stepwise_rollouts_are_what_then_happens(env):
    env.reset(seed=9)
    start = env.snapshot()
    actions = np.random.default_rng(0).uniform(-1, 1, (1, 2, 4, len(env.action_names)))
    costs = envs.StepwiseDynamics(env).rollout(start[None], actions)
    assert costs.shape == (1, 2, 4, 1) and np.array_equal(env.snapshot(), start)
    for candidate in range(2):
        env.restore(start)
        for t, action in enumerate(actions[0, candidate]):
            env.advance(action)
            assert costs[0, candidate, t, 0] == env.cost()


def test_bad_arguments_are_named(env):
    env.reset(seed=0, options={"goal": False})
    wrong = len(env.action_names) + 1
    with pytest.raises(ValueError, match=rf"shape \({wrong},\)"):
        env.step(np.zeros(wrong))
    with pytest.raises(ValueError, match="not finite"):
        env.step(np.full(wrong - 1, np.nan))
    with pytest.raises(ValueError, match=f"snapshot has shape .* task '{env.name}' expects"):
        env.restore(np.zeros(3))
    with pytest.raises(ValueError, match="both start_state and goal_state"):
        env.reset(options={"start_state": env.snapshot()})


def test_the_goal_marker_is_not_drawn():
    env = made("fetch/reach")
    env.reset(seed=1)
    frame = env.render()
    env.aim(env.goal() + np.array([0.1, -0.1, 0.1]))
    env.inner._render_callback()
    assert np.array_equal(env.render(), frame)
    env.close()


@pytest.mark.parametrize(("benchmark", "known"), catalog.BENCHMARKS.items())
def test_the_catalogue_names_what_the_benchmark_has(benchmark, known):
    skip_if_it_cannot_run(benchmark)
    if benchmark == "metaworld":
        has = set(importlib.import_module("metaworld").ALL_V3_ENVIRONMENTS)
        assert set(known) == has and len(known) == 50
    elif benchmark == "fetch":
        assert set(known) == set(importlib.import_module("forearm.envs.benchmarks.fetch.env").KINDS)
    elif benchmark == "pusht":
        assert known == ("",) and "pusht" in envs.names()
        assert hasattr(importlib.import_module("gym_pusht.envs.pusht"), "PushTEnv")
    else:
        import gymnasium

        importlib.import_module("ogbench")
        assert all(f"{name}-v0" in gymnasium.registry for name in known)


def test_the_cube_expert_stacks_swaps_and_clears_the_way():
    env = made("ogbench/cube-double")
    for task in (4, 5):
        env.reset(seed=task, options={"task_id": task, "goal": False})
        policy = env.expert(np.random.default_rng(0))
        while not (env.success() or env.steps == env.max_episode_steps):
            env.advance(policy.act())
        assert env.success(), task
    env.close()


def test_a_scene_that_is_not_one_of_the_five_begins_and_ends_anywhere():
    env = made("ogbench/scene")
    rounded = []
    for seed in range(24):
        env.reset(seed=seed, options={"goal": False})
        start, goal = env.achieved(), env.goal()
        rounded.append(np.concatenate([start[7:], goal[7:]]).round(1))
        assert -0.08 <= start[1] <= 0.19, "no start has its cube in the drawer"
    # Both states of both buttons, of the drawer and of the window, at the start and in the goal.
    seen = [set(column) for column in np.abs(np.stack(rounded)).T]
    assert all(len(values) == 2 for values in seen), seen
    env.reset(seed=0, options={"task_id": 4, "goal": False})
    np.testing.assert_allclose(env.goal()[:3], [0.33, -0.356, 0.066], atol=1e-3)
    env.close()


def test_the_five_tasks_of_ogbench_and_no_sixth():
    env = made("ogbench/cube-single")
    starts = [env.reset(seed=0, options={"task_id": n})[1]["distance_m"] for n in range(1, 6)]
    np.testing.assert_allclose(starts, [0.2, 0.15, 0.15, 0.43, 0.43], atol=0.02)
    with pytest.raises(ValueError, match="task_id is 6: 'ogbench/cube-single' has the tasks 1 to 5"):
        env.reset(seed=0, options={"task_id": 6})
    env.close()


def test_turned_cameras_are_those_that_stand_on_their_head():
    env = made("metaworld/reach-v3")
    turned = importlib.import_module("forearm.envs.benchmarks.metaworld").UPSIDE_DOWN
    env.reset(seed=0, options={"goal": False})
    for camera in env.cameras:
        up = env.data.camera(camera).xmat.reshape(3, 3)[:, 1]
        assert (up[2] < -0.1) == (camera in turned), camera
    env.close()


def test_doors_and_windows_are_looked_at_after_a_reset_has_moved_them():
    env = made("metaworld/window-close-v3")
    for seed in range(3):
        _, info = env.reset(seed=seed, options={"goal": False})
        assert not info["success"] and info["distance_m"] > 0.1
        env.advance(np.zeros(4))
        assert abs(env.distance() - info["distance_m"]) < 0.01
    env.close()


@pytest.mark.parametrize("seed", [0, 1])
def test_holding_holds_hand_and_object(env, seed):
    """From a start, and from the middle of something, as goals are drawn from trajectories; servos settle by mm."""
    env.reset(seed=seed, options={"goal": False})
    policy = env.expert(np.random.default_rng(0))
    for _ in range(12 * seed):
        env.advance(policy.act())
    held = env.hold()
    for _ in range(10 * seed):  # what was moving comes to rest
        env.advance(held.act())
    before = env.positions()
    for _ in range(50):
        env.advance(held.act())
        moved = {name: np.linalg.norm(place - before[name]) for name, place in env.positions().items()}
        assert max(moved.values()) < 0.012, (env.steps, moved)


def test_a_lifted_cube_is_held_in_the_air():
    env = made("ogbench/cube-single")
    env.reset(seed=0, options={"goal": False})
    policy = env.expert(np.random.default_rng(0))
    while env.positions()["object_position"][2] < 0.07 and env.steps < 60:
        env.advance(policy.act())
    before, held = env.positions(), env.hold()
    assert before["object_position"][2] >= 0.07
    for _ in range(40):
        env.advance(held.act())
    for name, place in env.positions().items():
        assert np.linalg.norm(place - before[name]) < 0.01, name
    env.close()
