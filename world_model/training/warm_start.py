"""Where a training run begins: with the encoder of another checkpoint, such as one that was trained on video alone, or
with all of one, to go on from there on other data.
"""

from dataclasses import dataclass, fields, replace
from typing import Any

from forearm.world_model.model.jepa import ENCODING, JEPA
from forearm.world_model.runtime.checkpoint import CheckpointError, load_checkpoint

SHAPES = ("encoder", "resolution", "patch", "standardize", "balance", "latent_dim", "width", "depth")
"""Settings that two models must share for one to take over the other's encoder."""


@dataclass(frozen=True)
class Init:
    """Take encoder, projection and norm from a checkpoint, or all weights; everything else begins as always.

    After V-JEPA 2 (arXiv 2506.09985): a predictor that knows actions is trained on the encoder of a model that has seen
    far more video without any. There the encoder stays as it is; here it may be trained on as well.

    Attributes:
        checkpoint: a shipped name, a .json or .safetensors file, or a training folder.
        freeze_encoder: train the rest alone. Latents are then made once for the whole data set, and how far apart they
            are is measured as on the checkpoint's video.
        weights_sha256: of the checkpoint; None before it was read.
        whole: take the predictor too, and how commands and readings are scaled, whatever the data say.
    """

    checkpoint: str
    freeze_encoder: bool = False
    weights_sha256: str | None = None
    whole: bool = False

    def settings(self) -> dict[str, Any]:
        """What must agree for a run to go on, and what its checkpoint tells: the weights, wherever they lie."""
        told = {"freeze_encoder": self.freeze_encoder, "weights_sha256": self.weights_sha256}
        return {**told, "whole": True} if self.whole else told


def start_from(model: JEPA, init: Init) -> Init:
    """Gives `model` the encoder, or all weights, that `init` names; returns `init` with the hash of its weights.

    Raises:
        CheckpointError: it cannot be read, or its encoder, or with `whole` all of it, is another than the model's.
    """
    source, document = load_checkpoint(init.checkpoint)
    ours, theirs = model.config, source.config
    shapes = [item.name for item in fields(ours) if item.name != "backbone"] if init.whole else SHAPES
    differing = [
        f"{name} {getattr(theirs, name)}, not {getattr(ours, name)}"
        for name in shapes
        if getattr(theirs, name) != getattr(ours, name)
    ]
    if source.backbone is not None and model.backbone is not None:
        found, expected = source.backbone.identity(), model.backbone.identity()
        differing += [f"backbone.{k} {found[k]}, not {expected[k]}" for k in expected if found[k] != expected[k]]
    if differing:
        raise CheckpointError(
            f"init={init.checkpoint}: has {'a model' if init.whole else 'an encoder'} with {'; '.join(differing)}: "
            "give the same settings "
            "(resolution is the task's, the others are world_model's), or another init="
        )
    weights = {key: value for key, value in source.state_dict().items() if init.whole or key.startswith(ENCODING)}
    model.load_state_dict(weights, strict=False)
    if init.freeze_encoder:
        model.fix_encoder()
        model.step_covariance.copy_(source.step_covariance)
    return replace(init, weights_sha256=str(document["weights_sha256"]))
