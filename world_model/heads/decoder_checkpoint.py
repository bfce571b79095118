"""The decoder's files, `<checkpoint>.decoder.json` and `.safetensors`; the checkpoint knows nothing of them."""

from pathlib import Path
from typing import Any

from forearm.world_model.config import from_mapping, to_mapping
from forearm.world_model.heads.decoder import Decoder, DecoderConfig
from forearm.world_model.runtime.checkpoint import (
    DECODER,
    CheckpointError,
    fill,
    locate,
    read_document,
    read_weights,
    write_pair,
)

FORMAT = 1


def decoder_path(checkpoint: str | Path) -> Path:
    """The JSON file of the decoder beside a checkpoint, there or not; raises `CheckpointError` without the latter."""
    path = locate(checkpoint)
    return path.with_name(f"{path.stem}{DECODER}.json")


def save_decoder(decoder: Decoder, path: Path, world_model_sha256: str, description: dict[str, Any]) -> None:
    """Writes the pair of files that `load_decoder` reads; arguments as of `save_heads`."""
    document = {
        **description,
        "format": FORMAT,
        "world_model_sha256": world_model_sha256,
        "state_dim": decoder.state_dim,
        "resolution": decoder.resolution,
        "decoder": to_mapping(decoder.config),
    }
    write_pair(path.with_suffix(""), dict(decoder.state_dict()), document)


def load_decoder(path: Path, world_model_sha256: str) -> Decoder:
    """The decoder in the JSON file `path` and the weights beside it, ready to draw.

    Raises:
        CheckpointError: missing, damaged, of another format, or trained on other weights than `world_model_sha256`.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file")
    document = read_document(path, "a decoder", FORMAT)
    try:
        trained_on = str(document["world_model_sha256"])
        config = from_mapping(DecoderConfig, document["decoder"])
        decoder = Decoder(int(document["state_dim"]), int(document["resolution"]), config)
    except (ValueError, KeyError, TypeError, RuntimeError) as error:
        raise CheckpointError(f"{path}: is not a decoder ({error})") from error
    if trained_on != world_model_sha256:
        raise CheckpointError(
            f"{path}: was trained on the world model {trained_on[:16]}, not on {world_model_sha256[:16]}: latents of "
            "another model mean something else; train a decoder for this one, or remove the file"
        )
    fill(decoder, read_weights(path, document), path)
    return decoder.eval().requires_grad_(False)
