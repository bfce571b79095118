"""What is carried out: the best candidate that a search has seen, or the mean on which it ended."""

import numpy as np
import pytest
import torch

from forearm.planner import make_planner
from tests.planner.toys import Nearness, Scored, content, problem, small, streams


def test_the_mean_is_less_exposed_to_what_a_model_is_wrong_about():
    """Costs are right on average and off by much in each candidate: the lowest is the luckiest, not the best."""
    target = torch.full((1, 5, 2), 0.4)
    wrong = torch.Generator().manual_seed(0)

    def mistaken(actions):
        right = Nearness(target).cost(actions, actions)
        return right + 4.0 * torch.randn(right.shape, generator=wrong)

    def miss(execute):
        planner = make_planner("mppi", horizon=5, samples=256, iterations=3, execute=execute)
        plans = [planner.plan(problem(Scored(mistaken)), streams(1, seed))[0] for seed in range(8)]
        return np.mean([np.square(plan.actions - 0.4).sum() for plan in plans])

    assert miss("mean") < 0.5 * miss("best")


@pytest.mark.parametrize("name", ["cem", "mppi", "gradient"])
def test_a_mean_comes_with_its_own_cost_for_one_more_evaluation(name):
    task = problem(Nearness(torch.full((1, 5, 2), 0.3)))
    [best], [mean] = (small(name, execute=execute).plan(task, streams(1)) for execute in ("best", "mean"))
    assert np.array_equal(mean.actions, best.mean) and np.array_equal(mean.mean, best.mean)
    assert mean.cost == pytest.approx(np.square(best.mean - 0.3).sum(), rel=1e-4)
    assert mean.cost_per_iteration == best.cost_per_iteration
    assert mean.model_evals == best.model_evals + 1


def test_a_mean_of_which_nothing_is_known_is_not_carried_out():
    task = problem(Scored(lambda a: (1.0 if a.shape[1] > 1 else np.nan) + 0.0 * a.sum((2, 3))))
    [best], [mean] = (small("cem", execute=execute).plan(task, streams(1)) for execute in ("best", "mean"))
    assert np.array_equal(mean.actions, best.actions) and mean.cost == best.cost


def test_where_the_mean_is_the_best_seen_nothing_changes():
    task = problem(Nearness(torch.full((1, 5, 2), 0.3)))
    [best], [mean] = (small("random_shooting", execute=execute).plan(task, streams(1)) for execute in ("best", "mean"))
    assert np.array_equal(content(best)["actions"], content(mean)["actions"])


def test_polish_begins_from_what_is_carried_out():
    task = problem(Nearness(torch.full((1, 5, 2), 0.3)))
    [rough], [fine] = (small("mppi", execute="mean", polish=steps).plan(task, streams(1)) for steps in (0, 20))
    assert fine.cost < rough.cost


@pytest.mark.parametrize("name", ["cma_es", "mppi"])
def test_the_best_so_far_never_rises_even_if_the_mean_is_polished(name):
    task = problem(Nearness(torch.full((1, 5, 2), 0.3)))
    for seed in range(5):
        [plan] = small(name, execute="mean", polish=3).plan(task, streams(1, seed))
        assert (np.diff(plan.cost_per_iteration) <= 0.0).all()
