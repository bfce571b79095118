"""Checkpoints that say what they are: safetensors weights and one JSON beside them. Nothing is ever unpickled."""

import hashlib
import importlib.resources
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor, nn

from forearm.common.addresses import told
from forearm.errors import InputError
from forearm.world_model.absolute import AbsolutePositions
from forearm.world_model.config import ModelConfig, from_mapping, to_mapping
from forearm.world_model.data.atomic import plain, replacing
from forearm.world_model.device import choose
from forearm.world_model.model.backbone import BackboneError
from forearm.world_model.model.jepa import JEPA

FORMAT = 1
HEADS = ".heads"
"""Ends the names of the files with the heads for a checkpoint, which lie beside it; see heads_checkpoint.py."""

DECODER = ".decoder"
"""Ends the names of the files with the decoder for a checkpoint; see heads/decoder_checkpoint.py."""

SUBGOAL = ".subgoal"
"""Ends the names of the files with the sub-goals for a checkpoint; see heads/subgoal_checkpoint.py."""

STUDENT = ".student"
"""Ends the names of the files with the student of a checkpoint; see heads/student_checkpoint.py."""

RECORDED = ".recorded"
"""Ends the names of the files with recorded ways for a checkpoint; see heads/recorded.py."""

RANKING = ".ranking"
"""Ends the names of the files with the ranking for a checkpoint; see heads/ranking_checkpoint.py."""

CALIBRATION = ".calibration"
"""Ends the name of the file with what was measured with a checkpoint, which lies beside it."""

BESIDE = (HEADS, STUDENT, SUBGOAL, RECORDED, RANKING, DECODER, CALIBRATION)
"""All of these: ends of names that are no checkpoint's own."""


class CheckpointError(InputError):
    """A checkpoint is missing, damaged, foreign, or made for something else; the message says which and what to do."""


def pretrained_folder() -> Path:
    """The folder of the checkpoints that ship with the package."""
    return Path(str(importlib.resources.files("forearm.world_model"))) / "pretrained"


def shipped() -> list[str]:
    """Names of the checkpoints that ship with the package."""
    return sorted(path.stem for path in pretrained_folder().glob("*.json") if not path.stem.endswith(BESIDE))


def locate(name: str | Path) -> Path:
    """The JSON file of a checkpoint: a shipped name, a training folder, or either of its two files, with their suffix
    or without.

    Raises:
        CheckpointError: there is none.
    """
    path = find(name)
    if path is None:
        looked = _places(name)[0].name
        raise CheckpointError(
            f"no checkpoint '{told(name)}' ({looked} not found): give a training folder, a .json file, "
            f"or one of {', '.join(shipped()) or 'none shipped yet'}"
        )
    return path


def find(name: str | Path) -> Path | None:
    """Like `locate`; None where there is no checkpoint."""
    return next((path for path in _places(name) if path.is_file()), None)


def _places(name: str | Path) -> list[Path]:
    """Where the JSON file of a checkpoint may be, first that which is likeliest meant."""
    path = Path(name)
    if path.suffix == ".json":
        return [path]
    if path.suffix == ".safetensors":
        return [path.with_suffix(".json")]
    places = [path / "model.json"] if path.is_dir() else []
    if str(name) in shipped():
        places.append(pretrained_folder() / f"{name}.json")
    if path.name:
        places.append(path.with_name(f"{path.name}.json"))
    return places


def tasks_of(document: Mapping[str, Any]) -> list[str]:
    """The tasks that a checkpoint was trained on, as its description names them; several where it is one for many."""
    several, one = document.get("tasks"), document.get("task")
    return [str(task) for task in several or ([] if one is None else [one])]


def save_checkpoint(model: JEPA, path: Path, description: dict[str, Any]) -> None:
    """Writes `path`.safetensors and `path`.json; each is whole or not there, and the JSON names the weights' hash.

    The weights of a frozen backbone stay in their own file: the JSON names that and its hash.

    Args:
        model: the weights and architecture.
        path: without suffix.
        description: task, or tasks where there are several, camera, control_period, action_names, dataset
            fingerprint, metrics, training settings.
    """
    write_pair(path, model.state_dict(), {"format": FORMAT, "model": to_mapping(model.config), **description})


