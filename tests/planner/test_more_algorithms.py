"""iCEM, DIAL, gradient descent, predictive sampling, MPPI's control cost: what their papers say."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch

from forearm.planner import DIAL, MPPI, DIALConfig, GradientConfig, ICEMConfig, LatentDistance, MPPIConfig, make_planner
from forearm.planner.algorithms.gaussian import Gaussian
from forearm.planner.algorithms.mppi import control_cost
from forearm.planner.plan import Plan
from forearm.planner.sampling.action_space import ActionSpace
from forearm.planner.sampling.knots import make_knots
from tests.planner.toys import Nearness, Scored, problem, rand, randn, small, streams

SPACE = ActionSpace(-torch.ones(2), torch.ones(2), horizon=3, repeat=1, batch=1)


def watched(target, seen):
    return problem(Scored(lambda a: (seen.append(a.detach().clone()), Nearness(target).cost(a, a))[1]), len(target))


def test_icem_shrinks_its_population_to_twice_the_elites():
    config = ICEMConfig(samples=173, iterations=4, elites=16)
    assert [config.population(i) for i in range(4)] == [173, 139, 111, 89]
    assert sum(config.population(i) for i in range(4)) == 512
    assert config.population(30) == 32
    [plan] = make_planner("icem", samples=173, iterations=4, elites=16).plan(
        problem(Nearness(torch.zeros(1, 10, 2))), streams(1)
    )
    assert plan.model_evals == 512


def test_icem_hands_its_elites_on_shifted_in_time():
    seen = []
    task = watched(rand(2, 5, 2) - 0.5, seen)
    planner = small("icem", elites=6, keep_fraction=0.5)
    plans = planner.plan(task, streams(2))
    elites = [plan.elites for plan in plans]
    assert [e.shape for e in elites] == [(3, 5, 2)] * 2
    assert np.array_equal(elites[0][0], plans[0].actions)
    assert Plan.from_json(plans[0].to_json()) == plans[0]
    seen.clear()
    planner.plan(task, streams(2, 1), [plans[0], None], 2)
    assert np.array_equal(seen[0][0, 1:4, :3].numpy(), elites[0][:, 2:]) and not seen[0][0, 1:4, 3:].any()
    assert not np.isin(seen[0][1, 1:4].numpy(), elites[1]).any()


def test_a_plan_document_from_before_elites_is_read():
    [plan] = small("cem").plan(problem(Nearness(torch.zeros(1, 5, 2))), streams(1))
    document = plan.to_dict()
    del document["elites"]
    assert Plan.from_dict(document) == plan and plan.elites is None


def test_dial_anneals_over_iterations_and_horizon():
    config = DIALConfig(iterations=4, beta_iterations=0.5, beta_horizon=1.0, horizon=3)
    first, third = DIAL(config).schedule(SPACE, 0)[:, 0], DIAL(config).schedule(SPACE, 2)[:, 0]
    assert first.tolist() == pytest.approx([math.exp(-2 / 3), math.exp(-1 / 3), 1.0])
    assert (third / first).tolist() == pytest.approx([math.exp(-1.0)] * 3)


def test_dial_draws_what_the_schedule_says():
    seen = []
    planner = make_planner(
        "dial", horizon=3, samples=4000, iterations=2, initial_std=0.2, temperature=10.0, noise_beta=0.0
    )
    planner.plan(watched(torch.zeros(1, 3, 2), seen), streams(1))
    for iteration, samples in enumerate(seen):
        spread = 0.2 * planner.schedule(SPACE, iteration)[:, 0].numpy()
        assert samples[0, 1:].std(dim=0)[:, 0].tolist() == pytest.approx(spread.tolist(), rel=0.05)


def test_predictive_sampling_follows_the_best():
    seen = []
    make_planner("predictive_sampling", horizon=3, samples=500, std=0.1, noise_beta=0.0, iterations=3).plan(
        watched(torch.zeros(1, 3, 2) + 0.4, seen), streams(1)
    )
    for before, after in pairwise(seen):
        best = before[0, (before[0] - 0.4).square().sum((1, 2)).argmin()]
        assert torch.equal(after[0, 0], best)
        assert (after[0, 1:] - best).std() == pytest.approx(0.1, rel=0.1)


def test_mppi_control_cost_pulls_towards_rest():
    dist = Gaussian(torch.full((1, 3, 2), 0.5), torch.full((1, 3, 2), 0.25))
    samples = torch.stack([torch.full((3, 2), x) for x in (0.25, 0.5, 0.75)])[None]
    mean, std, rows = dist.mean.flatten(), dist.std.flatten(), samples[0].flatten(1)
    toll = control_cost(mean, mean, std, rows)
    assert toll.tolist() == pytest.approx([6 * 0.5 * 16 * d for d in (-0.25, 0.0, 0.25)])
    assert not control_cost(mean, mean, torch.zeros(6), rows).any()
    flat = torch.zeros(1, 3)
    free, tied = (
        MPPI(MPPIConfig(samples=3, horizon=3, control_cost=c)).update(dist, SPACE, samples, flat) for c in (0.0, 1.0)
    )
    assert free.mean[0, 0, 0] == pytest.approx(0.5) and tied.mean[0, 0, 0] < 0.3


class Car:
    """Smooth dynamics with a curved way: positions (B, K, H, 2) of a car that turns and drives."""

    def rollout(self, state, actions):
        heading = state[:, None, None, 0] + 0.8 * actions[..., 0].cumsum(dim=2)
        steps = 0.3 * actions[..., 1:] * torch.stack((heading.cos(), heading.sin()), dim=-1)
        return steps.cumsum(dim=2)


@pytest.mark.parametrize("bounds", ["project", "tanh"])
def test_gradient_descends_through_a_model(bounds):
    goal = torch.tensor([[0.5, 0.9], [-0.6, 0.2]])
    task = problem(LatentDistance(goal), 2, dynamics=Car(), state=torch.zeros(2, 1))
    planner = make_planner("gradient", horizon=6, samples=8, iterations=40, bounds=bounds, halve_every=None)
    for plan in planner.plan(task, streams(2)):
        assert plan.cost < 1e-3 and plan.model_evals == 320
        assert plan.predicted_cost_curve[-1] == pytest.approx(plan.cost)


def test_gradient_gives_up_the_worse_half_of_its_starts():
    seen: list[torch.Tensor] = []
    planner = make_planner("gradient", horizon=3, samples=9, iterations=8, halve_every=2)
    [plan] = planner.plan(watched(torch.full((1, 3, 2), 0.9), seen), streams(1))
    assert [samples.shape[1] for samples in seen] == [9, 9, 5, 5, 3, 3, 3, 3]
    assert plan.model_evals == sum(samples.shape[1] for samples in seen)
    # Those that go on are those with the lowest costs: a descent moves little, so they are still the nearest.
    before, after = (((samples[0, 1:] - 0.9) ** 2).sum(dim=(1, 2)) for samples in (seen[1], seen[2]))
    assert after.max() < before.median()
    with pytest.raises(ValueError, match="halve_every"):
        make_planner("gradient", horizon=3, halve_every=0)
    with pytest.raises(ValueError, match="halve_to"):
        make_planner("gradient", horizon=3, halve_to=0)


@pytest.mark.parametrize(("halve_to", "left"), [(1, [9, 5, 3, 2, 2]), (4, [9, 5, 5, 5, 5]), (20, [9] * 5)])
def test_gradient_keeps_as_many_descents_as_it_is_told_to(halve_to: int, left: list[int]):
    seen: list[torch.Tensor] = []
    planner = make_planner("gradient", horizon=3, samples=9, iterations=5, halve_every=1, halve_to=halve_to)
    planner.plan(watched(torch.full((1, 3, 2), 0.9), seen), streams(1))
    assert [samples.shape[1] for samples in seen] == left


def test_gradient_steps_are_adams():
    """The second rollout lies where torch's own Adam goes from the first."""
    seen = []
    target = torch.full((1, 3, 2), 0.4)
    make_planner(
        "gradient", horizon=3, samples=5, iterations=4, halve_every=None, learning_rate=0.07, final_rate=1.0, beta2=0.9
    ).plan(watched(target, seen), streams(1))
    points = seen[0][0, 1:].clone().requires_grad_()
    adam = torch.optim.Adam([points], lr=0.07, betas=(0.7, 0.9))
    for rolled in seen[1:]:
        adam.zero_grad()
        (points - target).square().sum().backward()
        adam.step()
        assert rolled[0, 1:].numpy() == pytest.approx(points.detach().clamp(-1, 1).numpy(), abs=1e-5)


