from itertools import product
from typing import Any

import numpy as np
import pytest

from forearm import envs
from forearm.agent.scripted import ExpertAgent
from forearm.common.seeds import policy_rng
from forearm.envs import registry
from forearm.errors import ForearmError
from forearm.evaluation.closed_loop import run_episodes
from forearm.evaluation.manifest import make_episode, solved_at_start
from forearm.evaluation.protocol import Judge, Rules, begin, meets, rules_of
from forearm.settings import compose as settings


@pytest.fixture(scope="module")
def env() -> Any:
    made = envs.make("push")
    yield made
    made.close()


def configured(name: str, task: str = "push") -> Rules:
    chosen = settings.load("compare", [f"task={task}", f"protocol={name}"])
    return rules_of(chosen.one("protocol"), chosen.one("task"))


def test_every_protocol_that_is_shipped_makes_sense() -> None:
    for name in settings.options("protocol"):
        assert configured(name).name == name
    assert configured("lewm").max_steps == 50 and configured("lewm").trajectory_steps == 50  # push's collect.steps
    assert configured("rest").drop_solved and configured("strict").hold_steps == 3
    assert configured("jepa-wms").start == "expert" and configured("jepa-wms").goal_offset == 100
    assert configured("jepa-wms").counts == "last" and configured("ogbench").max_steps is None


def test_a_goal_some_steps_later_in_a_trajectory(env: Any) -> None:
    rules = Rules("later", "trajectory", goal_offset=8, trajectory_steps=30, drop_solved=False, rest_tolerance_m=None)
    _, info = begin(env, rules, seed=5, episode=0)
    start = env.snapshot()
    _, again = begin(env, rules, seed=5, episode=0)
    assert np.array_equal(env.snapshot(), start) and np.array_equal(info["goal_state"], again["goal_state"])
    distances = []
    for seed in range(12):
        begin(env, rules, seed=seed, episode=0)
        distances.append(env.distance())
    assert min(distances) < 0.01 < max(distances)  # sometimes nothing was moved: such pairs are solved at the start


def test_pairs_solved_at_the_start_are_counted_and_dropped_only_where_the_rules_say_so(env: Any) -> None:
    rules = Rules("keep", "trajectory", goal_offset=8, trajectory_steps=30, drop_solved=False, rest_tolerance_m=None)
    kept = [make_episode(env, 0, n, rules) for n in range(12)]
    counted = solved_at_start(kept)
    assert counted["drawn"] == 12 and 0 < counted["solved"] == sum(e.solved for e in kept)
    dropping = Rules("drop", "trajectory", goal_offset=8, trajectory_steps=30, rest_tolerance_m=None)
    fresh = [make_episode(env, 0, n, dropping) for n in range(12)]
    assert not any(e.solved for e in fresh) and all(e.start_distance_m > 0.04 for e in fresh)
    assert [e.seed for e in kept if not e.solved] == [e.seed for e in fresh if not e.dropped]
    assert solved_at_start(fresh)["drawn"] == 12 + solved_at_start(fresh)["solved"]


def test_an_episode_runs_from_where_the_rules_put_it_for_as_long_as_they_say(env: Any) -> None:
    rules = Rules("short", "trajectory", goal_offset=8, trajectory_steps=30, max_steps=3, rest_tolerance_m=None)
    episode = make_episode(env, 0, 1, rules)
    [outcome] = run_episodes(ExpertAgent([env]), [env], [episode], seed=0, rules=rules)
    assert outcome.steps <= 3
    with pytest.raises(ForearmError, match="does not start where its manifest says"):
        run_episodes(ExpertAgent([env]), [env], [episode], seed=0)


def test_policies_that_look_at_nothing_do_the_same_without_frames(env: Any) -> None:
    episode = make_episode(env, 0, 2, Rules())
    seen, blind = (run_episodes(ExpertAgent([env]), [env], [episode], seed=0, blind=b)[0] for b in (False, True))
    assert seen == blind and seen.success


def test_the_goal_is_where_the_expert_is_by_then_and_the_target_stays(env: Any) -> None:
    rules = Rules("expert", "expert", goal_offset=7, drop_solved=False, rest_tolerance_m=None)
    observation, info = begin(env, rules, seed=4, episode=0)
    start, target = env.snapshot(), env.goal_position.copy()
    assert np.array_equal(env.render(), observation["pixels"]) and not info["success"] and env.steps == 0
    policy = env.expert(policy_rng(4, 0))
    for _ in range(7):
        env.advance(np.asarray(policy.act(), np.float32))
    assert np.array_equal(env.snapshot(), info["goal_state"]) and np.array_equal(env.render(), info["goal"])
    env.reset(seed=4, options={"goal": False})
    assert np.array_equal(env.snapshot(), start) and np.array_equal(env.goal_position, target)


def test_first_touch_and_what_is_held_at_the_end_are_both_counted() -> None:
    reach: Any = envs.make("reach")
    episode = make_episode(reach, 0, 0, Rules())
    first = {}
    for agent, counts, to_end in product((_Leaving, ExpertAgent), ("any", "last"), (False, True)):
        rules = Rules("counting", counts=counts, max_steps=30)
        [outcome] = run_episodes(agent([reach]), [reach], [episode], seed=0, rules=rules, to_end=to_end)
        stays = agent is ExpertAgent
        assert outcome.touched and outcome.success is (stays or counts == "any")
        assert outcome.held is (None if counts == "any" and not to_end else stays)
        if counts == "any":  # what counts does not depend on whether the episode runs on
            assert first.setdefault(agent, outcome.steps) == outcome.steps < 30
        else:
            assert outcome.steps == 30
        if to_end:
            assert (outcome.final_distance_m < 0.03) is stays
    reach.close()


