"""Weights in torch files, under timm's names or EfficientNet-PyTorch's, become safetensors that a backbone can load."""

import importlib.util
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from forearm.world_model.config import BackboneConfig
from forearm.world_model.model.backbone import Backbone, BackboneError
from forearm.world_model.model.timm_import import import_timm

try:
    timm = import_timm()
except ImportError:
    pytest.skip("needs the extra 'frozen'", allow_module_level=True)
LITE = "tf_efficientnet_lite0"
REPEATS = (1, 2, 2, 3, 3, 4, 1)
"""Blocks per stage of EfficientNet-B0 and -Lite0 (arXiv 1905.11946, table 1)."""
FIRST = {"conv_dw": "_depthwise_conv", "bn1": "_bn1", "conv_pw": "_project_conv", "bn2": "_bn2"}
EXPANDED = {
    "conv_pw": "_expand_conv", "bn1": "_bn0", "conv_dw": "_depthwise_conv", "bn2": "_bn1", "conv_pwl": "_project_conv",
    "bn3": "_bn2",
}  # fmt: skip
OUTER = {"conv_stem": "_conv_stem", "bn1": "_bn0", "conv_head": "_conv_head", "bn2": "_bn1", "classifier": "_fc"}


def script():
    path = Path(__file__).resolve().parents[2] / "scripts" / "convert_backbone.py"
    spec = importlib.util.spec_from_file_location("convert_backbone", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def upstream_name(key):
    """What EfficientNet-PyTorch calls the tensor that timm calls `key`."""
    parts = key.split(".")
    if parts[0] != "blocks":
        return ".".join([OUTER[parts[0]], *parts[1:]])
    stage, block = int(parts[1]), int(parts[2])
    inner = FIRST if stage == 0 else EXPANDED
    return f"_blocks.{sum(REPEATS[:stage]) + block}.{inner[parts[3]]}.{parts[4]}"


@pytest.fixture(scope="module")
def reference():
    torch.manual_seed(0)
    model = timm.create_model(LITE, pretrained=False)
    for tensor in model.state_dict().values():  # batch norms of one size differ only if they are made to
        if tensor.is_floating_point():
            tensor.copy_(torch.rand(tensor.shape))
    return model.state_dict()


@pytest.mark.parametrize("wrapped", [False, True])
def test_names_of_efficientnet_pytorch_are_translated(reference, tmp_path, wrapped):
    theirs = {upstream_name(key): value for key, value in reference.items()}
    assert len(theirs) == len(reference)
    torch.save({"state_dict": {f"module.{k}": v for k, v in theirs.items()}} if wrapped else theirs, tmp_path / "w.pth")
    out = tmp_path / "made" / "w.safetensors"
    script().convert(LITE, tmp_path / "w.pth", out)
    made = load_file(out)
    assert set(made) == set(reference) and all(torch.equal(made[key], reference[key]) for key in made)
    backbone = Backbone(BackboneConfig(name=LITE, weights_file=str(out), layer=3, input_size=128))
    assert backbone.shape == (112, 8, 8)


def test_names_of_timm_stay(tmp_path):
    weights = timm.create_model("test_vit", pretrained=False).state_dict()
    torch.save(weights, tmp_path / "w.pth")
    script().convert("test_vit", tmp_path / "w.pth", tmp_path / "w.safetensors")
    made = load_file(tmp_path / "w.safetensors")
    assert all(torch.equal(made[key], weights[key]) for key in weights)


class Trap:
    def __reduce__(self):
        return os.mkdir, ("sprung",)


def test_what_is_no_file_of_weights_is_refused_and_not_run(reference, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    out = tmp_path / "out.safetensors"

    def refused(content, complaint, error=ValueError, name=LITE):
        torch.save(content, tmp_path / "w.pth")
        with pytest.raises(error, match=complaint):
            script().convert(name, tmp_path / "w.pth", out)
        assert not out.exists()

    refused({"conv_stem.weight": Trap()}, "cannot be read as a torch file of plain tensors")
    assert not (tmp_path / "sprung").exists()
    refused([torch.zeros(1)], "holds no mapping of names to tensors")
    theirs = {upstream_name(key): value for key, value in reference.items()}
    refused({**theirs, "_blocks.16._bn1.bias": torch.zeros(1)}, "_blocks.16._bn1.bias, for which .* no place")
    del theirs["_conv_head.weight"]
    refused(theirs, r"1 tensors missing \(conv_head.weight\)", BackboneError)
    refused(theirs, "_depthwise_conv.weight, for which .* no place", name="test_vit")
    refused({"conv_stem.weight": torch.zeros(1)}, "does not hold the weights of test_vit", BackboneError, "test_vit")
    with pytest.raises(ValueError, match=r"none.pth: cannot be read"):
        script().convert(LITE, tmp_path / "none.pth", out)
