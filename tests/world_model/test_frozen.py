"""A pretrained backbone that stays as it is: loaded from a local file, looked through once, never in the checkpoint."""

import hashlib
import json
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from forearm.world_model import JEPA, CheckpointError, ModelConfig, load_checkpoint
from forearm.world_model.config import BackboneConfig, from_mapping, to_mapping
from forearm.world_model.data import DatasetError, open_cache, with_features
from forearm.world_model.heads.trajectories import encode_episodes
from forearm.world_model.model.backbone import Backbone, BackboneError
from forearm.world_model.model.timm_import import import_timm
from forearm.world_model.training.run import train
from tests.world_model import trainee

try:
    timm = import_timm()
except ImportError:
    pytest.skip("needs the extra 'frozen'", allow_module_level=True)
pytestmark = pytest.mark.usefixtures("one_thread")
VIT, CNN = "test_vit", "test_efficientnet"


def random_weights(name, path, seed=0):
    """A file with random weights, classifier included, as published files have it."""
    torch.manual_seed(seed)
    model = timm.create_model(name, pretrained=False, num_classes=7).eval()
    save_file(model.state_dict(), path)
    return model


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    for name in (VIT, CNN):
        random_weights(name, folder / f"{name}.safetensors")
    return folder


def config_of(weights, name=VIT, **changes):
    return BackboneConfig(**{"name": name, "weights_file": str(weights / f"{name}.safetensors"), **changes})


def model_of(weights, **changes):
    sizes = {"resolution": 32, "latent_dim": 8, "width": 8, "predictor_width": 64, "history": 2, "frameskip": 2}
    return ModelConfig(encoder="frozen", backbone=config_of(weights, input_size=64, **changes), **sizes)


def training_of(weights, squares, out, steps, **settings):
    return replace(trainee.training_of(squares, out, steps, **settings), model=model_of(weights))


def pixels(count, side, seed=0):
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(seed)) - 0.5


def test_patch_tokens_of_a_vit_are_timms_own(weights, tmp_path):
    reference = random_weights(VIT, tmp_path / "w.safetensors")
    side = reference.patch_embed.img_size[0]
    backbone = Backbone(config_of(weights, input_size=side))
    frames = pixels(2, side)
    mean, std = (torch.tensor(reference.pretrained_cfg[key]).view(3, 1, 1) for key in ("mean", "std"))
    with torch.no_grad():
        tokens = reference.forward_features((frames + 0.5 - mean) / std)[:, reference.num_prefix_tokens :]
    maps = backbone(frames)
    assert maps.dtype == torch.float16 and maps.shape == (2, *backbone.shape)
    torch.testing.assert_close(maps.flatten(2).transpose(1, 2).float(), tokens, rtol=2e-3, atol=2e-3)
    assert backbone.config.mean == tuple(reference.pretrained_cfg["mean"])


