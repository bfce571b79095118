"""Each algorithm does what its paper says, and new ones fit on the base loop."""

from dataclasses import dataclass, fields

import numpy as np
import pytest
import torch

from forearm.planner import CEM, MPPI, CEMConfig, MPPIConfig, Planner, SearchConfig, make_planner
from forearm.planner.algorithms.cem import EliteGaussian
from forearm.planner.algorithms.gaussian import Gaussian
from forearm.planner.algorithms.mppi import softmin
from forearm.planner.sampling import arrays
from forearm.planner.sampling.action_space import ActionSpace
from forearm.planner.sampling.apart import by_problem
from forearm.planner.sampling.candidates import choose
from forearm.planner.search.distribution import Distribution
from forearm.planner.search.evaluation import Scores
from forearm.planner.search.record import DeviceRecord, HostRecord
from tests.planner.toys import Nearness, Scored, problem, rand, randn, streams

SPACE = ActionSpace(-torch.ones(2), torch.ones(2), horizon=3, repeat=1, batch=1)


def test_refining_beats_shooting():
    target = torch.rand(8, 5, 2, generator=torch.Generator().manual_seed(1)) * 1.6 - 0.8
    costs = {}
    for name in ("cem", "mppi", "random_shooting"):
        planner = make_planner(name, horizon=5, samples=64, iterations=6)
        costs[name] = sum(p.cost for p in planner.plan(problem(Nearness(target), 8), streams(8)))
    assert costs["cem"] < 0.5 * costs["random_shooting"] and costs["mppi"] < 0.5 * costs["random_shooting"]


def test_cem_fits_the_elites_with_momentum():
    config = CEMConfig(samples=4, elites=2, alpha=0.25, keep_fraction=0.5, min_std=0.0, horizon=3)
    samples = torch.tensor([1.0, 2.0, 4.0, 8.0])[None, :, None, None].expand(1, 4, 3, 2) / 10
    old = CEM(config).initial(SPACE, torch.full((1, 3, 2), 0.1))
    new = CEM(config).update(old, SPACE, samples, torch.tensor([[9.0, 1.0, 3.0, 7.0]]))
    assert torch.allclose(new.mean, torch.tensor(0.25 * 0.1 + 0.75 * 0.3))
    assert torch.allclose(new.std, torch.tensor(0.25 * 0.5 + 0.75 * 0.1))
    assert new.kept_costs.tolist() == [[1.0]] and torch.equal(new.kept[0, 0], samples[0, 1])
    # The kept elite competes with its known cost: 1 and 2 are now the best two.
    again = CEM(config).update(new, SPACE, samples, torch.tensor([[9.0, 8.0, 2.0, 7.0]]))
    assert again.kept_costs.tolist() == [[1.0]]
    assert torch.allclose(again.mean, 0.25 * new.mean + 0.75 * 0.3)
    assert isinstance(again, EliteGaussian) and not torch.equal(old.mean, new.mean)


def test_cem_keeps_its_least_spread():
    config = CEMConfig(samples=4, elites=1, alpha=0.0, min_std=(0.1, 0.2), horizon=3)
    wide = ActionSpace(-2 * torch.ones(2), 2 * torch.ones(2), horizon=3, repeat=1, batch=1)
    planner = CEM(config)
    new = planner.update(planner.initial(wide, torch.zeros(1, 3, 2)), wide, torch.zeros(1, 4, 3, 2), torch.zeros(1, 4))
    assert torch.allclose(new.std, torch.tensor([0.2, 0.4]))


