from dataclasses import replace

import numpy as np
import pytest
import torch

from forearm.world_model import CheckpointError, load_checkpoint
from forearm.world_model.data import open_cache
from forearm.world_model.model.balance import balanced, median_colour
from forearm.world_model.model.jepa import JEPA
from forearm.world_model.training.run import train
from forearm.world_model.training.warm_start import Init
from tests.world_model.test_jepa import model_of
from tests.world_model.trainee import training_of


def scene(gain=(1.0, 1.0, 1.0), seed=0):
    """A frame, mostly of one background, under lamps that multiply its colours by `gain`."""
    frame = np.full((32, 32, 3), (80, 100, 120), np.float64)
    frame[4:12, 8:20] = np.random.default_rng(seed).integers(0, 180, (8, 12, 3))
    return np.stack([np.rint(frame * gain).clip(0, 255).astype(np.uint8)])


def test_the_median_colour_is_that_of_the_background():
    frames = torch.from_numpy(np.concatenate([scene(), scene((0.5, 1.0, 1.1))]))
    assert median_colour(frames).tolist() == [[80, 100, 120], [40, 100, 132]]


@pytest.mark.parametrize("gain", [(0.7, 0.7, 0.7), (1.3, 1.3, 1.3), (1.1, 1.0, 0.9), (0.5, 1.0, 1.2)])
def test_a_balanced_frame_is_the_same_under_any_lamp(gain):
    wanted = torch.tensor([80.0, 100.0, 120.0])
    plain = torch.from_numpy(scene())
    assert balanced(plain, wanted).equal(plain.float())  # to the bit: in the usual light nothing changes
    error = balanced(torch.from_numpy(scene(gain)), wanted) - plain
    assert error.abs().max() <= 1.01 * 0.5 / min(gain)  # what rounding to whole grey levels had lost


def test_black_frames_stay_finite():
    dark = torch.zeros(1, 32, 32, 3, dtype=torch.uint8)
    assert balanced(dark, torch.tensor([80.0, 100.0, 120.0])).equal(torch.zeros(1, 32, 32, 3))


def test_latents_of_a_balanced_model_are_those_of_the_usual_light():
    model = model_of(balance=True)
    model.median_colour.copy_(torch.tensor([80.0, 100.0, 120.0]))
    plain = model_of()
    assert model.encode(scene()).equal(plain.encode(scene()))
    other = plain.encode(scene(seed=1)) - plain.encode(scene())
    darker = scene((0.7, 0.7, 0.7))
    assert (model.encode(darker) - plain.encode(scene())).norm() < 0.05 * other.norm()
    assert (plain.encode(darker) - plain.encode(scene())).norm() > 0.1 * other.norm()


def test_training_takes_the_median_from_its_data_and_a_warm_start_keeps_it(squares, tmp_path):
    training = training_of(squares, tmp_path / "first", 2)
    training = replace(training, model=replace(training.model, balance=True))
    train(training)
    model, document = load_checkpoint(tmp_path / "first")
    frames = torch.from_numpy(np.array(open_cache(squares, 32).frames))
    assert document["model"]["balance"] is True
    assert model.median_colour.equal(median_colour(frames).median(dim=0).values)
    second = replace(training, out=tmp_path / "second", init=Init(str(tmp_path / "first")))
    train(replace(second, train=replace(second.train, share=0.1)))
    assert load_checkpoint(tmp_path / "second")[0].median_colour.equal(model.median_colour)
    unlike = replace(second, out=tmp_path / "third", model=replace(training.model, balance=False))
    with pytest.raises(CheckpointError, match="balance True, not False"):
        train(unlike)


def test_what_is_kept_of_frames_depends_on_the_median():
    kept = []
    for colour in (80.0, 90.0):
        model = model_of(balance=True)
        model.median_colour.fill_(colour)
        model.fix_encoder()
        kept.append(model.kept)
    assert kept[0] != kept[1]


def test_models_without_balance_have_nothing_more_to_save():
    assert "median_colour" not in model_of().state_dict()
    assert isinstance(model_of(balance=True), JEPA) and "median_colour" in model_of(balance=True).state_dict()
