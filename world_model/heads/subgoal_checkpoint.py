"""The sub-goals' files, `<checkpoint>.subgoal.json` and `.safetensors`; the checkpoint knows nothing of them."""

from pathlib import Path
from typing import Any

from forearm.world_model.config import from_mapping, to_mapping
from forearm.world_model.heads.files import beside, read_head, write_head
from forearm.world_model.heads.recorded import made_recorded
from forearm.world_model.heads.subgoal import Subgoal, SubgoalConfig
from forearm.world_model.heads.ways import Ways
from forearm.world_model.runtime.checkpoint import RECORDED, SUBGOAL


def subgoal_path(checkpoint: str | Path) -> Path:
    """The JSON file of the sub-goals beside a checkpoint, there or not; raises `CheckpointError` without the latter."""
    return beside(checkpoint, SUBGOAL)


def recorded_path(checkpoint: str | Path) -> Path:
    """The same of recorded ways."""
    return beside(checkpoint, RECORDED)


def save_subgoal(head: Subgoal, path: Path, world_model_sha256: str, description: dict[str, Any]) -> None:
    """Writes the pair of files that `load_subgoal` reads; arguments as of `save_heads`."""
    sizes = {"latent_dim": head.latent_dim, "frameskip": head.frameskip, "readings": head.readings}
    write_head(head, path, world_model_sha256, description, **sizes, subgoal=to_mapping(head.config))


def load_subgoal(path: Path, world_model_sha256: str) -> tuple[Ways, dict[str, Any]]:
    """The sub-goals in the JSON file `path`, learned or recorded, and the weights beside it, ready to plan with, and
    the description.

    Raises:
        CheckpointError: missing, damaged, of another format, or trained on other weights than `world_model_sha256`.
    """
    remedy = "train sub-goals for this one"
    return read_head(path, "a file of sub-goals", world_model_sha256, remedy, _made)


def _made(document: dict[str, Any]) -> Ways:
    if "recorded" in document:
        return made_recorded(document)
    config = from_mapping(SubgoalConfig, document["subgoal"])
    return Subgoal(int(document["latent_dim"]), config, int(document["frameskip"]), int(document["readings"]))
