"""The conformance checks find what they say they find, and nothing in what is sound."""

from typing import NamedTuple

import numpy as np
import pytest
import torch

from forearm.planner import ActionCost, LatentDistance, WeightedSum, check_dynamics, check_objective
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


class Motion(NamedTuple):
    place: torch.Tensor
    speed: torch.Tensor


def test_named_tuples_and_constants_are_no_reason_to_complain():
    assert check(lambda s, a: Motion(s.place[:, None, None] + a, a), Motion(STATE, STATE)) == []
    assert check(lambda s, a: {"x": s["x"][:, None, None] + s["gain"] * a, "n": 3}, {"x": STATE, "gain": 2.0}) == []


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


class Time:
    """What rollouts may get wrong about time; the present is STATE."""

    @staticmethod
    def future(state, actions, step=1):
        return (state[:, None, None] + 0.1 * actions.cumsum(dim=2))[:, :, step - 1 :: step]

    @classmethod
    def with_the_present(cls, state, actions, step=1):
        return torch.cat([cls.present(state, actions), cls.future(state, actions, step)], dim=2)

    @staticmethod
    def present(state, actions):
        return state[:, None, None].expand(-1, actions.shape[1], 1, -1)


NOT_THIRD = "time must be the third axis, (B, K, H, ...), not number 4"
LATER = "something else when other commands follow"


@pytest.mark.parametrize("step", [1, 2, 3, 6])
@pytest.mark.parametrize(
    ("rollout", "sentence"),
    [
        (lambda s, a, n: Time.with_the_present(s, a, n), "one too many: the present must not be among them"),
        (lambda s, a, n: {"x": Time.future(s, a, n), "z": Time.with_the_present(s, a, n)}, "['z'] "),
        (lambda s, a, n: Time.with_the_present(s, a, n)[:, :, :-1], "the present as its first state"),
        (
            lambda s, a, n: Time.future(s, a, n).transpose(2, 3),
            "time must be the third axis, (B, K, H, ...), not number 4",
        ),
        (lambda s, a, n: Time.future(s, a, n)[:, :, -1], "it must return (B, K, H, ...)"),
        (lambda s, a, n: Time.future(s, a, n)[:, :, -1:], "it must return (B, K, H, ...)"),
        (lambda s, a, n: Time.future(s, a, n).repeat_interleave(7, 2), "It must be one after each command"),
        (
            lambda s, a, n: Time.future(s, a - 0.5 * a.mean(dim=2, keepdim=True), n),
            LATER,
        ),
        (lambda s, a, n: Time.future(s, a.flip(2), n), LATER),
        (lambda s, a, n: Time.future(s, a.roll(-1, 2), n), LATER),
        (lambda s, a, n: Time.future(s, 0 * a, n) + 0.1, "predicts the same whatever the commands"),
        (lambda s, a, n: Time.future(s, a[:, :, :6], n), "it must return (B, K, H, ...)"),
        (
            lambda s, a, n: Time.future(s, a, n)[:, :, :, None].permute(0, 2, 1, 3, 4),
            "its leading dimensions must be (B, K)",
        ),
    ],
)
def test_what_is_wrong_with_time_is_said(rollout, sentence, step):
    found = check(lambda s, a: rollout(s, a, step))
    assert len(found) == 1 and sentence in found[0], found
    assert check(lambda s, a: Time.future(s, a, step)) == []


def test_a_model_of_one_length_is_told_of():
    def rollout(state, actions):
        if actions.shape[2] != 6:
            raise RuntimeError("six commands")
        return actions.clone()

    assert check(rollout) == ["Mine.rollout raises RuntimeError for 12 commands, after 6 were well: six commands"]


def test_one_state_too_few_is_told_of():
    assert ", one too few. It" in check(lambda s, a: a[:, :, :-1])[0]


def test_parts_of_a_trajectory_may_have_no_time():
    assert check(lambda s, a: {"x": Time.future(s, a), "mass": a[:, :, 0].new_ones(a.shape[:2])}) == []


def remembering():
    last = torch.zeros(())

    def rollout(state, actions):
        found = actions + last
        if len(actions) == 3 and actions.shape[2] == 12:
            last.add_(1.0)
        return found

    return rollout


def reusing():
    """Noise, in the memory of the rollout before."""
    memory = torch.zeros(3, 7, 6, 2)

    def rollout(state, actions):
        return memory.copy_(torch.rand(()) + actions) if actions.shape == memory.shape else actions

    return rollout


@pytest.mark.parametrize(
    ("rollout", "sentence"),
    [
        (lambda s, a: (10 * a).long(), "returns nothing but int64: states are real numbers"),
        (lambda s, a: a + 0j, "complex numbers; states are real"),
        (lambda s, a: a.to("meta"), "on meta for actions on cpu"),
        (lambda s, a: a if len(a) > 1 else a.double(), "rounds differently for problem 0 alone"),
        (lambda s, a: a.squeeze(1), "for a single candidate: candidates must not mix"),
        (lambda s, a: a.transpose(0, 1), "of shape (7, 3, 6, 2); its leading dimensions"),
        (lambda s, a: a[:, :-1], "of shape (3, 6, 6, 2); its leading dimensions"),
        (lambda s, a: torch.cat([a, a[:1]]), "of shape (4, 7, 6, 2); its leading dimensions"),
        (remembering(), LATER),
        (reusing(), "must be deterministic"),
    ],
)
def test_wrong_types_places_and_memories_are_said(rollout, sentence):
    found = check(rollout)
    assert found and sentence in found[0], found


@pytest.mark.parametrize("dims", [1, 2, 3, 4])
@pytest.mark.parametrize("name", ["silu", "sigmoid", "softplus", "elu"])
def test_functions_that_round_by_place_are_noticed(name, dims):
    """Where a processor has vectors: what is alone in a tensor is then computed without them."""
    curved = getattr(torch.nn.functional, name)
    values = torch.linspace(-1.0, 1.0, 1001)
    alone = torch.cat([curved(one) for one in values.split(1)])
    state = torch.zeros(3, dims)
    rollout = type("Curved", (), {"rollout": lambda self, s, a: curved(a).cumsum(dim=2)})()
    found = check_dynamics(rollout, state, [-1.0] * dims, [1.0] * dims, batch=3)
    if torch.equal(curved(values), alone):
        assert found == []
    else:
        assert len(found) == 1 and "rounds differently for problem" in found[0]


class Nudged(torch.autograd.Function):
    """Passes on; its gradient is off by a rounding where there is more than one problem."""

    @staticmethod
    def forward(ctx, values):
        return values.clone()

    @staticmethod
    def backward(ctx, slope):
        return slope * (1.0 + 2**-20 * (len(slope) > 1))


def test_gradients_that_depend_on_the_batch_are_said():
    [sentence] = check(lambda s, a: Nudged.apply(a), gradients=True)
    assert "rounds gradients differently for problem 0 alone" in sentence
    assert check(lambda s, a: Nudged.apply(a)) == []
