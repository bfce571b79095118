"""Files of what was trained on a frozen world model: a pair beside its checkpoint, which names the weights' hash."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from torch import Tensor, nn

from forearm.world_model.runtime.checkpoint import (
    CheckpointError,
    fill,
    locate,
    read_document,
    read_weights,
    write_pair,
)

FORMAT = 1

Made = TypeVar("Made")
Head = TypeVar("Head", bound=nn.Module)


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


def write_head(head: nn.Module, path: Path, world_model_sha256: str, description: dict[str, Any], **own: Any) -> None:
    """Write the pair of files that `read_head` reads: the weights, and a description with what is the head's `own`."""
    document = {**description, "format": FORMAT, "world_model_sha256": world_model_sha256, **own}
    write_pair(path.with_suffix(""), dict(head.state_dict()), document)


def read_head(
    path: Path, what: str, world_model_sha256: str, remedy: str, made: Callable[[dict[str, Any]], Head]
) -> tuple[Head, dict[str, Any]]:
    """The network that is `made` of the description in `path`, filled and ready to use, and the description; arguments
    and errors as of `read_pair`.
    """
    head, tensors, document = read_pair(path, what, world_model_sha256, remedy, made)
    fill(head, tensors, path)
    return head.eval().requires_grad_(False), document
