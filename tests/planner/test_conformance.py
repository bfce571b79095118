"""The conformance checks find what they say they find, and nothing in what is sound."""

import numpy as np
import pytest
import torch

from planner import ActionCost, LatentDistance, WeightedSum, check_dynamics, check_objective
from tests.planner.toys import Commands, Integrator, Nearness, Scored

STATE = torch.tensor([[0.1, 0.2], [0.3, -0.4], [0.5, 0.0]])


def check(rollout, state=STATE, **more):
    class Mine:
        pass

    Mine.rollout = lambda self, state, actions: rollout(state, actions)
    return check_dynamics(Mine(), state, [-1, -1], [1, 1], batch=3, **more)


def test_sound_dynamics_pass():
    assert check_dynamics(Integrator(), STATE, [-1, -1], [1, 1], batch=3, gradients=True) == []
    assert check_dynamics(Commands(), None, np.array([-1.0]), np.array([1.0]), batch=1) == []
    assert check(lambda s, a: {"x": s["x"][:, None, None] + a, "n": a.numpy()}, {"x": STATE}) == []


def mixes(state, actions):
    return actions + actions.mean(dim=0, keepdim=True)


def centres(state, actions):
    return actions - actions[:, :1]


def writes(state, actions):
    actions += 1.0
    return actions.clone()


def drifts(state, actions):
    state += 1.0
    return actions + state[:, None, None]


def rounds(state, actions):
    return actions * (1.0 + 1e-6 * (len(actions) > 1))


def raises(state, actions):
    raise IndexError("no such joint")


@pytest.mark.parametrize(
    ("rollout", "sentence"),
    [
        (lambda s, a: a.mean(dim=1), "returns of shape (3, 6, 2); its leading dimensions must be (B, K) = (3, 7)"),
        (lambda s, a: (a, a[0]), "returns [1] of shape (7, 6, 2)"),
        (lambda s, a: a / 0.0 * 0.0, "with NaN or infinity for commands within the bounds"),
        (lambda s, a: a + torch.rand(1), "something else the second time: it must be deterministic"),
        (mixes, "something else for problem 0 alone: problems of a batch must not mix"),
        (rounds, "rounds differently for problem 0 alone"),
        (centres, "candidates must not mix"),
        (writes, "changes the actions it is given in place"),
        (drifts, "changes the state it is given in place"),
        (lambda s, a: "far", "returns str, which holds no tensor or array"),
        (raises, "raises IndexError for actions of shape (B, K, H, A) = (3, 7, 6, 2): no such joint"),
        (lambda s, a: a if len(a) == 3 else a[:, :, :2], "something else for problem 0 alone"),
    ],
)
def test_what_breaks_the_dynamics_contract_is_said(rollout, sentence):
    found = check(rollout)
    assert len(found) == 1 and sentence in found[0], found
    assert found[0].startswith("Mine.rollout")


def test_missing_gradients_are_said():
    assert "lets no gradient through" in check(lambda s, a: a.detach(), gradients=True)[0]
    assert "lets no gradient through" in check(lambda s, a: torch.as_tensor(a.numpy()), gradients=True)[0]
    assert check_dynamics(object(), None, [0], [1], batch=1) == ["object has no method rollout(state, actions)."]


def test_a_state_of_any_kind_is_taken_apart_by_its_owner():
    def rollout(state, actions):
        return actions + torch.stack([STATE[int(word)] for word in state.split()])[:, None, None]

    [sentence] = check(rollout, "0 1 2")
    assert "for problem 0 alone" in sentence
    assert check(rollout, "0 1 2", one=lambda state, b: state.split()[b]) == []


ACTIONS = torch.rand(3, 7, 4, 2, generator=torch.Generator().manual_seed(0))


def test_sound_objectives_pass():
    goal = torch.zeros(3, 2)
    for objective in (
        LatentDistance(goal, "sum"),
        WeightedSum([(1.0, LatentDistance(goal)), (0.1, ActionCost(1.0, 1.0))]),
        Nearness(torch.zeros(3, 4, 2)),
    ):
        assert check_objective(objective, ACTIONS, ACTIONS) == []


def overwrites(actions):
    actions.mul_(2.0)
    return actions.sum((2, 3))


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        (lambda a: a.sum((1, 2, 3)), "returns shape (3,); it must be (B, K) = (3, 7), one cost per candidate"),
        (lambda a: torch.where(a.sum((2, 3)) > 4.0, torch.nan, 1.0), "none of them can win"),
        (lambda a: a.sum((2, 3)) + torch.rand(3, 7), "must be deterministic"),
        (lambda a: a.sum((2, 3)).cumsum(dim=1), "must look at each one by itself"),
        (lambda a: a.sum((2, 3)) + 0j, "complex"),
        (overwrites, "changes what it is given in place"),
        (lambda a: a.nothing, "raises AttributeError"),
    ],
)
def test_what_breaks_the_objective_contract_is_said(function, sentence):
    found = check_objective(Scored(function), ACTIONS.clone(), ACTIONS.clone())
    assert len(found) == 1 and sentence in found[0], found


def test_a_curve_of_the_wrong_shape_is_said():
    class Curved(Scored):
        def curve(self, trajectory, actions):
            return actions.sum((2, 3))

    [sentence] = check_objective(Curved(lambda a: a.sum((2, 3))), ACTIONS, ACTIONS)
    assert sentence == "Curved.curve returns shape (3, 7); it must be (B, K, H')."
    assert check_objective(object(), None, ACTIONS) == ["object has no method cost(trajectory, actions)."]