def test_pooled_is_the_models_own_vector(weights, tmp_path):
    reference = random_weights(CNN, tmp_path / "w.safetensors")
    backbone = Backbone(config_of(weights, CNN, tokens="pooled", input_size=64, mean=[0.5] * 3, std=[0.5] * 3))
    frames = pixels(3, 64)
    with torch.no_grad():
        expected = reference.forward_head(reference.forward_features(2 * frames), pre_logits=True)
    assert backbone.shape == (expected.shape[1], 1, 1)
    torch.testing.assert_close(backbone(frames)[:, :, 0, 0].float(), expected, rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("layer", [0, 2, None])
def test_a_layer_of_a_convolutional_model_is_its_stage(weights, layer):
    info = timm.create_model(CNN, features_only=True).feature_info
    backbone = Backbone(config_of(weights, CNN, layer=layer, input_size=64))
    stage = -1 if layer is None else layer
    side = 64 // info.reduction()[stage]
    assert backbone.shape == (info.channels()[stage], side, side)
    assert backbone(pixels(2, 32)).shape == (2, *backbone.shape), "frames are resized"


@pytest.mark.parametrize("size", [32, 64, 192])
def test_a_vit_takes_frames_of_another_size_than_it_was_made_for(weights, size):
    backbone = Backbone(config_of(weights, input_size=size))
    assert backbone.shape[1:] == (size // 16, size // 16)
    maps = backbone(pixels(2, size))
    assert torch.isfinite(maps).all() and not torch.equal(maps[0], maps[1])


def test_making_a_backbone_leaves_the_random_stream_alone(weights):
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    Backbone(config_of(weights))
    assert torch.rand(4).equal(expected)


def test_what_cannot_be_loaded_is_named(weights, tmp_path, monkeypatch):
    files = {name: str(tmp_path / f"{name}.safetensors") for name in ("none", "shape", "torch")}

    def refused(*words, **changes):
        with pytest.raises(BackboneError) as raised:
            Backbone(config_of(weights, **changes))
        assert all(word in str(raised.value) for word in words), str(raised.value)

    refused("none.safetensors", VIT, "No such file", "put the file there", weights_file=files["none"])
    refused("sha256", "abc", "not the file that this model was trained with", weights_sha256="abc")
    (tmp_path / "torch.safetensors").write_bytes(b"\x80\x02pickle")
    refused("torch.safetensors", "no safetensors file", "convert_backbone.py", weights_file=files["torch"])
    other = str(weights / f"{CNN}.safetensors")
    refused("does not hold the weights of test_vit", "missing", "unknown", weights_file=other)
    tensors = load_file(weights / f"{VIT}.safetensors")
    tensors["norm.weight"] = torch.ones(3)
    save_file(tensors, files["shape"])
    refused("1 tensors of another shape (norm.weight)", weights_file=files["shape"])
    refused("layer=99", layer=99)
    refused("'test_vi'", "does not have", "near it: test_vit", name="test_vi")
    refused("does not have", name="hf-hub:timm/test_vit.r160_in1k")
    monkeypatch.setitem(sys.modules, "timm", None)
    refused("pip install 'forearm[frozen]'")


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"weights_file": None}, "weights_file is not set.*world_model.backbone.weights_file=FILE"),
        ({"tokens": "class"}, "backbone.tokens is 'class': expected one of patch, pooled"),
        ({"tokens": "pooled", "layer": 1}, "layer is 1: with tokens=pooled"),
        ({"input_size": 8}, "input_size is 8: expected at least 16"),
        ({"std": [1.0, 1.0, 0.0]}, "std is .*expected three numbers above 0"),
        ({"mean": "grey"}, "mean is grey: expected three numbers, for"),
    ],
)
def test_settings_that_make_no_backbone_are_refused(weights, changes, complaint):
    with pytest.raises(ValueError, match=complaint):
        config_of(weights, **changes)


def test_a_backbone_belongs_to_a_frozen_encoder(weights):
    with pytest.raises(ValueError, match="encoder is 'frozen', but none are given"):
        ModelConfig(encoder="frozen")
    with pytest.raises(ValueError, match="encoder is 'conv', but they are given"):
        ModelConfig(backbone=config_of(weights))
    with pytest.raises(ValueError, match=r"width is 12: .*multiple of 8"):
        replace(model_of(weights), width=12)
    model = model_of(weights, mean=(0.5, 0.5, 0.5))
    assert from_mapping(ModelConfig, json.loads(json.dumps(to_mapping(model)))) == model


@pytest.fixture(scope="module")
def trained(weights, squares, tmp_path_factory):
    torch.set_num_threads(1)
    out = tmp_path_factory.mktemp("frozen")
    return out, train(training_of(weights, squares, out, 250, batch=32))


def test_it_learns_to_predict_without_collapse(trained):
    _, report = trained
    assert report["error"][-1] < 0.6 * report["copy_last"][-1]
    assert report["effective_rank"] > 1.5  # the square has two degrees of freedom; collapse would leave one or none
    assert report["probe_mm"]["object_position"]["mlp"] < 5  # pixels; guessing the middle is off by about 8


