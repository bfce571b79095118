"""Weights of an image model from a torch file into a safetensors file under timm's names, for `world_model=frozen`.

    python scripts/convert_backbone.py tf_efficientnet_lite0 WEIGHTS.pth tf_efficientnet_lite0.safetensors

A torch file is a pickle. It is read here and nowhere else, with `weights_only=True`, which builds tensors and plain
containers and runs nothing that the file brings along. Names are timm's, or those of EfficientNet-PyTorch and its
descendants (`_blocks.0._depthwise_conv.weight`), which are translated.
"""

import argparse
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from forearm.world_model.data import DatasetError
from forearm.world_model.model.backbone import BackboneError, load_weights, make_model
from forearm.world_model.runtime.checkpoint import write_whole

WRAPPERS = ("state_dict", "model")
"""Under which names training scripts store the weights among other things."""
OUTSIDE = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
SQUEEZE = {"_se_reduce": "se.conv_reduce", "_se_expand": "se.conv_expand"}
SEPARABLE = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2", **SQUEEZE}
"""Parts of a block without expansion."""
INVERTED = {
    "_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw", "_bn1": "bn2", "_project_conv": "conv_pwl",
    "_bn2": "bn3", **SQUEEZE,
}  # fmt: skip


def tensors_in(loaded: Any) -> dict[str, Tensor]:
    """The weights in what a torch file holds, without wrappers of training scripts and of data parallelism."""
    for wrapper in WRAPPERS:
        if isinstance(loaded, Mapping) and isinstance(loaded.get(wrapper), Mapping):
            loaded = loaded[wrapper]
    if not isinstance(loaded, Mapping) or not all(isinstance(value, Tensor) for value in loaded.values()):
        raise ValueError("holds no mapping of names to tensors")
    return {str(key).removeprefix("module."): value.detach().clone().contiguous() for key, value in loaded.items()}


def timm_names(tensors: Mapping[str, Tensor], stages: list[int]) -> dict[str, Tensor]:
    """`tensors` under timm's names; `stages` are how many blocks each stage of the timm model has.

    EfficientNet-PyTorch numbers all blocks in one row, timm within their stage.
    """
    if "_conv_stem.weight" not in tensors:
        return dict(tensors)
    places = [f"blocks.{stage}.{block}" for stage, count in enumerate(stages) for block in range(count)]
    renamed = {}
    for key, value in tensors.items():
        found = re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", key)
        if found is None:
            part, _, leaf = key.partition(".")
            renamed[f"{OUTSIDE[part]}.{leaf}" if part in OUTSIDE else key] = value
            continue
        number, part, leaf = int(found[1]), found[2], found[3]
        parts = INVERTED if f"_blocks.{number}._expand_conv.weight" in tensors else SEPARABLE
        if number >= len(places) or part not in parts:
            raise ValueError(f"has a tensor {key}, for which the timm model has no place")
        renamed[f"{places[number]}.{parts[part]}.{leaf}"] = value
    return renamed


def convert(name: str, source: Path, out: Path) -> None:
    """Writes `out`, whole or not at all; raises ValueError, `BackboneError` or `DatasetError`, which say why."""
    model = make_model(name)
    try:
        loaded = torch.load(source, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises OSError, RuntimeError, UnpicklingError and others
        raise ValueError(f"{source}: cannot be read as a torch file of plain tensors ({error})") from error
    stages = [len(stage) for stage in model.blocks] if hasattr(model, "blocks") and "efficientnet" in name else []
    try:
        tensors = timm_names(tensors_in(loaded), stages)
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from error
    load_weights(model, tensors, name, source)
    write_whole(out, save(tensors))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("name", help="timm's name of the architecture")
    parser.add_argument("source", type=Path, help="the torch file")
    parser.add_argument("out", type=Path, help="the safetensors file to write")
    given = parser.parse_args()
    try:
        convert(given.name, given.source, given.out)
    except (BackboneError, DatasetError, ValueError) as error:
        print(f"convert_backbone: {error}", file=sys.stderr)
        return 2
    print(given.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