def test_the_winner_is_what_was_rolled_out_after_the_last_step():
    seen = []
    [plan] = small("gradient", iterations=2).plan(watched(torch.full((1, 5, 2), 0.9), seen), streams(1))
    assert len(seen) == 2 and plan.model_evals == 32
    costs = (seen[1][0] - 0.9).square().sum((1, 2))
    assert plan.cost == pytest.approx(float(costs.min()))
    assert np.array_equal(plan.actions, seen[1][0, costs.argmin()].numpy())


def test_the_learning_rate_goes_down_along_a_cosine():
    config = GradientConfig(iterations=6, learning_rate=0.2, final_rate=0.1)
    assert [config.rate(i) for i in (0, 2, 4)] == pytest.approx([0.2, 0.11, 0.02])


class Detached:
    def rollout(self, state, actions):
        return actions.detach()


class Array:
    def rollout(self, state, actions):
        return actions.numpy()


class Untracked:
    @torch.inference_mode()
    def rollout(self, state, actions):
        return actions * 2.0


@pytest.mark.parametrize("dynamics", [Detached(), Array(), Untracked()])
@pytest.mark.parametrize("name", ["gradient", "cem"])
def test_a_model_without_gradients_is_named(dynamics, name):
    more = {"polish": 2} if name == "cem" else {}
    task = problem(Nearness(torch.zeros(1, 5, 2)), dynamics=dynamics)
    if isinstance(dynamics, Array):
        task = problem(Scored(lambda a: a.numpy().sum((2, 3))))
    with pytest.raises(
        ValueError, match=r"planner 'gradient' follows gradients, but none come back through \w+.rollout"
    ):
        small(name, **more).plan(task, streams(1))


