import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from forearm.world_model import JEPA, LatentDynamics, LatentState, LatentTracker, ModelConfig
from forearm.world_model.model.encoders import Stem

SMALL = {"resolution": 32, "latent_dim": 6, "width": 8, "predictor_width": 16, "predictor_depth": 1}


def model_of(**changes):
    torch.manual_seed(0)
    model = JEPA(ModelConfig(**{**SMALL, **changes})).eval()
    torch.nn.init.normal_(model.predictor.leave[1].weight, std=0.1)
    return model


def frames(count, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)


@pytest.mark.parametrize("encoder", ["conv", "vit"])
def test_encode_gives_one_latent_a_frame(encoder):
    model = model_of(encoder=encoder)
    latents = model.encode(frames(5))
    assert latents.shape == (5, 6) and latents.dtype == torch.float32
    assert not torch.allclose(latents[0], latents[1])


@pytest.mark.parametrize("encoder", ["conv", "vit"])
@pytest.mark.parametrize("standardize", [False, True])
def test_the_stem_sees_scaled_frames_less_their_mean(encoder, standardize):
    model = model_of(encoder=encoder, standardize=standardize).double()
    stem = next(part for part in model.modules() if isinstance(part, Stem))
    mean, std = torch.zeros(32, 32, 3, dtype=torch.float64), torch.ones(())
    if standardize:
        mean = 0.3 * torch.randn(mean.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        std = torch.tensor(0.05)
        stem.mean.copy_(mean)
        stem.std.copy_(std)
    pixels = torch.from_numpy(frames(3)).double() / 255 - 0.5
    seen = ((pixels - mean) / std).permute(0, 3, 1, 2)
    wanted = torch.nn.functional.conv2d(seen, stem.weight, stem.bias, stem.stride)
    torch.testing.assert_close(stem(torch.from_numpy(frames(3))), wanted, rtol=1e-10, atol=1e-12)


def test_larger_patches_of_larger_frames_make_the_same_map():
    small, large = (JEPA(ModelConfig(resolution=16 * patch, patch=patch, latent_dim=128)) for patch in (4, 8))
    assert small.encoder.features == large.encoder.features
    assert large.encode(np.zeros((2, 128, 128, 3), np.uint8)).shape == (2, 128)


def test_encode_names_what_is_wrong_with_frames():
    model = model_of()
    with pytest.raises(ValueError, match=r"float32 \(2, 32, 32, 3\): this model expects uint8"):
        model.encode(torch.zeros(2, 32, 32, 3))
    with pytest.raises(ValueError, match=r"\(2, 64, 64, 3\): this model expects uint8 \(N, 32, 32, 3\)"):
        model.encode(np.zeros((2, 64, 64, 3), np.uint8))


def test_an_untrained_predictor_says_that_nothing_changes():
    torch.manual_seed(0)
    model = JEPA(ModelConfig(**SMALL))
    states = torch.randn(3, 3, 6)
    rolled = model.rollout(states, torch.randn(3, 2, 8), torch.randn(3, 4, 8))
    torch.testing.assert_close(rolled, states[:, -1:].expand(-1, 4, -1))


@settings(max_examples=25, deadline=None)
@given(history=st.integers(1, 4), frameskip=st.integers(1, 3), steps=st.integers(1, 4), proprio=st.sampled_from([0, 2]))
def test_a_rollout_is_its_predictions_one_after_the_other(history, frameskip, steps, proprio):
    model = model_of(history=history, frameskip=frameskip, proprio_dim=proprio)
    generator = torch.Generator().manual_seed(1)
    states = torch.randn(2, history, model.state_dim, generator=generator)
    actions = torch.rand(2, (history - 1 + steps) * frameskip, 4, generator=generator)
    blocks = model.blocks(actions)
    rolled = model.rollout(states, blocks[:, : history - 1], blocks[:, history - 1 :])
    known = states
    for step in range(steps):
        following = model.predict(known[:, -history:], blocks[:, step : step + history])
        torch.testing.assert_close(rolled[:, step], following)
        known = torch.cat([known, following[:, None]], 1)


@settings(max_examples=15, deadline=None)
@given(batch=st.integers(1, 4), candidates=st.integers(1, 40), seed=st.integers(0, 99))
def test_planning_together_or_alone_is_the_same_to_the_bit(batch, candidates, seed):
    dynamics = LatentDynamics(model_of())
    generator = torch.Generator().manual_seed(seed)
    state = LatentState(torch.randn(batch, 3, 6, generator=generator), torch.rand(batch, 4, 4, generator=generator))
    actions = torch.rand(batch, candidates, 6, 4, generator=generator)
    with torch.inference_mode():
        together = dynamics.rollout(state, actions)
        assert together.shape == (batch, candidates, 3, 6)
        for b in range(batch):
            alone = dynamics.rollout(LatentState(state.states[b : b + 1], state.actions[b : b + 1]), actions[b : b + 1])
            assert torch.equal(together[b], alone[0])


def test_a_horizon_between_two_latent_steps_is_refused():
    dynamics = LatentDynamics(model_of(frameskip=2))
    state = LatentState(torch.zeros(1, 3, 6), torch.zeros(1, 4, 4))
    with pytest.raises(ValueError, match=r"horizon is 5 control steps.*multiple of 2"):
        dynamics.rollout(state, torch.zeros(1, 2, 5, 4))


@settings(max_examples=20, deadline=None)
@given(history=st.integers(1, 3), frameskip=st.integers(1, 3), steps=st.integers(0, 9))
def test_the_tracker_remembers_what_a_training_window_would_show(history, frameskip, steps):
    model = model_of(history=history, frameskip=frameskip)
    seen, actions = frames(steps + 1), np.random.default_rng(1).uniform(-1, 1, (steps, 4)).astype(np.float32)
    tracker = LatentTracker(model)
    with pytest.raises(RuntimeError, match="begin"):
        tracker.state()
    tracker.begin(seen[0])
    for t in range(steps):
        tracker.advance(actions[t], seen[t + 1])
    state = tracker.state()
    times = np.arange(steps - (history - 1) * frameskip, steps + 1, frameskip)
    with torch.inference_mode():
        expected = torch.cat([model.encode(seen[max(t, 0)][None]) for t in times])
    assert torch.equal(state.states[0], expected)
    past = [actions[t] if t >= 0 else np.zeros(4) for t in range(times[0], steps)]
    np.testing.assert_array_equal(state.actions[0].numpy(), np.array(past, np.float32).reshape(-1, 4))


@settings(max_examples=20, deadline=None)
@given(history=st.integers(1, 3), frameskip=st.integers(1, 3), steps=st.integers(0, 9))
def test_frames_with_times_are_remembered_as_those_without(history, frameskip, steps):
    model, period = model_of(history=history, frameskip=frameskip), 0.125  # which floats can say
    seen, actions = frames(steps + 1), np.random.default_rng(1).uniform(-1, 1, (steps, 4)).astype(np.float32)
    plain, timed = LatentTracker(model), LatentTracker(model, period)
    plain.begin(seen[0])
    timed.see(2.0, seen[0])
    for t in range(steps):
        plain.advance(actions[t], seen[t + 1])
        timed.see(2.0 + (t + 1) * period, seen[t + 1])
        timed.see(2.0, seen[0])  # not newer: ignored
    expected, found = plain.state(), timed.state_at(2.0 + steps * period, actions, actions[:0])
    assert torch.equal(found.states, expected.states) and torch.equal(found.actions, expected.actions)


def test_a_state_with_a_time_lies_between_frames_and_goes_on_with_what_is_committed():
    model = model_of(history=2, frameskip=2)
    tracker, seen = LatentTracker(model, 0.1), frames(3)
    with pytest.raises(RuntimeError, match="no episode has begun"):
        tracker.state_at(0.0, np.zeros((0, 4)), np.zeros((0, 4)))
    for time, pixels in zip((0.0, 0.3, 0.5), seen, strict=True):
        tracker.see(time, pixels)
    past, committed = np.full((5, 4), 0.5), np.full((2, 4), -0.5)
    with torch.inference_mode():
        latents = model.encode(seen)
        between = torch.lerp(latents[0], latents[1], 2 / 3)
    here = tracker.state_at(0.4, past, committed[:0])
    assert torch.allclose(here.states[0, 0], between) and here.actions.eq(0.5).all() and here.actions.shape == (1, 2, 4)
    assert torch.allclose(here.states[0, 1], torch.lerp(latents[1], latents[2], 0.5))
    later = tracker.state_at(0.4, past, committed)
    assert torch.equal(later.states[0, 0], here.states[0, 1]) and later.actions.eq(-0.5).all()
    assert not torch.equal(later.states[0, 1], here.states[0, 1])
    with pytest.raises(ValueError, match="1 committed commands: this model wants a multiple of 2"):
        tracker.state_at(0.4, past, committed[:1])
    tracker.forget()
    assert tracker.newest is None


def test_joint_readings_that_a_model_wants_must_be_given():
    tracker = LatentTracker(model_of(proprio_dim=2))
    with pytest.raises(ValueError, match="joint readings: got none, this model expects 2"):
        tracker.begin(frames(1)[0])
    with pytest.raises(ValueError, match="joint readings: got 3"):
        tracker.begin(frames(1)[0], np.zeros(3))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"encoder": "convnet"}, "encoder is 'convnet': expected one of conv, vit, frozen"),
        ({"resolution": 50}, "resolution is 50: expected a multiple of 16"),
        ({"history": 0}, "history is 0: expected at least 1"),
    ],
)
def test_settings_that_make_no_model_are_refused(changes, complaint):
    with pytest.raises(ValueError, match=complaint):
        ModelConfig(**{**SMALL, **changes})
