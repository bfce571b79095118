"""The predictors that a world model can have: what each promises, and that all of them train, plan and are kept."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from forearm.planner.conformance.contract import check_dynamics
from forearm.surprise.prediction import Predictions, errors_of
from forearm.world_model import (
    JEPA,
    CheckpointError,
    LatentDynamics,
    LatentState,
    LossConfig,
    ModelConfig,
    load_checkpoint,
)
from forearm.world_model.config import PREDICTORS, from_mapping, to_mapping
from forearm.world_model.data import DatasetError
from forearm.world_model.model.jepa import ENCODING
from forearm.world_model.training.losses import JepaLoss
from forearm.world_model.training.mixed_precision import autocast
from forearm.world_model.training.run import train
from forearm.world_model.training.warm_start import Init
from tests.world_model.trainee import LOSS, MODEL, training_of

pytestmark = pytest.mark.usefixtures("one_thread")
SMALL = {"resolution": 32, "latent_dim": 6, "width": 8, "predictor_width": 16}
OTHERS = [kind for kind in PREDICTORS if kind != "residual"]


def model_of(predictor, double=True, **changes):
    """A model whose predictor has random weights everywhere."""
    torch.manual_seed(0)
    model = JEPA(ModelConfig(**{**SMALL, "predictor": predictor, **changes})).eval()
    for weights in model.predictor.parameters():
        torch.nn.init.normal_(weights, std=0.3)
    return (model.double() if double else model).requires_grad_(False)


def drawn(model, count, steps, seed=0):
    """States (count, T, S), blocks between them and blocks from then on."""
    generator = torch.Generator().manual_seed(seed)
    history, kind = model.config.history, model.action_mean.dtype
    sizes = [(history, model.state_dim), (history - 1, model.config.block_dim), (steps, model.config.block_dim)]
    return [torch.randn(count, *size, generator=generator, dtype=kind) for size in sizes]


@pytest.mark.parametrize("predictor", PREDICTORS)
def test_an_untrained_predictor_says_that_nothing_changes(predictor):
    model = JEPA(ModelConfig(**SMALL, predictor=predictor)).double()
    states, past, blocks = drawn(model, 3, 4)
    torch.testing.assert_close(model.rollout(states, past, blocks), states[:, -1:].expand(-1, 4, -1))


@settings(max_examples=20, deadline=None)
@given(
    st.integers(1, 4), st.integers(1, 3), st.integers(1, 4), st.sampled_from([0, 2]), st.sampled_from([1, 2, 3]),
    st.sampled_from(["residual", "affine"]),
)  # fmt: skip
def test_a_path_is_one_prediction_after_the_other(history, frameskip, steps, proprio, depth, predictor):
    shape = {"history": history, "frameskip": frameskip, "proprio_dim": proprio, "predictor_depth": depth}
    model = model_of(predictor, **shape)
    states, past, blocks = drawn(model, 2, steps)
    rolled, done = model.rollout(states, past, blocks), torch.cat([past, blocks], 1)
    for step in range(steps):
        following = model.predict(states[:, -history:], done[:, step : step + history])
        torch.testing.assert_close(rolled[:, step], following)
        states = torch.cat([states, following[:, None]], 1)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 4), st.integers(1, 7), st.integers(1, 3), st.integers(1, 3), st.floats(-2, 2), st.integers(0, 99))
def test_an_affine_predictor_is_affine_in_the_states(history, steps, depth, frameskip, share, seed):
    model = model_of("affine", history=history, predictor_depth=depth, frameskip=frameskip)
    states, past, blocks = drawn(model, 2, steps, seed)
    one, other = states.split(1)
    between = share * one + (1 - share) * other
    alike = [blocks[:1], blocks[:1]]
    ends = model.rollout(states, past[:1], torch.cat(alike))
    found = model.rollout(between, past[:1], blocks[:1])
    torch.testing.assert_close(found, share * ends[:1] + (1 - share) * ends[1:], rtol=1e-9, atol=1e-9)
    # … and what it mixes and adds is what commands say.
    assert not torch.allclose(model.rollout(states[:1], past[:1], blocks[1:]), ends[:1])


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 3), st.integers(1, 5), st.integers(2, 8), st.integers(0, 99), st.data())
def test_a_prefix_does_not_depend_on_what_comes_after_it(history, longest, steps, seed, data):
    model = model_of("prefix", double=False, history=history, predictor_steps=longest)
    states, past, blocks = drawn(model, 5, steps, seed)
    known = data.draw(st.integers(1, steps - 1))
    other = torch.cat([blocks[:, :known], -blocks[:, known:]], dim=1)
    rolled, changed = model.rollout(states, past, blocks), model.rollout(states, past, other)
    assert torch.equal(rolled[:, :known], changed[:, :known])
    assert not torch.allclose(rolled[:, known], changed[:, known])
    alone = model.rollout(states, past, blocks[:, :known])
    torch.testing.assert_close(alone, rolled[:, :known], rtol=1e-4, atol=1e-4)
    single = model.predict(states, torch.cat([past, blocks[:, :1]], 1))
    torch.testing.assert_close(single, rolled[:, 0], rtol=1e-4, atol=1e-4)


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 4))
def test_what_is_beyond_a_prefix_is_foretold_from_its_end(history, longest, further):
    model = model_of("prefix", history=history, predictor_steps=longest)
    states, past, blocks = drawn(model, 3, longest + further)
    rolled = model.rollout(states, past, blocks)
    first, rest = blocks[:, :longest], blocks[:, longest:]
    window = torch.cat([states, model.rollout(states, past, first)], 1)[:, -history:]
    done = torch.cat([past, first], 1)
    chained = model.rollout(window, done[:, done.shape[1] - history + 1 :], rest)
    torch.testing.assert_close(rolled[:, longest:], chained)


@pytest.mark.parametrize("predictor", PREDICTORS)
def test_paths_that_begin_alike_need_one_beginning(predictor):
    model = model_of(predictor, predictor_steps=2) if predictor == "prefix" else model_of(predictor)
    states, past, blocks = drawn(model, 5, 3)
    alike = model.rollout(states[:1].expand(5, -1, -1), past[:1].expand(5, -1, -1), blocks)
    torch.testing.assert_close(model.rollout(states[:1], past[:1], blocks), alike)


@pytest.mark.parametrize("predictor", PREDICTORS)
def test_gradients_are_those_of_the_path(predictor):
    model = model_of(predictor)
    states, past, blocks = drawn(model, 2, 3)
    inputs = [tensor.requires_grad_() for tensor in (states, past, blocks)]
    assert torch.autograd.gradcheck(model.rollout, inputs)


@pytest.mark.parametrize("predictor", PREDICTORS)
@pytest.mark.parametrize("proprio", [0, 2])
def test_planners_find_nothing_wrong_with_its_dynamics(predictor, proprio):
    """Alone or with other problems it is rounded alike, with gradients too, and later commands change nothing."""
    model = model_of(predictor, double=False, proprio_dim=proprio)
    states, _, _ = drawn(model, 3, 1)
    state = LatentState(states, torch.rand(3, 4, 4, generator=torch.Generator().manual_seed(1)))
    take = lambda of, b: LatentState(of.states[b : b + 1], of.actions[b : b + 1])  # noqa: E731
    bounds = {"low": [-1.0] * 4, "high": [1.0] * 4}
    found = check_dynamics(LatentDynamics(model), state, **bounds, batch=3, one=take, gradients=True, horizon=8)
    assert found == []


@settings(max_examples=15, deadline=None)
@given(st.sampled_from(OTHERS), st.integers(1, 4), st.integers(1, 40), st.integers(1, 9), st.integers(0, 99))
def test_planning_together_or_alone_is_the_same_to_the_bit(predictor, batch, candidates, steps, seed):
    dynamics, generator = LatentDynamics(model_of(predictor, double=False)), torch.Generator().manual_seed(seed)
    state = LatentState(torch.randn(batch, 3, 6, generator=generator), torch.rand(batch, 4, 4, generator=generator))
    actions = torch.rand(batch, candidates, 2 * steps, 4, generator=generator)
    with torch.inference_mode():
        together = dynamics.rollout(state, actions)
        assert together.shape == (batch, candidates, steps, 6)
        assert torch.equal(dynamics.rollout(state, actions), together)
        for b in range(batch):
            alone = dynamics.rollout(LatentState(state.states[b : b + 1], state.actions[b : b + 1]), actions[b : b + 1])
            assert torch.equal(together[b], alone[0])


@pytest.mark.parametrize("predictor", PREDICTORS)
def test_bfloat16_is_near(predictor):
    model = model_of(predictor, double=False)
    states, past, blocks = drawn(model, 16, 8)
    exact = model.rollout(0.3 * states, past, 0.3 * blocks)
    with autocast(torch.device("cpu"), "bfloat16"):
        near = model.rollout(0.3 * states, past, 0.3 * blocks)
    assert 0 < (near - exact).pow(2).mean().sqrt() < 0.05 * exact.std()


@pytest.mark.parametrize("history", [1, 3])
@pytest.mark.parametrize("predictor", PREDICTORS)
def test_surprise_compares_with_what_a_plan_would_have_foretold(predictor, history):
    model = model_of(predictor, history=history)
    frames, actions = torch.randn(12, 6, dtype=torch.float64), torch.rand(11, 4)
    watched = Predictions(model, 3)
    errors = [watched.see(frames[t], None, None if t == 0 else actions[t - 1].numpy()) for t in range(12)]
    span = 2 * (history - 1)
    for steps in (1, 2, 3):
        start = 11 - 2 * steps  # the present that the last frame was foretold from
        past, coming = actions[start - span : start], actions[start:]
        states = frames[start - span : start + 1 : 2]
        expected = model.rollout(states[None], model.blocks(past)[None], model.blocks(coming)[None])[0, -1]
        np.testing.assert_allclose(errors[-1][steps - 1], (frames[11] - expected).numpy(), rtol=1e-6)
    at_once = errors_of(model, frames.numpy(), None, actions.double().numpy(), 3)
    np.testing.assert_allclose(at_once, np.stack(errors), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"predictor": "salt"}, "predictor is 'salt': expected one of residual, affine, prefix"),
        ({"predictor": "prefix", "predictor_steps": 0}, "predictor_steps is 0: expected at least 1"),
        ({"predictor_steps": 4}, "predictor_steps is 4, but predictor is 'residual'.*predictor=prefix alone"),
        ({"predictor": "affine", "predictor_width": 0}, "predictor_width is 0: expected at least 1"),
        (
            {"predictor": "affine", "action_dim": 0},
            "predictor is 'affine', but there are no commands.*set it to res",
        ),
    ],
)
def test_settings_that_make_no_predictor_are_refused(changes, complaint):
    with pytest.raises(ValueError, match=complaint):
        ModelConfig(**{**SMALL, **changes})


def test_commands_that_a_model_infers_are_told_too():
    for predictor in PREDICTORS:
        model = model_of(predictor, action_dim=0, inferred_dim=3)
        assert model.rollout(*drawn(model, 2, 4)).shape == (2, 4, 6)


def test_prefixes_longer_than_any_that_is_trained_are_refused():
    model = model_of("prefix", predictor_steps=4)
    with pytest.raises(ValueError, match=r"predictor_steps is 4, but rollout is 3: .*predictor_steps=3 or .*rollout=4"):
        JepaLoss(model, LossConfig(rollout=3), 0)
    JepaLoss(model, LossConfig(rollout=5), 0)


def test_a_choice_is_told_and_what_is_usual_is_not():
    told = [to_mapping(ModelConfig(predictor=kind)) for kind in PREDICTORS]
    assert "predictor" not in told[0] and "predictor_steps" not in {**told[0], **told[1]}
    assert told[1]["predictor"] == "affine" and told[2]["predictor_steps"] == 6
    for values, kind in zip(told, PREDICTORS, strict=True):
        assert from_mapping(ModelConfig, json.loads(json.dumps(values))) == ModelConfig(predictor=kind)


def chosen(data, out, predictor, steps, **more):
    """A training with that predictor, where it is `prefix` with one pass and a chain behind it."""
    shape = {"predictor_steps": 2} if predictor == "prefix" else {}
    training = training_of(data, out, steps, batch=32)
    return replace(training, model=replace(MODEL, predictor=predictor, **shape), **more)


@pytest.fixture(scope="module")
def encoder(squares, tmp_path_factory):
    """A model of the usual kind, from which others take the encoder."""
    torch.set_num_threads(1)
    out = tmp_path_factory.mktemp("encoder")
    train(training_of(squares, out, 200, batch=32))
    return out


@pytest.mark.parametrize("predictor", OTHERS)
def test_it_learns_to_predict_with_its_encoder(squares, tmp_path, predictor):
    report = train(chosen(squares, tmp_path, predictor, 150))
    assert len(report["error"]) == LOSS.rollout and report["error"][-1] < 0.5 * report["copy_last"][-1]
    assert report["probe_mm"]["object_position"]["linear"] < 4  # pixels; guessing the middle is off by about 8
    model, document = load_checkpoint(tmp_path)
    assert document["model"]["predictor"] == predictor == model.config.predictor


@pytest.mark.parametrize("predictor", OTHERS)
def test_it_learns_on_an_encoder_that_was_trained_with_another_and_is_kept(squares, tmp_path, encoder, predictor):
    training = chosen(squares, tmp_path, predictor, 200, init=Init(str(encoder), freeze_encoder=True))
    report = train(training)
    assert report["error"][-1] < 0.5 * report["copy_last"][-1]
    ours, theirs = (load_checkpoint(out)[0].state_dict() for out in (tmp_path, encoder))
    kept = [key for key in theirs if key.startswith(ENCODING)]
    assert kept and all(torch.equal(ours[key], theirs[key]) for key in kept)
    with pytest.raises(CheckpointError, match=f"a model with predictor residual, not {predictor}"):
        train(replace(training, out=tmp_path / "all", init=Init(str(encoder), whole=True)))
    going_on = replace(training, out=tmp_path / "on", init=Init(str(tmp_path), whole=True))
    train(replace(going_on, train=replace(going_on.train, steps=2)))


class Killed(Exception):
    pass


@pytest.mark.parametrize("predictor", OTHERS)
def test_a_killed_run_goes_on_to_the_same_weights_and_to_no_other_predictor(squares, tmp_path, predictor):
    train(chosen(squares, tmp_path / "whole", predictor, 8))

    def kill(progress):
        if progress.step == 6:
            raise Killed

    with pytest.raises(Killed):
        train(chosen(squares, tmp_path / "killed", predictor, 8), every=1, on_progress=kill)
    with pytest.raises(DatasetError, match=f"model.predictor was {predictor}, is residual"):
        train(chosen(squares, tmp_path / "killed", "residual", 8))
    train(chosen(squares, tmp_path / "killed", predictor, 8))
    one, other = (load_checkpoint(tmp_path / name)[0].state_dict() for name in ("whole", "killed"))
    assert all(torch.equal(one[key], other[key]) for key in one)
