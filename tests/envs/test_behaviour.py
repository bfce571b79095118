import numpy as np

from forearm import envs


def run(env, policy, steps):
    for _ in range(steps):
        _, _, success, cut, _ = env.step(policy.act())
        if success or cut:
            return success
    return False


def test_the_expert_solves_its_task_and_holding_does_not(env):
    solved = held = 0
    for seed in range(12):
        env.reset(seed=seed)
        solved += run(env, envs.expert(env), env.max_episode_steps)
        env.reset(seed=seed)
        for _ in range(10):
            held += env.step(np.zeros(4))[2]
    assert solved >= 11 and held == 0


def test_the_explorer_moves_what_is_to_be_moved_and_repeats_itself_from_a_seed(env):
    moved, sides = [], []
    for seed in range(10):
        env.reset(seed=seed)
        policy = envs.explorer(env, np.random.default_rng(seed))
        before = env.achieved()
        actions = []
        for _ in range(40):
            actions.append(policy.act())
            env.step(actions[-1])
            if env.task.has_object:
                way = (env.object_position() - env.ee_position())[:2]
                if np.linalg.norm(way) < 0.06:
                    sides.append(np.arctan2(way[1], way[0]))
        assert np.all(np.abs(actions) <= 1.0)
        moved.append(np.linalg.norm(env.achieved() - before))
    assert np.median(moved) > 0.03
    if env.task.name == "push":  # contact from all sides
        assert len(np.unique(np.digitize(sides, np.linspace(-np.pi, np.pi, 5)))) == 4
    env.reset(seed=9)
    repeat = envs.explorer(env, np.random.default_rng(9))
    assert np.array_equal(repeat.act(), actions[0])
