"""The learned prior is one of a planner's proposals, and the shipped models let gradients through."""

import numpy as np
import pytest
import torch

import forearm
from forearm.prior import LatentPrior
from planner import LatentDistance, Problem, check_dynamics, make_planner
from world_model.heads import ActionPrior, PriorConfig
from world_model.latent_dynamics import LatentDynamics, LatentState


def latent_problem(model, objective, state):
    dims = model.config.action_dim
    bounds = {"low": torch.full((dims,), -1.0), "high": torch.ones(dims)}
    return Problem(LatentDynamics(model), objective, state, **bounds, batch=len(state.states), control_period=0.1)


@pytest.fixture(scope="module")
def brain(checkpoints):
    return forearm.load(str(checkpoints / "reach.json"))


@pytest.fixture(scope="module")
def model(brain):
    return brain.model


@pytest.fixture(scope="module")
def state(model):
    size = model.state_dim
    with torch.inference_mode():  # as a tracker makes them
        draw = torch.Generator().manual_seed(0)
        actions = torch.zeros(3, (model.config.history - 1) * model.config.frameskip, model.config.action_dim)
        return LatentState(torch.randn(3, model.config.history, size, generator=draw).clone(), actions)


def test_the_learned_prior_proposes_from_latents(model, state):
    prior = ActionPrior(model.config.latent_dim, model.config.action_dim, PriorConfig(horizon=6, width=16))
    goals = torch.randn(3, model.config.latent_dim, generator=torch.Generator().manual_seed(1))

    def plan(rows):
        part = LatentState(state.states[rows], state.actions[rows])
        task = latent_problem(model, LatentDistance(goals[rows]), part)
        planner = make_planner(
            "mppi", horizon=8, samples=16, prior_share=0.5, action_repeat=2, proposals=[LatentPrior(prior, goals[rows])]
        )
        return planner.plan(task, [torch.Generator().manual_seed(b) for b in rows])

    together = plan([0, 1, 2])
    for b in range(3):
        assert np.array_equal(plan([b])[0].actions, together[b].actions)
    with pytest.raises(ValueError, match="2 goals for 3 problems"):
        task = latent_problem(model, LatentDistance(goals), state)
        planner = make_planner("cem", horizon=8, prior_share=0.5, proposals=[LatentPrior(prior, goals[:2])])
        planner.plan(task, [torch.Generator() for _ in range(3)])


def test_the_latent_model_keeps_the_contract_and_has_gradients(model, state):
    low = -np.ones(model.config.action_dim)
    state = LatentState(state.states.clone(), state.actions.clone())
    assert check_dynamics(LatentDynamics(model), state, low, -low, batch=3, horizon=8, gradients=True) == []


def test_gradients_lower_the_cost_from_frames(brain):
    env = forearm.make_env("reach")
    observation, info = env.reset(seed=3)
    costs = {
        key: brain.plan(observation["pixels"], info["goal"], planner="gradient", iterations=n, samples=4).cost
        for key, n in (("none", 1), ("some", 12))
    }
    polished = brain.plan(observation["pixels"], info["goal"], planner="random_shooting", iterations=1, polish=8)
    env.close()
    assert costs["some"] < costs["none"] and polished.cost < polished.cost_per_iteration[0]
