"""Which steps of a predicted horizon count."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from forearm.planner import LatentDistance, OverHorizon, Prefix, TerminalValue


@pytest.mark.parametrize("weights", ["last", "sum", "exp", "min", (0.0, 1.0, 0.5)])
def test_costs_over_the_horizon_are_what_their_weights_say(weights):
    curve = torch.tensor([[[3.0, 1.0, 2.0], [0.5, 4.0, 4.0]]])
    wanted = {
        "last": [2.0, 4.0], "sum": [2.0, 8.5 / 3], "min": [1.0, 0.5],
        "exp": [(0.25 * 3 + 0.5 * 1 + 2) / 1.75, (0.25 * 0.5 + 0.5 * 4 + 4) / 1.75],
        (0.0, 1.0, 0.5): [2.0, 6.0],
    }[weights]  # fmt: skip
    assert OverHorizon(weights, decay=0.5).total(curve)[0].tolist() == pytest.approx(wanted)


@given(st.integers(1, 6), st.integers(1, 4), st.sampled_from(["last", "sum", "exp", "min"]), st.integers(0, 2**31))
def test_residuals_of_a_distance_are_the_roots_of_its_cost(steps, entries, weights, seed):
    generator = torch.Generator().manual_seed(seed)
    distance = LatentDistance(torch.randn(2, entries, generator=generator), weights)
    trajectory = torch.randn(2, 3, steps, entries, generator=generator)
    actions = torch.zeros(2, 3, steps, 1)
    costs = distance.cost(trajectory, actions)
    assert torch.allclose(distance.residuals(trajectory, actions).square().sum(2), costs, rtol=1e-5, atol=1e-6)


def test_a_learned_value_along_the_horizon_counts_the_steps_that_it_is_told_to():
    trajectory = torch.tensor([[[[3.0], [1.0], [2.0]], [[5.0], [4.0], [6.0]]]])
    actions, goal = torch.zeros(1, 2, 3, 1), torch.tensor([[1.0]])
    for weights, wanted in (("last", [1.0, 5.0]), ("min", [0.0, 3.0]), ("sum", [1.0, 4.0])):
        value = TerminalValue(lambda latents, goals: (latents - goals).abs()[:, 0], goal, weights)
        assert value.cost(trajectory, actions)[0].tolist() == pytest.approx(wanted)


def test_a_prefix_counts_what_is_carried_out_and_shows_the_whole_curve():
    goal = torch.tensor([[0.0]])
    trajectory = torch.tensor([[[[1.0], [2.0], [9.0]]]])
    actions = torch.zeros(1, 1, 3, 1)
    prefix = Prefix(LatentDistance(goal, "last"), 2)
    assert prefix.cost(trajectory, actions).tolist() == [[4.0]]
    assert prefix.residuals(trajectory, actions).square().sum(2).tolist() == [[4.0]]
    assert prefix.curve(trajectory, actions).tolist() == [[[1.0, 4.0, 81.0]]]
    with pytest.raises(ValueError, match="4 steps shall count, but a trajectory has 3"):
        Prefix(LatentDistance(goal, "last"), 4).cost(trajectory, actions)
    with pytest.raises(ValueError, match="steps must be at least 1"):
        Prefix(LatentDistance(goal, "last"), 0)
