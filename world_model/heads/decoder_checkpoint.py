"""The decoder's files, `<checkpoint>.decoder.json` and `.safetensors`; the checkpoint knows nothing of them."""

from pathlib import Path
from typing import Any

from forearm.world_model.config import from_mapping, to_mapping
from forearm.world_model.heads.decoder import Decoder, DecoderConfig
from forearm.world_model.heads.files import beside, read_head, write_head
from forearm.world_model.runtime.checkpoint import DECODER


def decoder_path(checkpoint: str | Path) -> Path:
    """The JSON file of the decoder beside a checkpoint, there or not; raises `CheckpointError` without the latter."""
    return beside(checkpoint, DECODER)


def save_decoder(decoder: Decoder, path: Path, world_model_sha256: str, description: dict[str, Any]) -> None:
    """Writes the pair of files that `load_decoder` reads; arguments as of `save_heads`."""
    own = {"state_dim": decoder.state_dim, "resolution": decoder.resolution, "decoder": to_mapping(decoder.config)}
    write_head(decoder, path, world_model_sha256, description, **own)


def load_decoder(path: Path, world_model_sha256: str) -> Decoder:
    """The decoder in the JSON file `path` and the weights beside it, ready to draw.

    Raises:
        CheckpointError: missing, damaged, of another format, or trained on other weights than `world_model_sha256`.
    """
    remedy = "train a decoder for this one, or remove the file"
    return read_head(path, "a decoder", world_model_sha256, remedy, _made)[0]


def _made(document: dict[str, Any]) -> Decoder:
    config = from_mapping(DecoderConfig, document["decoder"])
    return Decoder(int(document["state_dim"]), int(document["resolution"]), config)
