"""Files of world models and of their heads: where they lie, and what is in them, read once."""

import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from forearm.common.addresses import FILES, is_address, twin
from forearm.common.files import is_brought, place
from forearm.common.reading import beginning

if TYPE_CHECKING:
    from forearm.world_model.heads.checkpoint import Heads
    from forearm.world_model.heads.decoder import Decoder
    from forearm.world_model.model.jepa import JEPA

Kept = TypeVar("Kept")
CPU = "cpu"
BESIDE_IT = "beside"
"""What a task's `student` says that lies beside its checkpoint."""
_LOADED: dict[Path, tuple[tuple[Any, ...], Any]] = {}


def loaded(name: str, device: str = CPU) -> "tuple[JEPA, dict[str, Any]]":
    """The world model of a checkpoint, and its description, read once for as long as its files stay the same.

    Raises `CheckpointError` for one that cannot be read.
    """
    from forearm.world_model.runtime.checkpoint import load_checkpoint

    path = file_of(name)
    return _kept(path, lambda: load_checkpoint(path, device), device)


def read_heads(path: Path, world_model_sha256: str, device: str) -> "Heads":
    """Heads of this world model, on a device; raises `CheckpointError` as their loading does."""
    import torch

    from forearm.world_model.heads.checkpoint import load_heads

    return _kept(
        path, lambda: load_heads(path, world_model_sha256).to(torch.device(device)), world_model_sha256, device
    )


def read_part(
    load: Callable[[Path, str], tuple[Any, dict[str, Any]]], path: Path, world_model_sha256: str, device: str
) -> tuple[Any, dict[str, Any]]:
    """What `load` reads, a module and its description, on a device."""
    import torch

    def loaded_there() -> tuple[Any, dict[str, Any]]:
        head, document = load(path, world_model_sha256)
        return head.to(torch.device(device)), document

    return _kept(path, loaded_there, load.__name__, world_model_sha256, device)


def read_decoder(path: Path, world_model_sha256: str) -> "Decoder":
    """The decoder of this world model; raises `CheckpointError` as its loading does."""
    from forearm.world_model.heads.decoder_checkpoint import load_decoder

    return _kept(path, lambda: load_decoder(path, world_model_sha256), world_model_sha256)


@cache
def fetched_checkpoint(name: str) -> Path:
    """Where on this disk a checkpoint at an address is, or heads that are named apart, with all that lies beside it.

    It is asked for once in a process. Raises `ForearmError` where the address cannot be read.
    """
    path = twin(name, FILES)
    whole = path if path.suffix not in (".json", ".safetensors") else path.with_suffix("")
    for begin in (path / "model.", whole.with_name(f"{whole.name}.")):
        beginning(begin)
        document = begin.with_name(f"{begin.name}json")
        if document.is_file() and (weights := backbone_file(document)):
            beginning(begin.with_name(Path(weights).name))
    return path


def backbone_file(document: Path) -> str | None:
    """The weights of a frozen backbone that the JSON file of a checkpoint names, if any; None for what is no JSON."""
    try:
        model = json.loads(document.read_text(encoding="utf-8")).get("model")
        return (model.get("backbone") or {}).get("weights_file")
    except (AttributeError, ValueError, OSError):
        return None


def _kept(path: Path, load: Callable[[], Kept], *of: str) -> Kept:
    """What `load` made of the JSON file `path`, which names the hash of its weights, until the file is another."""
    key, content = path.resolve(), (path.read_bytes(), *of)
    if key not in _LOADED or _LOADED[key][0] != content:
        _LOADED[key] = content, load()
    return cast(Kept, _LOADED[key][1])


def file_of(name: str) -> Path:
    """The JSON file of a checkpoint, by its name or a path; raises `CheckpointError` where there is none."""
    from forearm.world_model.runtime.checkpoint import locate

    return locate(place_of(name))


def file_beside(task: Mapping[str, Any], key: str, beside: Callable[[str | Path], Path]) -> Path:
    """The file that a task's config names as `key`, or else the one `beside` its checkpoint, there or not."""
    named = named_apart(task, key)
    return Path(place_of(named)) if named else beside(place_of(str(task["checkpoint"])))


def named_apart(task: Mapping[str, Any], key: str) -> str | None:
    """The file that a task's config names as `key`; None for what lies beside its checkpoint, or is not wanted."""
    named = task.get(key)
    return str(named) if named and (key, named) != ("student", BESIDE_IT) else None


def place_of(name: str) -> str | Path:
    """A checkpoint's name, or its path; of one at an address on this disk, as `fetched_checkpoint` has it."""
    if is_address(name) and not is_brought(name):
        return fetched_checkpoint(name)
    return place(name) if "/" in name or name.startswith("~") or is_brought(name) else name