def test_an_error_of_the_models_own_is_not_renamed():
    def broken(actions):
        raise RuntimeError("out of battery")

    with pytest.raises(RuntimeError, match="out of battery"):
        small("gradient").plan(problem(Scored(broken)), streams(1))


@pytest.mark.parametrize("interpolation", ["zero", "linear", "cubic"])
@pytest.mark.parametrize("knots", [1, 3, 6, (0.0, 0.15, 0.5)])
def test_curves_go_through_their_knots(interpolation, knots):
    found = make_knots(knots, interpolation, slots=6, period=0.1)
    assert found.weights.sum(axis=1) == pytest.approx(np.ones(6))
    count = knots if isinstance(knots, int) else len(knots)
    values = randn(2, count, 3).double()
    curve = found.curve(values)
    assert curve.numpy() == pytest.approx(found.weights @ values.numpy())
    assert torch.equal(curve[:, 0], values[:, 0])
    if interpolation != "zero" or count == 6:
        assert curve[:, -1].numpy() == pytest.approx(values[:, -1].numpy())
    if count == 6:
        assert curve.numpy() == pytest.approx(values.numpy())
    if interpolation == "linear" and count == 3 and isinstance(knots, int):
        expected = np.interp(np.arange(6), [0, 2.5, 5], values[0, :, 0].numpy())
        assert curve[0, :, 0].numpy() == pytest.approx(expected)


def test_knots_in_seconds():
    held = make_knots((0.0, 0.2, 0.25), "zero", slots=5, period=0.1)
    assert held.weights.argmax(axis=1).tolist() == [0, 0, 1, 2, 2]
    assert make_knots(2, "zero", slots=5, period=0.1).weights.argmax(axis=1).tolist() == [0, 0, 0, 1, 1]
    with pytest.raises(ValueError, match=r"knots\[1\] is at 0.5 s, but the last step begins at 0.4 s"):
        make_knots((0.0, 0.5), "linear", slots=5, period=0.1)


def test_a_cubic_curve_that_swings_out_is_held_within_the_bounds():
    space = ActionSpace(-torch.ones(1), torch.ones(1), 9, 1, 1, make_knots((0.0, 0.1, 0.4, 0.8), "cubic", 9, 0.1))
    knots = torch.tensor([-1.0, 1.0, 1.0, -1.0])[:, None]
    assert space.knots.curve(knots).max() > 1.05
    commands = space.commands(knots)
    assert commands.max() == 1.0 and commands.min() == -1.0
    inside = 0.5 * torch.tensor([-1.0, 1.0, 1.0, -1.0])[:, None]
    assert torch.allclose(space.from_commands(space.commands(inside).double().numpy()), inside, atol=1e-6)
