"""Puts a trained world model and its heads among those that ship, at half the size, or what one that ships plans with.

    python scripts/ship.py outputs/fetch-pick-and-place fetch-pick-and-place [outputs/fetch-pick-and-place-heads]
    python scripts/ship.py outputs/fetch/push/fetch-push.subgoal.json fetch-push     # or .recorded.json, .ranking.json

Weights are rounded to float16, 11 bits each; statistics of data, such as means and covariances, stay float32. Loading
widens them again. The heads then belong to the rounded model, whose latents differ by about a thousandth.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from forearm.world_model.heads.checkpoint import heads_path, load_heads, save_heads
from forearm.world_model.heads.ranking_checkpoint import load_ranking, ranking_path, save_ranking
from forearm.world_model.heads.recorded import save_recorded
from forearm.world_model.heads.subgoal_checkpoint import load_subgoal, recorded_path, save_subgoal, subgoal_path
from forearm.world_model.runtime.checkpoint import (
    HEADS,
    RANKING,
    RECORDED,
    SUBGOAL,
    load_checkpoint,
    pretrained_folder,
    save_checkpoint,
)

Module = TypeVar("Module", bound=nn.Module)
BESIDE: dict[str, tuple[Any, Any, Any]] = {
    SUBGOAL: (load_subgoal, save_subgoal, subgoal_path),
    RECORDED: (load_subgoal, save_recorded, recorded_path),
    RANKING: (load_ranking, save_ranking, ranking_path),
}
"""What is made for a checkpoint that ships, by how its files end: reads it, writes it, and says where."""


def main(argv: Sequence[str] | None = None) -> None:
    """Write the pair of files of the checkpoint, and that of the heads where they are given."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("checkpoint", type=Path, help="folder of the training, or JSON file of what plans with one")
    parser.add_argument("name", help="of the files, without suffix")
    parser.add_argument("heads", type=Path, nargs="?", help="folder of the heads' training")
    parser.add_argument("--folder", type=Path, default=pretrained_folder(), help="where they are written")
    options = parser.parse_args(argv)
    target = options.folder / options.name
    if (kind := Path(options.checkpoint.stem).suffix) in BESIDE and options.checkpoint.suffix == ".json":
        load, save, where = BESIDE[kind]
        trained_on = load_checkpoint(target)[1]["weights_sha256"]
        head, document = load(options.checkpoint, trained_on)
        save(halve(head), where(target), trained_on, document)
    else:
        _ship_model(options, target)
    for path in sorted(options.folder.glob(f"{options.name}.*")):
        print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")


def _ship_model(options: argparse.Namespace, target: Path) -> None:
    model, document = load_checkpoint(options.checkpoint)
    trained_on = document["weights_sha256"]
    save_checkpoint(halve(model), target, document)
    if options.heads is not None:
        heads = load_heads(options.heads / f"model{HEADS}.json", trained_on)
        halve(heads.prior)
        halve(heads.distance)
        shipped = target.with_name(f"{target.name}.json")
        save_heads(heads, heads_path(shipped), load_checkpoint(shipped)[1]["weights_sha256"], heads.document)


def halve(module: Module) -> Module:
    """Rounds the weights of a module, not its statistics, to float16, and returns it.

    Raises OverflowError for weights that float16 cannot hold.
    """
    for weights in module.parameters():
        weights.data = weights.data.half()
        if not bool(torch.isfinite(weights).all()):
            raise OverflowError("weights are too large for float16: ship the checkpoint as it is")
    return module


if __name__ == "__main__":
    main()
