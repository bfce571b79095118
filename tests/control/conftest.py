import os
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest

from forearm.control.action_adapter import ToolActionAdapter
from forearm.control.plan_source import PlanRequest
from forearm.control.robots.robot import Robot, load_robot
from forearm.envs.arm import kinematics
from forearm.planner.plan import Plan, command_times

START = np.append(kinematics.inverse(np.array([0.5, 0.0, 0.1]), kinematics.HOME, iterations=40), 0.0)


def a_plan(actions: Any) -> Plan:
    actions = np.asarray(actions, float)
    return Plan(
        actions=actions,
        times=command_times(len(actions), 0.1),
        mean=np.zeros_like(actions),
        cost=0.0,
        cost_per_iteration=[],
        model_evals=0,
        iterations=0,
        timings_ms={"total": 1.0},
        planner="test",
    )


class Script:
    """A plan source that answers with what the test says, and remembers what it was asked."""

    frame_shape = (8, 8, 3)
    ahead_steps = 2
    past_steps = 4

    def __init__(self, *plans: Any) -> None:
        self.plans = list(plans)
        self.goals: list[Any] = []
        self.seen: list[float] = []
        self.requests: list[PlanRequest] = []

    def begin(self, goal: Any) -> None:
        if isinstance(goal, Exception):
            raise goal
        self.goals.append(goal)

    def see(self, time: float, observation: Any) -> None:
        self.seen.append(time)

    def plan(self, request: PlanRequest) -> Plan:
        self.requests.append(request)
        answer = self.plans.pop(0) if len(self.plans) > 1 else self.plans[0]
        if isinstance(answer, Exception):
            raise answer
        if callable(answer):
            answer = answer()
        return answer if isinstance(answer, Plan) else a_plan(answer)


def observed(position: Any = START, **other: Any) -> dict[str, Any]:
    proprio = np.concatenate([position[:7], np.zeros(7), position[7:8]])
    return {"pixels": np.zeros((8, 8, 3), np.uint8), "proprio": proprio, **other}


@pytest.fixture(scope="session")
def robot() -> Robot:
    return load_robot("panda")


@pytest.fixture(scope="session")
def adapter() -> ToolActionAdapter:
    return ToolActionAdapter("reach")
