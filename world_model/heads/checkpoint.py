"""Heads on a frozen world model, and their files: what planning can use beside the model itself.

`<checkpoint>.heads.json` and `<checkpoint>.heads.safetensors` lie beside a checkpoint and name the weights that they
were trained on; the checkpoint knows nothing of them.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from forearm.world_model.config import from_mapping, to_mapping
from forearm.world_model.heads.action_prior import ActionPrior, PriorConfig
from forearm.world_model.heads.distance import Distance, DistanceConfig
from forearm.world_model.heads.distances import make_distance
from forearm.world_model.heads.files import FORMAT, beside, read_pair
from forearm.world_model.runtime.checkpoint import HEADS, CheckpointError, fill, write_pair


@dataclass(frozen=True)
class Heads:
    """What was learned on the latents of one world model.

    Attributes:
        prior: of commands, p(actions | state, goal latent).
        distance: control steps from a latent to a goal latent.
        mean, covariance: of the training latents, (D,) and (D, D).
        document: the description, with `world_model_sha256`, the hash of the weights that the latents come from.
    """

    prior: ActionPrior
    distance: Distance
    mean: Tensor
    covariance: Tensor
    document: dict[str, Any] = field(default_factory=dict)

    def to(self, device: torch.device) -> "Heads":
        """The same on a device; its modules are moved, not copied."""
        return replace(
            self,
            prior=self.prior.to(device),
            distance=self.distance.to(device),
            mean=self.mean.to(device),
            covariance=self.covariance.to(device),
        )


def heads_path(checkpoint: str | Path) -> Path:
    """The JSON file of the heads beside a checkpoint, there or not; raises `CheckpointError` without the checkpoint."""
    return beside(checkpoint, HEADS)


def save_heads(heads: Heads, path: Path, world_model_sha256: str, description: dict[str, Any]) -> None:
    """Writes the pair of files that `load_heads` reads.

    Args:
        heads: what to keep.
        path: of the JSON file, as from `heads_path`.
        world_model_sha256: `weights_sha256` of the checkpoint.
        description: task, dataset, metrics.
    """
    tensors = {f"prior.{key}": value for key, value in heads.prior.state_dict().items()}
    tensors |= {f"distance.{key}": value for key, value in heads.distance.state_dict().items()}
    tensors |= {"latents.mean": heads.mean, "latents.covariance": heads.covariance}
    document = {
        **description,
        "format": FORMAT,
        "world_model_sha256": world_model_sha256,
        "latent_dim": len(heads.mean),
        "action_dim": heads.prior.action_dim,
        "readings": heads.prior.readings,
        "prior": to_mapping(heads.prior.config),
        "distance": to_mapping(heads.distance.config),
    }
    write_pair(path.with_suffix(""), tensors, document)


def load_heads(path: Path, world_model_sha256: str) -> Heads:
    """The heads in the JSON file `path` and the weights beside it, ready to plan with.

    Raises:
        CheckpointError: missing, damaged, of another format, or trained on other weights than `world_model_sha256`.
    """
    remedy = "train heads for this one"
    (prior, distance), tensors, document = read_pair(path, "a file of heads", world_model_sha256, remedy, _made)
    for prefix, module in (("prior.", prior), ("distance.", distance)):
        own = {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
        fill(module.eval().requires_grad_(False), own, path)
    try:
        mean, covariance = tensors["latents.mean"], tensors["latents.covariance"]
    except KeyError as error:
        raise CheckpointError(f"{path}: lacks the tensor {error}: train the heads again") from error
    return Heads(prior, distance, mean, covariance, document)


def _made(document: dict[str, Any]) -> tuple[ActionPrior, Distance]:
    prior = from_mapping(PriorConfig, document["prior"])
    distance = from_mapping(DistanceConfig, document["distance"])
    latent_dim, action_dim = int(document["latent_dim"]), int(document["action_dim"])
    readings = int(document.get("readings", 0))  # files of earlier versions know none
    return ActionPrior(latent_dim, action_dim, prior, readings), make_distance(latent_dim, distance)
