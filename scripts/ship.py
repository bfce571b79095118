"""Puts a trained world model, and its heads, among the checkpoints that ship with the package, at half the size.

    python scripts/ship.py outputs/fetch-pick-and-place fetch-pick-and-place [outputs/fetch-pick-and-place-heads]

Weights are rounded to float16, 11 bits each; statistics of data, such as means and covariances, stay float32. Loading
widens them again. The heads then belong to the rounded model, whose latents differ by about a thousandth.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from world_model.checkpoint import load_checkpoint, pretrained_folder, read_document, read_weights, write_pair
from world_model.heads_checkpoint import load_heads


def main(argv: Sequence[str] | None = None) -> None:
    """Write the pair of files of the checkpoint, and that of the heads where they are given."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("checkpoint", type=Path, help="folder of the training")
    parser.add_argument("name", help="of the files, without suffix")
    parser.add_argument("heads", type=Path, nargs="?", help="folder of the heads' training")
    parser.add_argument("--folder", type=Path, default=pretrained_folder(), help="where they are written")
    options = parser.parse_args(argv)
    target = options.folder / options.name
    model, document = load_checkpoint(options.checkpoint)
    trained_on = document["weights_sha256"]
    write_pair(target, {**model.state_dict(), **halved(model)}, document)
    if options.heads is not None:
        path = options.heads / "model.heads.json"
        heads = load_heads(path, trained_on)
        told = read_document(path, "a file of heads", 1)
        tensors = read_weights(path, told)
        for name in ("prior", "distance"):
            tensors |= {f"{name}.{key}": value for key, value in halved(getattr(heads, name)).items()}
        shipped = load_checkpoint(target.with_name(f"{target.name}.json"))[1]
        write_pair(
            target.with_name(f"{target.name}.heads"), tensors, {**told, "world_model_sha256": shipped["weights_sha256"]}
        )
    for path in sorted(options.folder.glob(f"{options.name}.*")):
        print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")


def halved(module: nn.Module) -> dict[str, Tensor]:
    """The weights of a module, not its statistics, in float16.

    Raises OverflowError for weights that float16 cannot hold.
    """
    found = {key: value.detach().half() for key, value in module.named_parameters()}
    if not all(bool(torch.isfinite(value).all()) for value in found.values()):
        raise OverflowError("weights are too large for float16: ship the checkpoint as it is")
    return found


if __name__ == "__main__":
    main()
