"""Names, settings, the baselines, which do not plan, what the room may import, and its examples."""

import ast
import doctest
import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from forearm import planner as room
from forearm.planner import BASELINES, PLANNERS, PreviousPlan, make_baseline, make_planner
from tests.planner.toys import Nearness, content, problem, streams

EMPTY = "initial_std must be a number or one number per action dimension, got an empty list"
DISTRIBUTION = "unknown distribution 'uniformly'; did you mean 'uniform'?"


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("cemm", {}, "unknown planner 'cemm'; did you mean 'cem'?"),
        ("zzz", {}, f"unknown planner 'zzz'; choose from {', '.join(sorted(PLANNERS))}"),
        ("MPPI", {}, "unknown planner 'MPPI'; did you mean 'mppi'?"),
        ("cem", {"elites": 200, "samples": 100}, "elites (200) is larger than samples (100)"),
        ("cem", {"elites": 0}, "elites must be at least 1, got 0"),
        ("cem", {"alpha": 1.0}, "alpha must be less than 1, got 1"),
        ("cem", {"keep_fraction": 1.5}, "keep_fraction must be at most 1, got 1.5"),
        ("cem", {"min_std": 0.9}, "min_std (0.9) is larger than initial_std (0.5)"),
        ("cem", {"initial_std": [0.1, -1]}, "initial_std[1] must be at least 0, got -1"),
        ("cem", {"initial_std": []}, EMPTY),
        ("cem", {"initial_std": [1, 1], "min_std": [0, 0, 0]}, "initial_std has 2 numbers but min_std has 3"),
        ("mppi", {"temperature": 0}, "temperature must be greater than 0, got 0"),
        ("mppi", {"adapt_std": "yes"}, "adapt_std must be true or false, got 'yes'"),
        ("mppi", {"noise_beta": -1}, "noise_beta must be at least 0, got -1"),
        ("mppi", {"horizon": 0}, "horizon must be at least 1, got 0"),
        ("mppi", {"horizon": "10"}, "horizon must be an integer, got '10'"),
        ("mppi", {"horizon": True}, "horizon must be an integer, got True"),
        ("mppi", {"samples": 1}, "samples must be at least 2, got 1"),
        ("mppi", {"iterations": 0}, "iterations must be at least 1, got 0"),
        ("mppi", {"action_repeat": 11}, "action_repeat (11) is larger than horizon (10)"),
        ("mppi", {"deadline_ms": -5}, "deadline_ms must be greater than 0, got -5"),
        ("mppi", {"deadline_ms": math.nan}, "deadline_ms must be a finite number, got nan"),
        ("random_shooting", {"distribution": "uniformly"}, DISTRIBUTION),
        ("icem", {"samples": 16, "elites": 9}, "samples (16) is smaller than twice the elites (9)"),
        ("icem", {"decay": 0.5}, "decay must be at least 1, got 0.5"),
        ("dial", {"beta_horizon": 0}, "beta_horizon must be greater than 0, got 0"),
        ("mppi", {"control_cost": 2}, "control_cost must be at most 1, got 2"),
        ("cma_es", {"samples": 4}, "samples must leave at least 5 to cma_es, got 4 after prior_share"),
        ("gradient", {"bounds": "clip"}, "unknown bounds 'clip'; choose from project, tanh"),
        ("gradient", {"final_rate": 0}, "final_rate must be greater than 0, got 0"),
        ("predictive_sampling", {"std": -1}, "std must be at least 0, got -1"),
        ("cem", {"knots": 11}, "knots (11) is larger than the number of commands to choose (10)"),
        ("cem", {"knots": 6, "action_repeat": 2}, "knots (6) is larger than the number of commands to choose (5)"),
        ("cem", {"knots": [0.0, 0.3, 0.3]}, "knots must be times that rise, got [0.0, 0.3, 0.3]"),
        ("cem", {"knots": "few"}, "knots must be a finite number, got 'few'"),
        ("cem", {"tolerance": 1.0}, "tolerance must be less than 1, got 1"),
        ("cem", {"prior_share": 1.1}, "prior_share must be at most 1, got 1.1"),
        ("cem", {"polish": -1}, "polish must be at least 0, got -1"),
    ],
)  # fmt: skip
def test_settings_that_cannot_be(name, settings, message):
    with pytest.raises(ValueError) as caught:
        make_planner(name, **settings)
    assert str(caught.value) == message