def test_mppi_weighs_by_cost():
    config = MPPIConfig(samples=4, temperature=0.5, min_std=0.0, horizon=3)
    costs = torch.tensor([[5.0, 1.0, 2.0, 4.0]])
    samples = torch.tensor([0.5, 0.1, 0.2, 0.4])[None, :, None, None].expand(1, 4, 3, 2)
    start = MPPI(config).initial(SPACE, torch.zeros(1, 3, 2))
    new = MPPI(config).update(start, SPACE, samples, costs)
    weights = np.exp(-(costs[0].numpy() - 1.0) / (0.5 * costs[0].numpy().std()))
    weights /= weights.sum()
    mean = (weights * samples[0, :, 0, 0].numpy()).sum()
    assert new.mean.numpy() == pytest.approx(mean)
    assert new.std.numpy() == pytest.approx(
        np.sqrt((weights * (samples[0, :, 0, 0].numpy() - mean) ** 2).sum()), rel=1e-4
    )
    fixed = MPPI(MPPIConfig(samples=4, adapt_std=False, horizon=3)).update(start, SPACE, samples, costs)
    assert torch.equal(fixed.std, start.std) and isinstance(fixed, Gaussian)


@pytest.mark.parametrize(("scale", "offset"), [(1e-6, 0.0), (1.0, 50.0), (1e12, -3e12), (1e37, 0.0)])
def test_the_temperature_is_relative_to_the_spread(scale, offset):
    costs = rand(3, 40).double()
    expected = softmin(costs, 0.3)
    assert torch.allclose(softmin(costs * scale + offset, 0.3), expected, rtol=1e-4)
    assert torch.allclose(expected.sum(1), torch.ones(3, dtype=torch.float64))


def test_flat_costs_weigh_the_same():
    assert torch.allclose(softmin(torch.full((2, 5), 7.0), 0.1), torch.full((2, 5), 0.2))


@pytest.mark.parametrize("count", [1, 2, 3, 7, 64, 301])
def test_what_is_done_by_problem_depends_on_no_other(count):
    values, weights = randn(3, count, 4, 2), rand(3, count, seed=1)

    def moments(values, weights):
        assert values.shape == (1, count, 4, 2)
        return values.mean(dim=1), (weights[..., None, None] * values).sum(dim=1)

    mean, total = by_problem(moments, values, weights)
    assert torch.allclose(mean, values.mean(1), atol=1e-5)
    assert torch.allclose(total, torch.einsum("bk,bkva->bva", weights, values), atol=1e-4)
    for b in range(3):
        alone = by_problem(moments, values[b : b + 1].clone(), weights[b : b + 1].clone())
        assert torch.equal(alone[0][0], mean[b]) and torch.equal(alone[1][0], total[b])


