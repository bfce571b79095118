"""A decoder draws what frozen latents know, is kept beside a checkpoint, and serves no other."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from forearm.errors import InputError
from forearm.world_model.config import ModelConfig
from forearm.world_model.data import open_cache
from forearm.world_model.heads.checkpoint import heads_path
from forearm.world_model.heads.decoder import Decoder, DecoderConfig, picture_errors, psnr, squared_error, train_decoder
from forearm.world_model.heads.decoder_checkpoint import decoder_path, load_decoder, save_decoder
from forearm.world_model.heads.training import HeadsTraining, train_heads
from forearm.world_model.heads.trajectories import Trajectories
from forearm.world_model.model.jepa import JEPA, digest
from forearm.world_model.runtime.checkpoint import (
    CheckpointError,
    load_checkpoint,
    pretrained_folder,
    save_checkpoint,
    shipped,
)

MODEL = ModelConfig(width=8, latent_dim=6, predictor_width=16, resolution=32)
SMALL = DecoderConfig(width=8, steps=60, batch=32)
SHA = "0123456789abcdef" * 4


def untrained(state_dim=6):
    torch.manual_seed(0)
    return Decoder(state_dim, 32, SMALL).eval()


@pytest.fixture(scope="module")
def places():
    """Episodes whose latents are where a square is, and the frames that show it; what is done is told by nothing."""
    rng = np.random.default_rng(0)
    steps = 20
    at = np.clip(np.cumsum(rng.integers(-2, 3, (12, steps, 2)), 1) + 16, 4, 27)
    frames = np.full((12 * steps, 32, 32, 3), 60, np.uint8)
    for frame, (row, column) in zip(frames, at.reshape(-1, 2), strict=True):
        frame[row - 4 : row + 4, column - 4 : column + 4] = (240, 80, 20)
    latents = torch.from_numpy((at - 16) / 8).float()
    data = Trajectories.of(latents, torch.zeros(12, steps - 1, 4))
    return data, lambda rows: frames[rows.numpy()]


def test_it_learns_to_draw_what_the_latents_know(places):
    data, frames = places
    decoder, losses = train_decoder(data, frames, 32, replace(SMALL, steps=400, rate=5e-3), 0)
    assert losses[-1] < 0.4 * losses[0] and not decoder.training
    every = torch.arange(len(data.latents))
    drawn, came = decoder.draw(data.states(every)), frames(every)
    assert drawn.dtype == np.uint8 and drawn.shape == came.shape
    mean = np.broadcast_to(came.mean(0).round().astype(np.uint8), came.shape)
    assert squared_error(drawn, came) < 0.5 * squared_error(mean, came)
    few = [train_decoder(data, frames, 32, replace(SMALL, steps=5), 0)[0].draw(data.states(every)) for _ in range(2)]
    assert np.array_equal(*few) and not np.array_equal(few[0], drawn)


def test_it_draws_one_state_as_it_draws_many():
    states = torch.randn(70, 6, generator=torch.Generator().manual_seed(0))
    decoder = untrained()
    one = np.concatenate([decoder.draw(state[None]) for state in states])
    assert np.abs(one.astype(int) - decoder.draw(states)).max() <= 1  # levels, where rounding decides


def test_errors_stand_beside_copying_the_last_frame(places):
    data, frames = places

    class Still(JEPA):
        def rollout(self, states, past_blocks, blocks):
            return states[:, -1:].expand(-1, blocks.shape[1], -1)

    model = Still(replace(MODEL, latent_dim=2)).eval()
    decoder, _ = train_decoder(data, frames, 32, SMALL, 0)
    errors = picture_errors(model, decoder, data, frames, longest=3)
    assert {len(values) for values in errors.values()} == {3}
    # By hand: all moments with two steps of two behind them, and three before the end.
    rows = torch.tensor([e * 20 + t for e in range(12) for t in range(4, 14)])
    for step in (1, 2, 3):
        expected = squared_error(frames(rows), frames(rows + 2 * step))
        assert errors["copy_last_mse"][step - 1] == pytest.approx(expected, abs=1e-6)
        drawn = squared_error(decoder.draw(data.states(rows)), frames(rows + 2 * step))
        assert errors["imagined_mse"][step - 1] == pytest.approx(drawn, abs=1e-6)
        own = squared_error(decoder.draw(data.states(rows + 2 * step)), frames(rows + 2 * step))
        assert errors["decoded_mse"][step - 1] == pytest.approx(own, abs=1e-6)
        assert errors["copy_last_psnr"][step - 1] == pytest.approx(-10 * np.log10(expected), abs=0.01)
    assert psnr(0.0) > 1000  # nothing differs: no more is known


def test_short_episodes_are_looked_ahead_in_as_far_as_they_go(places):
    _, frames = places
    model, decoder = JEPA(MODEL).eval(), untrained()
    short = Trajectories.of(torch.randn(3, 9, 6), torch.zeros(3, 8, 4))
    assert len(picture_errors(model, decoder, short, frames)["imagined_mse"]) == 2
    with pytest.raises(InputError, match="no held-out episode is longer than 6 control steps"):
        picture_errors(model, decoder, Trajectories.of(torch.randn(3, 6, 6), torch.zeros(3, 5, 4)), frames)


def test_what_was_saved_is_loaded_and_belongs_to_one_world_model(tmp_path):
    decoder, path, states = untrained(9), tmp_path / "a.b.decoder.json", torch.randn(3, 9)
    save_decoder(decoder, path, SHA, {"task": "push", "metrics": {}})
    assert {file.name for file in tmp_path.iterdir()} == {"a.b.decoder.json", "a.b.decoder.safetensors"}
    again = load_decoder(path, SHA)
    assert np.array_equal(again.draw(states), decoder.draw(states)) and not any(
        p.requires_grad for p in again.parameters()
    )
    with pytest.raises(CheckpointError, match=r"trained on the world model 0123456789abcdef, not on ffffffffffffffff"):
        load_decoder(path, "f" * 64)


def test_damage_is_named(tmp_path):
    path = tmp_path / "m.decoder.json"
    with pytest.raises(CheckpointError, match="no such file"):
        load_decoder(path, SHA)
    save_decoder(untrained(), path, SHA, {})
    good = json.loads(path.read_text())
    for document, message in (
        ("{", "is not a decoder"),
        ({**good, "format": 9}, "has format 9, this version reads 1"),
        ({key: value for key, value in good.items() if key != "decoder"}, "is not a decoder"),
        ({**good, "decoder": {"depth": 3}}, "is not a decoder .*depth"),
        ({**good, "state_dim": 7}, "does not fit the architecture"),
    ):
        path.write_text(document if isinstance(document, str) else json.dumps(document))
        with pytest.raises(CheckpointError, match=message):
            load_decoder(path, SHA)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"width": 12}, "multiple of 8"),
        ({"width": 0}, "at least 1"),
        ({"steps": 0}, "at least 1"),
        ({"rate": 0}, "rate"),
    ],
)
def test_sizes_that_cannot_be_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        DecoderConfig(**settings)


def test_parts_that_there_are_not_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"unknown part 'decodr'; did you mean 'decoder'\?"):
        HeadsTraining("push", tmp_path, tmp_path, parts=("decodr",))
    with pytest.raises(InputError, match="name at least one of heads, student, subgoal, recorded, ranking, decoder"):
        HeadsTraining("push", tmp_path, tmp_path, parts=())


def test_training_leaves_the_world_model_as_it_was_and_reports(squares, tmp_path):
    torch.manual_seed(0)
    model, frames = JEPA(replace(MODEL, proprio_dim=2)), torch.from_numpy(np.array(open_cache(squares, 32).frames[::4]))
    with torch.no_grad():
        for _ in range(40):
            model.train().encode(frames)  # latents of unit variance, as in a trained model
    save_checkpoint(model.eval(), tmp_path / "model", {"camera": "observation.images.front"})
    before = {file: file.read_bytes() for file in tmp_path.iterdir()}
    training = HeadsTraining(tmp_path, squares, heads_path(tmp_path), decoder=SMALL, validation=0.2, parts=("decoder",))
    told = []
    report = train_heads(training, lambda what, done, of: told.append((what, done, of)))
    assert {file.name for file in tmp_path.iterdir()} == {file.name for file in before} | {
        "model.decoder.json",
        "model.decoder.safetensors",
    }
    assert all(file.read_bytes() == content for file, content in before.items())
    again, document = load_checkpoint(tmp_path)
    assert digest(again.state_dict()) == digest(model.state_dict())
    assert training.files == {"decoder": decoder_path(tmp_path)} and ("decoder", 60, 60) in told
    decoder = load_decoder(decoder_path(tmp_path), document["weights_sha256"])
    assert decoder.state_dim == 8 and decoder.resolution == 32
    kept = json.loads(decoder_path(tmp_path).read_text())
    assert kept["metrics"] == report["pictures"] and kept["dataset"]["episodes"] == 40
    assert len(report["pictures"]["imagined_mse"]) == 6


def test_shipped_decoders_are_small_belong_to_their_checkpoint_and_beat_copying():
    assert not [name for name in shipped() if "decoder" in name]
    found = list(pretrained_folder().glob("*.decoder.json"))
    assert {path.name.removesuffix(".decoder.json") for path in found} == {"push", "reach"}
    for path in found:
        assert path.with_suffix(".safetensors").stat().st_size < 1.5e6
        document = load_checkpoint(path.name.removesuffix(".decoder.json"))[1]
        load_decoder(path, document["weights_sha256"])
        metrics = json.loads(path.read_text())["metrics"]
        assert all(a < b for a, b in zip(metrics["imagined_mse"], metrics["copy_last_mse"], strict=True))
    assert sum(file.stat().st_size for file in pretrained_folder().iterdir()) < 70e6