def test_an_unknown_setting_is_named_with_the_nearest():
    with pytest.raises(ValueError, match="unknown setting 'elite' of planner 'cem'; did you mean 'elites'"):
        make_planner("cem", elite=3)
    with pytest.raises(ValueError, match="unknown setting 'horizons' of baseline 'hold'; did you mean 'horizon'"):
        make_baseline("hold", horizons=3)
    with pytest.raises(ValueError, match="unknown baseline 'holt'; did you mean 'hold'"):
        make_baseline("holt")


@pytest.mark.parametrize("name", sorted(PLANNERS))
def test_every_planner_has_defaults_and_writes_them_down(name):
    planner = make_planner(name)
    assert isinstance(planner, PLANNERS[name][0]) and isinstance(planner.config, PLANNERS[name][1])
    [plan] = planner.plan(problem(Nearness(torch.zeros(1, 10, 2))), streams(1))
    assert plan.planner == name
    assert make_planner(name, **plan.config).config == planner.config


def test_settings_may_come_as_any_sequence_or_numpy_number():
    config = make_planner("cem", initial_std=np.array([0.5, 0.2]), horizon=np.int64(7), alpha=np.float32(0.5)).config
    assert config.initial_std == (0.5, 0.2) and type(config.horizon) is int and config.alpha == 0.5


@pytest.mark.parametrize("name", sorted(BASELINES))
def test_baselines_answer_like_planners(name):
    baseline = make_baseline(name, horizon=4)
    given = {"low": [-1, 2], "high": [1, 5], "proposals": (PreviousPlan(),)}
    task = problem(Nearness(torch.zeros(3, 4, 2)), 3, **given)
    plans = baseline.plan(task, streams(3), encode_ms=2.0)
    again = baseline.plan(task, streams(3), plans, 2)
    assert [content(p) for p in again] == [content(p) for p in plans]
    for b, plan in enumerate(plans):
        assert plan.actions.shape == (4, 2) and plan.planner == name and plan.iterations == plan.model_evals == 0
        assert (plan.actions >= [-1, 2]).all() and (plan.actions <= [1, 5]).all()
        assert plan.timings_ms["total"] == 2.0 and plan.cost == math.inf
        one = problem(Nearness(torch.zeros(1, 4, 2)), **given)
        assert content(baseline.plan(one, streams(3)[b : b + 1])[0]) == content(plan)
    with pytest.raises(ValueError, match="1 generators for 3 problems"):
        baseline.plan(task, streams(1))


def test_the_prior_alone_does_what_its_proposal_says_first_within_the_bounds():
    class Ladder:
        def sample(self, problem, space, past, noise, count):
            steps = torch.arange(float(space.variables))[:, None].expand(-1, space.dims)
            return steps.expand(space.batch, count, -1, -1)

    task = problem(Nearness(torch.zeros(2, 4, 2)), 2, low=[0, 0], high=[2, 9], proposals=(Ladder(),))
    for plan in make_baseline("prior", horizon=4).plan(task, streams(2)):
        assert plan.actions.tolist() == [[0, 0], [1, 1], [2, 2], [2, 3]]
    with pytest.raises(ValueError, match="has none: give it some"):
        make_baseline("prior").plan(problem(Nearness(torch.zeros(1, 4, 2))), streams(1))


def test_hold_holds_and_random_does_not():
    task = problem(Nearness(torch.zeros(1, 4, 2)), low=[-1, 2], high=[1, 5])
    assert make_baseline("hold", horizon=2).plan(task, streams(1))[0].actions.tolist() == [[0, 2], [0, 2]]
    [plan] = make_baseline("hold", command=[0.5, 9]).plan(task, streams(1))
    assert plan.actions.tolist() == [[0.5, 5]]
    with pytest.raises(ValueError, match="command has 3 numbers but an action has 2 dimensions"):
        make_baseline("hold", command=[1, 2, 3]).plan(task, streams(1))
    actions = make_baseline("random", horizon=3000).plan(task, streams(1))[0].actions
    assert actions.mean(0) == pytest.approx([0, 3.5], abs=0.1)
    assert actions.std(0) == pytest.approx([2 / 12**0.5, 3 / 12**0.5], rel=0.05)


def test_the_room_needs_torch_numpy_and_what_cma_es_needs_only():
    for path in Path(room.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            modules = (
                [alias.name for alias in node.names] if isinstance(node, ast.Import)
                else [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            )  # fmt: skip
            for module in modules:
                top = module.partition(".")[0]
                outside = top != "forearm" and top not in sys.stdlib_module_names
                assert not outside or top in {"torch", "numpy", "cma", "threadpoolctl"}, f"{path.name}: {module}"


def test_the_examples_of_the_room_run():
    found = doctest.testmod(room, globs={})
    assert found.attempted > 10 and not found.failed
