"""What the shipped models and their heads plan does not depend, to the bit, on the episodes planned together."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from forearm.agent.guided import guided_task
from forearm.agent.latent import LatentPlanningModel
from forearm.agent.setup import PlanningSetup, planner_config, task_config
from forearm.planner import Plan, make_planner
from forearm.world_model.runtime.latent_dynamics import LatentState

EPISODES = 7
SEARCHES: dict[str, dict[str, Any]] = {
    "mppi": {"samples": 13, "prior_share": 0.5, "execute": "mean"},
    "cem": {"samples": 13, "elites": 3, "knots": 3, "prior_share": 0.3},
    "gradient": {"samples": 3, "bounds": "tanh", "prior_share": 0.5},
    "gauss_newton": {"samples": 17, "directions": 7},
}


@pytest.fixture(scope="module", params=["push", "reach"])
def planning_model(request: pytest.FixtureRequest) -> LatentPlanningModel:
    """With every cost and proposal that there is, after a look at noise."""
    task = guided_task(task_config(request.param), planner_config("guided"))
    task["objective"] = {**task["objective"], "terminal": 0.5, "unlikely": 0.3, "action": 0.1, "smoothness": 0.1}
    found = PlanningSetup.resolve(task | {"proposals": ["previous", "prior"]}, "cem").latent_model()
    rng = np.random.default_rng(0)
    side, readings = found._model.config.resolution, found._model.config.proprio_dim
    frames = rng.integers(0, 256, (2, EPISODES, side, side, 3), np.uint8)
    found.begin(list(frames[0]))
    for b in range(EPISODES):
        found.observe(b, {"pixels": frames[1, b], "proprio": rng.normal(size=readings)}, None)
    return found


def plans(planning_model: LatentPlanningModel, name: str, rows: list[int]) -> list[Plan]:
    task = planning_model.problem(rows)
    task = replace(task, state=LatentState(task.state.states.clone(), task.state.actions.clone()))
    horizon = 2 * planning_model._model.config.frameskip
    planner = make_planner(name, horizon=horizon, iterations=2, **SEARCHES[name])
    return planner.plan(task, [torch.Generator().manual_seed(b) for b in rows])


@pytest.mark.parametrize("name", SEARCHES)
def test_shipped_models_plan_the_same_whatever_the_batch(planning_model: LatentPlanningModel, name: str) -> None:
    alone = [plans(planning_model, name, [b])[0] for b in range(EPISODES)]
    for count in (2, 3, 5, 7):
        for b, plan in enumerate(plans(planning_model, name, list(range(count)))):
            assert np.array_equal(plan.actions, alone[b].actions) and np.array_equal(plan.mean, alone[b].mean)
            assert plan.cost == alone[b].cost and plan.cost_per_iteration == alone[b].cost_per_iteration
