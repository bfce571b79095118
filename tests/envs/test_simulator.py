import numpy as np

from forearm import envs


def test_true_rollouts_are_what_then_happens_and_leave_the_environment_alone(env):
    rng = np.random.default_rng(3)
    env.reset(seed=7)
    policy = envs.explorer(env, rng)
    for _ in range(9):
        env.step(policy.act())
    state = env.snapshot()
    actions = rng.uniform(-1, 1, (1, 3, 10, 4))
    trajectory = envs.TrueDynamics(env).rollout(state[None], actions)
    assert trajectory.shape == (1, 3, 10, 6) and np.array_equal(env.snapshot(), state)
    for candidate in range(3):
        env.restore(state)
        for t, action in enumerate(actions[0, candidate]):
            env.step(action)
            np.testing.assert_allclose(trajectory[0, candidate, t, :3], env.ee_position(), atol=1e-9)
            np.testing.assert_allclose(trajectory[0, candidate, t, 3:], env.object_position(), atol=1e-9)


def test_threads_and_batch_do_not_change_the_result():
    env = envs.make("push")
    states = []
    for seed in (1, 2):
        env.reset(seed=seed)
        states.append(env.snapshot())
    actions = np.random.default_rng(0).uniform(-1, 1, (2, 5, 6, 4))
    together = envs.TrueDynamics(env, threads=2).rollout(np.stack(states), actions)
    alone = envs.TrueDynamics(env).rollout(states[1][None], actions[1:])
    assert np.array_equal(together[1], alone[0])
    env.close()


def test_the_geometric_cost_prefers_trajectories_that_end_at_the_goal():
    env = envs.make("push")
    env.reset(seed=0)
    objective = envs.GeometricObjective(env.task, env.goal_position[None])
    start, goal = env.object_position(), env.goal_position
    share = np.linspace(0, 1, 8)[:, None]
    tool = np.tile(env.ee_position(), (8, 1))
    good = np.concatenate([tool, start + share * (goal - start)], 1)
    bad = np.concatenate([tool, start - share * (goal - start)], 1)
    cost = objective.cost(np.stack([good, bad])[None], None)
    assert cost.shape == (1, 2) and cost[0, 0] < cost[0, 1]
    env.close()