def test_chosen_candidates_are_those_with_the_numbers():
    values, index = randn(2, 5, 3), torch.tensor([[4, 0], [1, 1]])
    assert torch.equal(choose(values, index), torch.stack((values[0, [4, 0]], values[1, [1, 1]])))
    assert torch.equal(choose(values[:1], index[:1]), values[:1, [4, 0]])


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("cem", {"elites": 6}), ("cem", {"elites": 6, "keep_fraction": 0.0, "alpha": 0.0}), ("mppi", {}),
        ("mppi", {"control_cost": 0.5}), ("mppi", {"adapt_std": False}), ("dial", {}), ("predictive_sampling", {}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("batch", [1, 3])
def test_a_formula_says_the_same_for_arrays_and_for_tensors(name, settings, batch, monkeypatch):
    draw = torch.Generator().manual_seed(0)
    costs = [torch.rand(batch, 40, generator=draw) for _ in range(3)]
    samples = [torch.rand(batch, 40, 3, 2, generator=draw) - 0.5 for _ in range(3)]
    planner = make_planner(name, horizon=3, samples=40, **settings)

    def learned(costs):
        space = ActionSpace(-torch.ones(2), torch.ones(2), horizon=3, repeat=1, batch=batch)
        dist = planner.initial(space, torch.full((batch, 3, 2), 0.1))
        for row, candidates in zip(costs, samples, strict=True):
            dist = planner.update(dist, space, candidates, row)
        return {field.name: getattr(dist, field.name) for field in fields(dist)}

    on_host = learned(costs)
    wide = learned([row.double() for row in costs])
    monkeypatch.setattr(arrays, "on_host", lambda values: False)
    elsewhere = learned(costs)
    for key, value in on_host.items():
        for other in (elsewhere[key], wide[key]):
            assert value.shape == other.shape and torch.allclose(value, other.to(value.dtype), atol=1e-5)
        assert key == "kept_costs" or value.dtype == wide[key].dtype == torch.float32


@pytest.mark.parametrize("batch", [1, 3])
def test_both_records_find_the_same(batch):
    draw = torch.Generator().manual_seed(1)
    host, device = HostRecord(batch), DeviceRecord()
    for i in range(6):
        costs, commands = torch.rand(batch, 9, generator=draw), torch.rand(batch, 9, 4, 2, generator=draw)
        costs[-1] = torch.inf if i < 2 else costs[-1]
        trajectory = {"state": commands.cumsum(dim=2), "array": commands.numpy()}
        for record in (host, device):
            record.add(Scores(costs, costs), commands, trajectory, None if i < 4 else [b > 0 for b in range(batch)])
    assert host.costs() == device.costs()
    ours, theirs = host.best(), device.best()
    assert torch.equal(ours.commands, theirs.commands) and ours.commands.shape == (batch, 1, 4, 2)
    assert torch.equal(ours.trajectory["state"], theirs.trajectory["state"])
    assert np.array_equal(ours.trajectory["array"], theirs.trajectory["array"])
    assert np.array_equal(ours.trajectory["array"], ours.commands.numpy())


def test_spread_per_action_dimension():
    seen = []
    task = problem(Scored(lambda a: (seen.append(a), a.sum((2, 3)))[1]), low=[-1, -10], high=[1, 10])
    make_planner("cem", initial_std=[0.3, 0.02], min_std=0.0, samples=2000, iterations=1).plan(task, streams(1))
    assert seen[0][0, 1:].std(dim=(0, 1)).tolist() == pytest.approx([0.3, 0.2], rel=0.05)


@pytest.mark.parametrize("distribution", ["uniform", "gaussian"])
def test_random_shooting_draws_the_same_way_every_time(distribution):
    seen = []
    task = problem(Scored(lambda a: (seen.append(a[0, 1:]), a.sum((2, 3)))[1]), low=[0.0, -1], high=[4.0, 1])
    planner = make_planner("random_shooting", distribution=distribution, samples=2000, iterations=3, initial_std=0.25)
    [plan] = planner.plan(task, streams(1))
    spread = [4 / 12**0.5, 2 / 12**0.5] if distribution == "uniform" else [0.5, 0.25]
    for samples in seen:
        assert samples.mean(dim=(0, 1)).tolist() == pytest.approx([2, 0], abs=0.05)
        assert samples.std(dim=(0, 1)).tolist() == pytest.approx(spread, rel=0.05)
    assert not torch.equal(seen[0], seen[1])
    assert plan.model_evals == 6000 and np.array_equal(plan.mean, plan.actions)


@dataclass(frozen=True)
class Descent(Distribution):
    """A point."""


class GradientPlanner(Planner[Descent, SearchConfig]):
    """A planner of another kind, to see that the base loop has room for it: plain gradient descent."""

    name = "gradient_in_a_test"
    config_type = SearchConfig
    differentiable = True

    def initial(self, space, mean):
        return Descent(mean)

    def sample(self, dist, space, noise, iteration):
        # A population that shrinks.
        return dist.mean[:, None].repeat(1, max(self.config.samples - iteration, 2), 1, 1)

    def update(self, dist, space, samples, costs):
        [gradient] = torch.autograd.grad(costs.sum(), samples)
        return Descent(dist.mean - 0.3 * gradient[:, 0])


def test_an_algorithm_that_wants_gradients_fits_on_the_base_loop():
    target = rand(2, 5, 2) - 0.5
    planner = GradientPlanner(SearchConfig(horizon=5, samples=4, iterations=20))
    with torch.no_grad():
        plans = planner.plan(problem(Nearness(target), 2), streams(2))
    for b, plan in enumerate(plans):
        assert plan.actions == pytest.approx(target[b].numpy(), abs=1e-3)
        assert plan.model_evals == 4 + 3 + 18 * 2