def write_pair(path: Path, tensors: dict[str, Tensor], document: dict[str, Any]) -> None:
    """Writes `tensors` and the `document` about them to `path`.safetensors and `path`.json, one whole file each.

    `path` has no suffix of its own, but may have dots in its name. The document is given the tensors' hash.
    """
    weights = save_tensors({k: v.detach().cpu().contiguous() for k, v in tensors.items()})
    document = {**document, "weights_sha256": hashlib.sha256(weights).hexdigest()}
    write_whole(path.with_name(f"{path.name}.safetensors"), weights)
    text = json.dumps(plain(document), indent=1, sort_keys=True, allow_nan=False) + "\n"
    write_whole(path.with_name(f"{path.name}.json"), text.encode())


def load_checkpoint(name: str | Path, device: str | torch.device = "cpu") -> tuple[JEPA, dict[str, Any]]:
    """The model, ready to plan with, and its description.

    Args:
        name: see `locate`.
        device: where the weights go.

    Raises:
        DeviceError: there is no such device here.
        CheckpointError: missing, damaged, of another format, or weights and JSON that do not belong together; or a
            frozen backbone whose own weights are neither where they were in training nor beside the checkpoint.
    """
    where = choose(device)
    path = locate(name)
    document = read_document(path, "a forearm checkpoint", FORMAT)
    try:
        config = from_mapping(ModelConfig, document["model"])
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path}: is not a forearm checkpoint ({error})") from error
    try:
        model = JEPA(_with_weights_beside(config, path.parent))
    except BackboneError as error:
        raise CheckpointError(f"{path}: {error}") from error
    fill(model, read_weights(path, document), path)
    rest = document.get("action_rest", [0.0] * config.action_dim)
    try:
        model.action_rest.copy_(torch.tensor(rest, dtype=torch.float32).reshape(config.action_dim))
    except (TypeError, ValueError, RuntimeError):
        raise CheckpointError(f"{path}: action_rest is {rest}: expected {config.action_dim} numbers") from None
    try:
        model.absolute = AbsolutePositions.from_document(document)
    except (KeyError, TypeError, ValueError):
        raise CheckpointError(f"{path}: absolute_positions are not what training writes: train it again") from None
    return model.to(where).eval().requires_grad_(False), document


def _with_weights_beside(config: ModelConfig, folder: Path) -> ModelConfig:
    """`config`, with the backbone's weights taken from `folder` where they are not in their place."""
    if config.backbone is None or config.backbone.weights_file is None:
        return config
    place = Path(config.backbone.weights_file).expanduser()
    if place.exists() or not (folder / place.name).exists():
        return config
    return replace(config, backbone=replace(config.backbone, weights_file=str(folder / place.name)))


def read_document(path: Path, kind: str, version: int) -> dict[str, Any]:
    """A JSON of format `version` that `write_pair` wrote; raises `CheckpointError` where it is not `kind`."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        found, _ = document["format"], document["weights_sha256"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path}: is not {kind} ({error})") from error
    if found != version:
        raise CheckpointError(f"{path}: has format {found}, this version reads {version}: train it again or update")
    return dict(document)


def read_weights(path: Path, document: dict[str, Any]) -> dict[str, Tensor]:
    """The tensors beside the JSON `path`; raises `CheckpointError` unless they are the ones that it describes."""
    weights_path = path.with_suffix(".safetensors")
    try:
        weights = weights_path.read_bytes()
    except OSError as error:
        raise CheckpointError(
            f"{weights_path}: cannot be read ({error.strerror}); it belongs beside {path.name}"
        ) from error
    if hashlib.sha256(weights).hexdigest() != document["weights_sha256"]:
        raise CheckpointError(
            f"{weights_path}: is not the file that {path.name} describes (its hash differs): copy both again"
        )
    try:
        return load_tensors(weights)
    except SafetensorError as error:
        raise CheckpointError(f"{weights_path}: is no safetensors file: {error}") from error


def fill(module: nn.Module, tensors: dict[str, Tensor], path: Path) -> None:
    """Loads a module's tensors; raises `CheckpointError` where they do not fit the architecture in the JSON `path`."""
    try:
        module.load_state_dict(tensors)
    except RuntimeError as error:
        weights_path = path.with_suffix(".safetensors")
        raise CheckpointError(f"{weights_path}: does not fit the architecture in {path.name}: {error}") from error


def write_whole(path: Path, content: bytes) -> None:
    """Writes a file that is either whole or what it was before; raises `DatasetError` if there is no room for it."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)
