"""The floor that holds still asks the environment what does, whatever its commands mean."""

from typing import Any

import numpy as np
import pytest

from forearm import envs
from forearm.agent.scripted import holding
from forearm.agent.setup import PlanningSetup


class Absolute:
    """Commands are positions: zero sends the arm home."""

    action_names = ("x", "y")
    control_period = 0.1
    action_space = None

    def __init__(self, at: float) -> None:
        self.place = np.array([at, -at])

    def hold(self) -> Any:
        kept = self.place.copy()
        return type("Kept", (), {"act": lambda self: kept})()


class Plain:
    action_names = ("x", "y", "z")
    action_space = None


def test_the_environments_own_way_is_asked_for_at_the_start_and_zero_is_what_others_get() -> None:
    env = Absolute(0.25)
    policy = holding(env)  # type: ignore[arg-type]
    env.place[:] = 9
    assert policy.act().tolist() == [0.25, -0.25]
    assert holding(Plain()).act().tolist() == [0, 0, 0]  # type: ignore[arg-type]


def test_the_row_of_holding_still_asks_each_environment_at_each_start() -> None:
    rooms: list[Any] = [Absolute(0.1), Absolute(0.2)]
    agent = PlanningSetup.baseline({"name": "own/absolute"}, "hold").agent(rooms)
    for shift in (0.0, 0.5):
        for room in rooms:
            room.place += shift
        starts = [room.place.tolist() for room in rooms]
        agent.reset([np.zeros(1)] * 2, [1, 2])
        for room in rooms:
            room.place += 3
        acts = agent.act([{}, {}])
        assert [act.action.tolist() for act in acts if act is not None] == starts
        assert agent.act([None, {}])[0] is None
        for room in rooms:
            room.place -= 3


@pytest.mark.parametrize("task", sorted(envs.TASKS))
def test_the_built_in_arm_holds_by_zero(task: str) -> None:
    env = envs.make(task)
    env.reset(seed=0)
    held, before = holding(env), env.positions()
    for _ in range(20):
        env.advance(held.act())
    for name, place in env.positions().items():
        assert np.linalg.norm(place - before[name]) < 1e-3, name
    env.close()
