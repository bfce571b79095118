"""Files of what was trained on a frozen world model: a pair beside its checkpoint, which names the weights' hash."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from torch import Tensor

from forearm.world_model.runtime.checkpoint import CheckpointError, locate, read_document, read_weights

FORMAT = 1

Made = TypeVar("Made")


def beside(checkpoint: str | Path, suffix: str) -> Path:
    """The JSON file of that suffix beside a checkpoint, there or not; raises `CheckpointError` without the latter."""
    path = locate(checkpoint)
    return path.with_name(f"{path.stem}{suffix}.json")


def read_pair(
    path: Path, what: str, world_model_sha256: str, remedy: str, made: Callable[[dict[str, Any]], Made]
) -> tuple[Made, dict[str, Tensor], dict[str, Any]]:
    """What is `made` of the description in `path`, the tensors beside it, and the description.

    Args:
        what: it is, for errors, such as "a decoder".
        world_model_sha256: of the weights that it must have been trained on.
        remedy: what to do where it was trained on others.

    Raises:
        CheckpointError: missing, damaged, of another format, or trained on other weights.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file")
    document = read_document(path, what, FORMAT)
    try:
        trained_on = str(document["world_model_sha256"])
        found = made(document)
    except (ValueError, KeyError, TypeError, RuntimeError) as error:
        raise CheckpointError(f"{path}: is not {what} ({error})") from error
    if trained_on != world_model_sha256:
        raise CheckpointError(
            f"{path}: was trained on the world model {trained_on[:16]}, not on {world_model_sha256[:16]}: latents of "
            f"another model mean something else; {remedy}"
        )
    return found, read_weights(path, document), document