def test_the_checkpoint_names_the_backbone_and_does_not_hold_it(trained, weights):
    out, _ = trained
    document, tensors = json.loads((out / "model.json").read_text()), load_file(out / "model.safetensors")
    backbone = document["model"]["backbone"]
    path = weights / f"{VIT}.safetensors"
    assert backbone["weights_file"] == str(path) and backbone["name"] == VIT
    assert backbone["weights_sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert len(backbone["mean"]) == 3
    trunk = {key for key in tensors if key.startswith("encoder.")}
    assert trunk and all(key.startswith("encoder.projection.") for key in trunk)
    assert (out / "model.safetensors").stat().st_size < 0.5 * path.stat().st_size


def test_planning_sees_what_training_saw(trained, squares, weights):
    model, _ = load_checkpoint(trained[0])
    plain = open_cache(squares, 32)
    seen = with_features(plain, model.backbone.identity(), model.backbone.shape, model.features)
    episodes = np.array([1, 3])
    from_frames, from_features = (encode_episodes(model, cache, episodes).latents for cache in (plain, seen))
    torch.testing.assert_close(from_features, from_frames, rtol=1e-2, atol=1e-2)
    assert from_frames.std() > 0.3
    with pytest.raises(ValueError, match="this model expects pixels"):
        JEPA(ModelConfig(resolution=32)).latents({"features": torch.zeros(1, 1, 4, 2, 2)})
    with pytest.raises(ValueError, match=r"features are \(4, 2, 2\) a frame: this model expects"):
        model.latents({"features": torch.zeros(1, 1, 4, 2, 2)})


def test_frames_are_looked_at_once_for_all_runs(trained, weights, squares, tmp_path, monkeypatch):
    looked = []
    whole = Backbone.__call__
    monkeypatch.setattr(Backbone, "__call__", lambda self, frames: looked.append(len(frames)) or whole(self, frames))
    train(training_of(weights, squares, tmp_path, 2))
    assert looked == []


def test_the_backbone_does_not_change(trained, weights):
    model, _ = load_checkpoint(trained[0])
    fresh = Backbone(model.config.backbone)
    assert torch.equal(model.backbone(pixels(2, 32)), fresh(pixels(2, 32)))
    model.train()
    assert torch.equal(model.backbone(pixels(2, 32)), fresh(pixels(2, 32))), "training mode is not for the backbone"
    kept = {name for name, _ in model.named_parameters() if name.startswith("encoder.")}
    assert kept and all(name.startswith("encoder.projection.") for name in kept)


class Killed(Exception):
    pass


def test_a_killed_run_goes_on_to_the_same_weights(weights, squares, tmp_path):
    whole = train(training_of(weights, squares, tmp_path / "whole", 8), every=1)

    def kill(progress):
        if progress.step == 5:
            raise Killed

    with pytest.raises(Killed):
        train(training_of(weights, squares, tmp_path / "killed", 8), every=1, on_progress=kill)
    copy = tmp_path / "copy.safetensors"  # the same weights in another place are the same weights
    copy.write_bytes((weights / f"{VIT}.safetensors").read_bytes())
    elsewhere = training_of(weights, squares, tmp_path / "killed", 8)
    moved = replace(elsewhere.model.backbone, weights_file=str(copy))
    resumed = train(replace(elsewhere, model=replace(elsewhere.model, backbone=moved)), every=1)
    one, other = (load_checkpoint(tmp_path / name)[0].state_dict() for name in ("whole", "killed"))
    assert all(torch.equal(one[key], other[key]) for key in one) and resumed == whole
    with pytest.raises(DatasetError, match=r"model.backbone.input_size was 64, is 80"):
        changed = replace(elsewhere.model, backbone=replace(elsewhere.model.backbone, input_size=80))
        train(replace(elsewhere, model=changed))


def test_a_checkpoint_finds_its_backbone_or_says_what_is_missing(trained, weights, tmp_path):
    out, _ = trained
    document = json.loads((out / "model.json").read_text())
    backbone, gone = document["model"]["backbone"], str(tmp_path / "gone" / "vit.safetensors")
    document["model"]["backbone"] = {**backbone, "weights_file": gone}
    (tmp_path / "model.json").write_text(json.dumps(document))
    (tmp_path / "model.safetensors").write_bytes((out / "model.safetensors").read_bytes())
    with pytest.raises(CheckpointError) as raised:
        load_checkpoint(tmp_path)
    assert all(word in str(raised.value) for word in ("model.json", gone, backbone["weights_sha256"], "beside itself"))
    (tmp_path / "vit.safetensors").write_bytes((weights / f"{VIT}.safetensors").read_bytes())
    model, _ = load_checkpoint(tmp_path)
    original, _ = load_checkpoint(out)
    frames = np.zeros((1, 32, 32, 3), np.uint8)
    assert torch.equal(model.encode(frames), original.encode(frames))
    random_weights(VIT, tmp_path / "vit.safetensors", seed=1)
    with pytest.raises(CheckpointError, match=f"vit.safetensors: is not the file.*{backbone['weights_sha256']}"):
        load_checkpoint(tmp_path)
