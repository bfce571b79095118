"""The ranking's files, `<checkpoint>.ranking.json` and `.safetensors`; the checkpoint knows nothing of them."""

from pathlib import Path
from typing import Any

from forearm.world_model.config import from_mapping, to_mapping
from forearm.world_model.heads.files import beside, read_head, write_head
from forearm.world_model.heads.ranking import Ranking, RankingConfig
from forearm.world_model.runtime.checkpoint import RANKING


def ranking_path(checkpoint: str | Path) -> Path:
    """The JSON file of the ranking beside a checkpoint, there or not; raises `CheckpointError` without the latter."""
    return beside(checkpoint, RANKING)


def save_ranking(head: Ranking, path: Path, world_model_sha256: str, description: dict[str, Any]) -> None:
    """Writes the pair of files that `load_ranking` reads; arguments as of `save_heads`."""
    own = {"latent_dim": head.latent_dim, "latent_steps": head.steps, "ranking": to_mapping(head.config)}
    write_head(head, path, world_model_sha256, description, **own)


def load_ranking(path: Path, world_model_sha256: str) -> tuple[Ranking, dict[str, Any]]:
    """The ranking in the JSON file `path` and the weights beside it, ready to plan with, and the description.

    Raises:
        CheckpointError: missing, damaged, of another format, or trained on other weights than `world_model_sha256`.
    """
    remedy = "train a ranking for this one"
    return read_head(path, "a file of a ranking", world_model_sha256, remedy, _made)


def _made(document: dict[str, Any]) -> Ranking:
    config = from_mapping(RankingConfig, document["ranking"])
    return Ranking(int(document["latent_dim"]), int(document["latent_steps"]), config)
