from typing import Any

import numpy as np
import pytest
import torch

from forearm.agent.action_spec import ActionSpec
from forearm.agent.agent import Agent
from forearm.planner import make_planner

PERIOD = 0.1


class Point:
    """A point that is moved by its actions; its "frame" is its position."""

    fingerprint = None

    def __init__(self) -> None:
        self.seen: list[tuple[int, float, Any]] = []
        self.asked: list[list[int]] = []

    def begin(self, goals: Any) -> None:
        self.goals, self.position = [np.asarray(goal, float) for goal in goals], {}

    def observe(self, episode: int, observation: Any, action: Any) -> None:
        self.position[episode] = np.asarray(observation["pixels"], float)
        self.seen.append((episode, float(observation["pixels"][0]), None if action is None else action[0]))

    def problem(self, episodes: Any) -> Any:
        self.asked.append(list(episodes))
        state = torch.tensor(np.stack([self.position[b] for b in episodes]), dtype=torch.float32)
        goals = torch.tensor(np.stack([self.goals[b] for b in episodes]), dtype=torch.float32)

        class Cost:
            def cost(self, trajectory: Any, actions: Any) -> Any:
                return (trajectory - goals[:, None, None]).square().sum(-1).mean(-1)

        class Dynamics:
            def rollout(self, state: Any, actions: Any) -> Any:
                return state[:, None, None] + actions.cumsum(2)

        return ActionSpec(np.full(2, -1.0), np.full(2, 1.0), PERIOD).problem(Dynamics(), Cost(), state, len(episodes))


def agent(replan_every: int = 1, **settings: Any) -> tuple[Agent, Point]:
    point = Point()
    planner = make_planner("cem", horizon=4, samples=32, elites=4, iterations=3, **settings)
    return Agent(planner, point, replan_every), point


def run(acting: Agent, starts: Any, goals: Any, steps: int, seeds: Any) -> np.ndarray:
    positions = np.array(starts, float)
    acting.reset(goals, seeds)
    track = []
    for _ in range(steps):
        for b, act in enumerate(acting.act([{"pixels": p.copy()} for p in positions])):
            assert act is not None
            positions[b] += act.action
        track.append(positions.copy())
    return np.stack(track)


def test_it_gets_where_it_shall() -> None:
    track = run(agent()[0], [[0, 0]], [[3, -2]], 8, [0])
    assert np.linalg.norm(track[-1][0] - [3, -2]) < 0.3


def test_many_episodes_at_once_go_as_one_by_one_to_the_bit() -> None:
    starts, goals = [[0, 0], [1, 1], [-2, 0]], [[3, -2], [0, 0], [2, 2]]
    together = run(agent()[0], starts, goals, 5, [10, 11, 12])
    for b in range(3):
        alone = run(agent()[0], starts[b : b + 1], goals[b : b + 1], 5, [10 + b])
        assert np.array_equal(together[:, b], alone[:, 0])


def test_an_ended_episode_gets_no_action_and_changes_nothing_for_the_others() -> None:
    acting, point = agent()
    acting.reset([[1, 1], [2, 2]], [0, 1])
    frame = {"pixels": np.zeros(2)}
    acting.act([frame, frame])
    acts = acting.act([None, frame])
    assert acts[0] is None and acts[1] is not None
    assert point.asked == [[0, 1], [1]]


def test_a_plan_is_followed_for_replan_every_steps_and_then_shifted_by_as_many() -> None:
    acting, point = agent(replan_every=2)
    acting.reset([[3, 3]], [0])
    acts = [acting.act([{"pixels": np.zeros(2)}])[0] for _ in range(4)]
    assert [act.fresh for act in acts] == [True, False, True, False]
    assert np.array_equal(acts[1].action, acts[0].plan.actions[1])
    assert len(point.asked) == 2 and len(point.seen) == 4  # every frame is seen, planned or not


def test_the_search_starts_from_the_previous_plan_shifted() -> None:
    class Spy:
        config = make_planner("cem", horizon=4).config

        def __init__(self) -> None:
            self.calls: list[Any] = []
            self.planner = make_planner("cem", horizon=4, samples=8, elites=2)

        def plan(self, problem: Any, generators: Any, previous: Any, elapsed_steps: int, encode_ms: float) -> Any:
            self.calls.append((previous, elapsed_steps))
            return self.planner.plan(problem, generators, previous, elapsed_steps, encode_ms)

    acting, _ = agent()
    acting.planner, acting.replan_every = Spy(), 3  # type: ignore[assignment]
    acting.reset([[1, 1]], [0])
    acts = [acting.act([{"pixels": np.zeros(2)}])[0] for _ in range(4)]
    first, second = acting.planner.calls  # type: ignore[union-attr]
    assert first == ([None], 3)
    assert second == ([acts[0].plan], 3)


def test_the_model_is_told_which_action_was_carried_out() -> None:
    acting, point = agent()
    acting.reset([[1, 1]], [0])
    act = acting.act([{"pixels": np.zeros(2)}])[0]
    acting.act([{"pixels": np.ones(2)}])
    assert point.seen == [(0, 0.0, None), (0, 1.0, act.action[0])]


@pytest.mark.parametrize("steps", [0, 5])
def test_replan_every_must_fit_the_horizon(steps: int) -> None:
    with pytest.raises(ValueError, match="horizon"):
        agent(replan_every=steps)