def test_what_is_held_has_been_for_a_while(env: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def held(met: list[bool], **rules: Any) -> bool:
        said = iter(met)
        monkeypatch.setattr("forearm.evaluation.protocol.meets", lambda env, rules: next(said))
        judge = Judge(Rules(**rules))
        for _ in met:
            judge.solved(env)
        return judge.held

    assert held([False, True, True, True]) and not held([True, True, False, True]) and not held([True, True])
    assert held([True], counts="last") and not held([True] * 4, hold_steps=5) and held([True] * 5, hold_steps=5)


class _Leaving(ExpertAgent):
    """Solves the task, then goes somewhere else."""

    def act(self, observations: Any) -> Any:
        acts = super().act(observations)
        if self._envs[0].success() or self.left:
            self.left = True
            acts[0].action[:3] = [-1.0, 1.0, 1.0]
        return acts

    left = False


def test_only_the_last_step_counts_where_the_rules_say_so() -> None:
    reach: Any = envs.make("reach")
    episode = make_episode(reach, 0, 0, Rules())
    for counts, agent, solved in (("any", _Leaving, True), ("last", _Leaving, False), ("last", ExpertAgent, True)):
        rules = Rules("counting", counts=counts, max_steps=30)
        [outcome] = run_episodes(agent([reach]), [reach], [episode], seed=0, rules=rules)
        assert outcome.success is solved and (outcome.steps == 30) == (counts == "last")
        assert solved == (outcome.final_distance_m < 0.03)
    reach.close()


def test_a_target_that_cannot_be_moved_to_a_state_of_a_trajectory_is_told() -> None:
    if reason := registry.obstacle("metaworld"):
        pytest.skip(reason)
    drawer = envs.make("metaworld/drawer-open-v3")
    with pytest.raises(ForearmError, match="target of metaworld/drawer-open-v3 cannot be moved there; use protocol=re"):
        for seed in range(5):
            begin(drawer, configured("lewm", "metaworld/drawer-open-v3"), seed, 0)
    drawer.close()


@pytest.mark.parametrize("task", ["ogbench/cube-single", "metaworld/push-v3", "fetch/push", "pusht"])
def test_states_of_a_trajectory_can_be_goals_of_the_benchmarks(task: str) -> None:
    if reason := registry.obstacle(task.partition("/")[0]):
        pytest.skip(reason)
    made: Any = envs.make(task)
    for seed in range(3):
        _, info = begin(made, configured("lewm", task), seed, 0)
        made.restore(info["goal_state"])
        assert made.success() and np.array_equal(made.render(), info["goal"])
    made.close()


@pytest.mark.parametrize(("task", "steps"), [("ogbench/cube-single", 200), ("ogbench/cube-double", 500)])
def test_the_benchmark_of_five_tasks_has_its_own_limits(task: str, steps: int) -> None:
    if reason := registry.obstacle("ogbench"):
        pytest.skip(reason)
    made: Any = envs.make(task)
    assert made.max_episode_steps == steps and configured("ogbench", task).max_steps is None
    for episode in (0, 6):
        begin(made, configured("ogbench", task), 0, episode)
        assert made.inner.cur_task_id == episode % 5 + 1
    made.close()


class _World:
    name = "toy"

    def __init__(self, errors: list[tuple[float, float]], others: bool = True) -> None:
        self.errors, self.others = iter(errors), others

    def success(self) -> bool:
        return self.others

    def pose_error(self) -> tuple[float, float]:
        return next(self.errors)


def test_a_pose_must_be_held() -> None:
    rules = Rules(criterion="pose", position_m=0.03, angle_deg=15, hold_steps=3)
    near, far, turned = (0.01, 0.1), (0.05, 0.0), (0.01, np.deg2rad(16))
    judge, world = Judge(rules), _World([near, near, far, near, near, turned, near, near, near])
    verdicts = [judge.solved(world) for _ in range(9)]  # type: ignore[arg-type]
    assert verdicts == [False] * 8 + [True] and all(
        type(verdict) is bool for verdict in verdicts
    )  # JSON knows no other


def test_a_pose_is_not_all_that_a_scene_may_be_about() -> None:
    rules, near = Rules(criterion="pose"), [(0.0, 0.0)]
    assert meets(_World(near), rules) and not meets(_World(near, others=False), rules)  # type: ignore[arg-type]


def test_what_a_task_cannot_be_asked_is_said(env: Any) -> None:
    env.reset(seed=0)
    with pytest.raises(ForearmError, match="judges an object's pose, but push has no goal pose"):
        meets(env, Rules("strict", criterion="pose"))
    with pytest.raises(ForearmError, match="takes a benchmark's own tasks, but push has none"):
        begin(env, Rules("ogbench", "tasks"), 0, 0)


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("protocol.start=rset", "did you mean 'reset'"),
        ("protocol.criterion=bench", "did you mean 'benchmark'"),
        ("protocol.goal_offset=99", "between 1 and protocol.trajectory_steps=20"),
        ("protocol.hold_steps=0", "at least 1"),
        ("protocol.goal_offset=0", "protocol.goal_offset=0 must be at least 1"),
        ("protocol.counts=lst", "did you mean 'last'"),
    ],
)
def test_rules_that_make_no_sense_are_told(word: str, says: str) -> None:
    chosen = settings.load("compare", ["protocol=lewm", "protocol.trajectory_steps=20", "protocol.goal_offset=5", word])
    with pytest.raises(ForearmError, match=says):
        rules_of(chosen.one("protocol"), chosen.one("task"))
