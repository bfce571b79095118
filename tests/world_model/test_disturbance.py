"""What predictions lately missed is known by lead, and puts the next ones right."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from forearm.world_model import JEPA, LatentTracker, ModelConfig
from forearm.world_model.runtime.disturbance import OffsetFree, OutputDisturbance

PERIOD = 0.125  # which floats can say


def frames(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)


def model_of(history: int, frameskip: int) -> JEPA:
    torch.manual_seed(0)
    config = ModelConfig(
        resolution=32, latent_dim=6, width=8, predictor_width=16, predictor_depth=1,
        history=history, frameskip=frameskip,
    )  # fmt: skip
    model = JEPA(config).eval()
    torch.nn.init.normal_(model.predictor.leave[1].weight, std=0.1)
    return model


@settings(max_examples=20, deadline=None)
@given(
    history=st.integers(1, 3), frameskip=st.integers(1, 3), steps=st.integers(0, 14), memory=st.integers(0, 5),
    known=st.integers(0, 14),
)  # fmt: skip
def test_what_was_foretold_is_what_earlier_states_say_of_now(
    history: int, frameskip: int, steps: int, memory: int, known: int
) -> None:
    model = model_of(history, frameskip)
    seen, actions = frames(steps + 1), np.random.default_rng(1).uniform(-1, 1, (steps, 4))
    tracker, long_ago = LatentTracker(model, PERIOD, memory), LatentTracker(model, PERIOD, 100)
    for t, pixels in enumerate(seen):
        tracker.see(2.0 + t * PERIOD, pixels)
        long_ago.see(2.0 + t * PERIOD, pixels)
    past = actions[max(0, steps - known) :]
    foretold = tracker.foretold(2.0 + steps * PERIOD, past)
    leads = min(memory, steps // frameskip, len(past) // frameskip)
    if leads == 0:
        assert foretold is None
        return
    assert foretold is not None and foretold.shape == (leads, 6)
    for lead in range(1, leads + 1):
        back = lead * frameskip
        then = long_ago.state_at(2.0 + (steps - back) * PERIOD, past[:-back], past[-back:])
        torch.testing.assert_close(foretold[lead - 1], then.states[0, -1])


def test_nothing_is_foretold_before_an_episode() -> None:
    with pytest.raises(RuntimeError, match="no episode has begun"):
        LatentTracker(model_of(1, 1), PERIOD, 3).foretold(0.0, np.zeros((2, 4)))


def test_an_estimate_is_half_new_each_time_and_leads_are_apart() -> None:
    disturbance = OutputDisturbance()
    assert disturbance.estimate is None and disturbance.after(3) is None
    disturbance.see(torch.tensor([1.0, 2.0]), torch.tensor([[1.0, 1.0]]))
    assert disturbance.estimate is not None and disturbance.estimate.tolist() == [[0.0, 1.0]]
    disturbance.see(torch.tensor([1.0, 2.0]), torch.tensor([[0.0, 1.0], [1.0, 5.0], [1.0, 2.0]]))
    assert disturbance.estimate.tolist() == [[0.5, 1.0], [0.0, -3.0], [0.0, 0.0]]
    disturbance.see(torch.tensor([0.0, 0.0]), torch.tensor([[0.0, 0.0], [0.0, 1.0]]))  # a gap in the frames
    assert disturbance.estimate.tolist() == [[0.25, 0.5], [0.0, -2.0]]
    beyond = [disturbance.after(steps) for steps in (0, 1, 2, 9)]
    assert [None if each is None else each.tolist() for each in beyond] == [
        [[0.25, 0.5], [0.0, -2.0]], [[0.0, -2.0]], [[0.0, -2.0]], [[0.0, -2.0]],
    ]  # fmt: skip
    disturbance.forget()
    assert disturbance.estimate is None


def test_what_was_missed_is_added_by_lead_and_problem() -> None:
    zeros = SimpleNamespace(rollout=lambda state, actions: torch.zeros(2, 3, actions.shape[2], 2))
    missed = torch.tensor([[1.0, 2.0, 9.0], [3.0, 4.0, 9.0]])  # of readings, too, which are not told here
    found = OffsetFree(zeros, [None, missed]).rollout(None, torch.zeros(2, 3, 4, 1))
    assert not found[0].any()
    assert torch.equal(found[1], torch.tensor([[1.0, 2.0], [3.0, 4.0], [3.0, 4.0], [3.0, 4.0]]).expand(3, -1, -1))


@pytest.mark.parametrize("offset_free", [False, True])
def test_a_wrong_model_leads_to_rest_at_the_goal_only_where_what_it_missed_is_known(offset_free: bool) -> None:
    """A plant x' = x + a + 0.3, a model without the 0.3, and the best of 201 commands by what is predicted."""
    tried = torch.linspace(-1.0, 1.0, 201)[None, :, None, None]
    model = SimpleNamespace(rollout=lambda state, actions: state + actions.cumsum(2))
    goal, place, disturbance = 2.0, torch.zeros(1), OutputDisturbance()
    for _ in range(30):
        dynamics = OffsetFree(model, [disturbance.estimate if offset_free else None])
        ahead = dynamics.rollout(place, tried)[0, :, 0, 0]
        command = tried[0, :, 0, 0][(ahead - goal).abs().argmin()]
        foretold = place + command
        place = place + command + 0.3
        disturbance.see(place, foretold[None])
    assert place.item() == pytest.approx(goal if offset_free else goal + 0.3, abs=0.011)
