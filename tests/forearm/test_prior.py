"""The learned prior is one of a planner's proposals, and the shipped models let gradients through."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

import forearm
from forearm import ForearmError, LoadedModel
from forearm.agent.agent import Agent
from forearm.agent.checkpoint import LoadedCheckpoint
from forearm.agent.prior import LatentPrior
from forearm.agent.setup import PlanningSetup, task_config
from forearm.planner import LatentDistance, PreviousPlan, Problem, check_dynamics, make_baseline, make_planner
from forearm.planner.proposals import no_past
from forearm.planner.sampling.action_space import ActionSpace
from forearm.planner.sampling.noise import Noise
from forearm.world_model.heads.action_prior import ActionPrior, PriorConfig
from forearm.world_model.heads.checkpoint import Heads, heads_path, load_heads, save_heads
from forearm.world_model.heads.distance import DistanceConfig
from forearm.world_model.heads.distances import make_distance
from forearm.world_model.runtime.checkpoint import load_checkpoint
from forearm.world_model.runtime.latent_dynamics import LatentDynamics, LatentState


def latent_problem(model, objective, state):
    dims = model.config.action_dim
    bounds = {"low": torch.full((dims,), -1.0), "high": torch.ones(dims)}
    return Problem(LatentDynamics(model), objective, state, **bounds, batch=len(state.states), control_period=0.1)


@pytest.fixture(scope="module")
def loaded(checkpoints):
    return forearm.load(str(checkpoints / "reach.json"))


@pytest.fixture(scope="module")
def model(loaded):
    return loaded.model


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

    likeliest = prior(state.states[:, -1, : goals.shape[1]], goals)[0].clamp(-1.0, 1.0)
    task = latent_problem(model, LatentDistance(goals), state)
    alone = make_baseline("prior", horizon=6).plan(
        replace(task, proposals=(LatentPrior(prior, goals),)), [torch.Generator() for _ in range(3)]
    )
    assert all(np.allclose(a.actions, m.detach().numpy(), atol=1e-6) for a, m in zip(alone, likeliest, strict=True))

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


def test_gradients_lower_the_cost_from_frames(loaded):
    env = forearm.make_env("reach")
    observation, info = env.reset(seed=3)
    costs = {
        key: loaded.plan(observation["pixels"], info["goal"], planner="gradient", iterations=n, samples=4).cost
        for key, n in (("none", 1), ("some", 12))
    }
    polished = loaded.plan(observation["pixels"], info["goal"], planner="random_shooting", iterations=1, polish=8)
    env.close()
    assert costs["some"] < costs["none"] and polished.cost < polished.cost_per_iteration[0]


def task_with(folder, objective=None, **settings):
    config = task_config("reach")
    keys = {"checkpoint": str(folder / "reach.json"), **settings}
    return {**config, **keys, "objective": {**config["objective"], **(objective or {})}}


@pytest.fixture(scope="module")
def with_heads(checkpoints, tmp_path_factory):
    """A folder with the tiny checkpoint of reach and untrained heads beside it."""
    folder = tmp_path_factory.mktemp("with_heads")
    for path in checkpoints.glob("reach.*"):
        shutil.copy(path, folder)
    size, document = 16, load_checkpoint(folder / "reach.json")[1]
    torch.manual_seed(1)
    prior = ActionPrior(size, 4, PriorConfig(horizon=6, width=8))
    distance = make_distance(size, DistanceConfig(width=8))
    heads = Heads(prior, distance, torch.zeros(size), 1e-4 * torch.eye(size))
    save_heads(heads, heads_path(folder / "reach.json"), document["weights_sha256"], {})
    return folder


class Recorder:
    """A planner that keeps the problems it is given."""

    def __init__(self):
        self.config, self.problems = make_planner("cem", horizon=4, samples=8, elites=2).config, []

    def plan(self, problem, generators, **further):
        self.problems.append(problem)
        return make_planner("cem", horizon=4, samples=8, elites=2).plan(problem, generators)


def planning_model_of(task):
    return PlanningSetup.resolve(task, "cem").planning_model()


def heads_for(task):
    return LoadedCheckpoint.read(task).heads(task)


def problem_of(task, episodes=2):
    planner = Recorder()
    agent = Agent(planner, planning_model_of(task))
    rng = np.random.default_rng(0)
    goals, frames = rng.integers(0, 255, (2, episodes, 64, 64, 3), np.uint8)
    agent.reset(list(goals), list(range(episodes)))
    agent.act([{"pixels": frame} for frame in frames])
    return planner.problems[0]


def costs(problem):
    actions = torch.rand(2, 5, 4, 4, generator=torch.Generator().manual_seed(0)) * 2 - 1
    return problem.objective.cost(problem.dynamics.rollout(problem.state, actions), actions), actions


def test_the_chosen_proposals_reach_the_planner_with_the_goals_of_their_problems(with_heads):
    assert [type(p) for p in problem_of(task_with(with_heads)).proposals] == [PreviousPlan]
    problem = problem_of(task_with(with_heads, proposals=["prior", "previous"]))
    learned, previous = problem.proposals
    assert isinstance(learned, LatentPrior) and isinstance(previous, PreviousPlan)
    assert learned.goals.shape == (2, 16) and not torch.equal(learned.goals[0], learned.goals[1])
    planner = make_planner("cem", horizon=4, samples=8, elites=2, prior_share=0.5, proposals=problem.proposals)
    assert len(planner.plan(problem, [torch.Generator().manual_seed(b) for b in range(2)])) == 2


def test_the_weights_of_the_heads_reach_the_objective(with_heads):
    plain, actions = costs(problem_of(task_with(with_heads)))
    terminal, _ = costs(problem := problem_of(task_with(with_heads, {"terminal": 0.5})))
    heads = load_heads(
        heads_path(with_heads / "reach.json"), load_checkpoint(with_heads / "reach.json")[1]["weights_sha256"]
    )
    last = problem.dynamics.rollout(problem.state, actions)[:, :, -1]
    goals = problem.objective.terms[1][1].goal
    for b in range(2):
        steps = heads.distance(last[b], goals[b].expand_as(last[b]))
        assert torch.allclose(terminal[b] - plain[b], 0.5 * steps, rtol=1e-3, atol=1e-3)
    # Latents of variance far above the covariance that the heads name are unlikely.
    unlikely, _ = costs(problem_of(task_with(with_heads, {"unlikely": 0.1})))
    excused, _ = costs(problem_of(task_with(with_heads, {"unlikely": 0.1, "unlikely_free": 1e9})))
    assert (unlikely > plain).all() and torch.equal(excused, plain)


def test_the_distance_may_be_that_of_slow_features_alone(checkpoints, with_heads, tmp_path):
    document = load_checkpoint(checkpoints / "reach.json")[1]
    heads = load_heads(heads_path(with_heads / "reach.json"), document["weights_sha256"])
    torch.manual_seed(2)
    prior = ActionPrior(16, 4, PriorConfig(horizon=6, width=8, slow=3))
    prior.slow.directions.copy_(torch.randn(16, 3))
    path = tmp_path / "slow.heads.json"
    save_heads(replace(heads, prior=prior), path, document["weights_sha256"], {"task": "reach"})
    settings = {"heads": str(path), "proposals": ["prior"]}
    found, actions = costs(
        problem := problem_of(task_with(checkpoints, {"features": True, "weights": "last"}, **settings))
    )
    last = problem.dynamics.rollout(problem.state, actions)[:, :, -1]
    wanted = problem.objective.goal[:, None]
    assert torch.allclose(found, (prior.slow(last) - prior.slow(wanted)).square().mean(-1), rtol=1e-3)
    # Without spread all candidates are what the prior thinks likeliest.
    still = problem_of(task_with(checkpoints, prior_spread=0.0, **settings))
    space = ActionSpace(still.low, still.high, 6, 1, 2)
    noise = Noise([torch.Generator().manual_seed(b) for b in range(2)])
    drawn = still.proposals[0].sample(still, space, no_past(space), noise, 5)
    likeliest = prior(still.state.states[:, -1, :16], still.proposals[0].goals)[0].clamp(-1, 1)
    assert torch.allclose(drawn, likeliest[:, None].expand(-1, 5, -1, -1), atol=1e-5)
    # A gain makes the arm faster than it was recorded, up to its bounds.
    faster = problem_of(task_with(checkpoints, prior_spread=0.0, prior_gain=1.5, **settings))
    drawn = faster.proposals[0].sample(faster, space, no_past(space), noise, 1)
    mean = prior(faster.state.states[:, -1, :16], faster.proposals[0].goals)[0]
    assert torch.allclose(drawn[:, 0], (1.5 * mean).clamp(-1, 1), atol=1e-5)
    with pytest.raises(ValueError, match="prior_gain must be"):
        planning_model_of(task_with(checkpoints, prior_gain=-1.0, **settings))
    with pytest.raises(ForearmError, match=r"prior with slow features, but that of .* has none: .* prior.slow=4"):
        heads_for(task_with(with_heads, {"features": True}))
    other = tmp_path / "push.heads.json"
    save_heads(heads, other, document["weights_sha256"], {"task": "push"})
    with pytest.raises(ForearmError, match="heads were trained for task push, not reach"):
        heads_for(task_with(checkpoints, heads=str(other), proposals=["prior"]))


def test_every_planner_that_needs_gradients_gets_them_through_the_heads(with_heads):
    problem = problem_of(task_with(with_heads, {"terminal": 0.5, "unlikely": 0.01}))
    planner = make_planner("gradient", horizon=4, samples=4, iterations=5)
    plan = planner.plan(problem, [torch.Generator().manual_seed(b) for b in range(2)])[0]
    assert plan.cost < plan.cost_per_iteration[0]


def test_a_comparison_knows_which_heads_it_used(with_heads):
    plain, learned = (
        PlanningSetup.resolve(task_with(with_heads, proposals=p), "cem").fingerprint for p in (["previous"], ["prior"])
    )
    assert learned.startswith(f"{plain}+") and "+" not in plain


def test_other_heads_can_be_named(with_heads, checkpoints):
    path = str(heads_path(with_heads / "reach.json"))
    assert heads_for(task_with(checkpoints, proposals=["prior"], heads=path)) is not None
    assert heads_for(task_with(with_heads)) is None  # nothing asks for them


def test_what_does_not_fit_is_told_before_any_episode(checkpoints, with_heads, tmp_path, failing):
    words = ["compare", f"task.checkpoint={checkpoints / 'reach.json'}", f"out={tmp_path / 'out'}", "episodes=1"]
    said = failing(*words, "task.objective.terminal=0.1")
    assert "objective.terminal=0.1 needs heads" in said and "forearm train-heads task=reach" in said
    assert "the proposal 'prior' needs heads" in failing(*words, "task.proposals=[prior]")
    assert "did you mean 'prior'" in failing(*words, "task.proposals=[prio]")
    assert "each once" in failing(*words, "task.proposals=[previous,previous]")
    assert "each once" in failing(*words, "task.proposals=[]")
    assert "unlikely" in failing(*words, "task.objective.unlikely=-1")
    push = ["compare", "task=push", f"task.checkpoint={checkpoints / 'push.json'}", f"out={tmp_path / 'out'}"]
    foreign = with_heads / "other.heads.json"
    document = json.loads((with_heads / "reach.heads.json").read_text())
    foreign.write_text(json.dumps({**document, "world_model_sha256": "f" * 64}))
    assert "train heads for this one" in failing(*push, f"task.heads={foreign}", "task.proposals=[prior]")
    assert not (tmp_path / "out" / "results.json").exists()


def test_a_brain_plans_with_its_heads(with_heads):
    loaded = LoadedModel(task_with(with_heads, {"terminal": 0.1}, proposals=["prior"]))
    frame = np.zeros((64, 64, 3), np.uint8)
    plain = LoadedModel(task_with(with_heads)).plan(frame, 255 - frame, horizon=4)
    assert loaded.plan(frame, 255 - frame, horizon=4, prior_share=0.5).cost != plain.cost
    with pytest.raises(ForearmError, match="needs heads"):
        LoadedModel(task_with(with_heads, {"terminal": 0.1}, heads=str(with_heads / "none.json")))
