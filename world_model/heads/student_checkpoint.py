"""The student's files, `<checkpoint>.student.json` and `.safetensors`; the checkpoint knows nothing of them."""

import copy
from pathlib import Path
from typing import Any

from forearm.world_model.config import from_mapping, to_mapping
from forearm.world_model.heads.files import beside, read_head, write_head
from forearm.world_model.heads.student import StudentConfig
from forearm.world_model.model.predictors import ResidualPredictor
from forearm.world_model.runtime.checkpoint import STUDENT


def student_path(checkpoint: str | Path) -> Path:
    """The JSON file of the student beside a checkpoint, there or not; raises `CheckpointError` without the latter."""
    return beside(checkpoint, STUDENT)


def save_student(
    student: ResidualPredictor, config: StudentConfig, path: Path, world_model_sha256: str, description: dict[str, Any]
) -> None:
    """Writes the pair of files that `load_student` reads, in half precision; arguments as of `save_heads`."""
    size, seen = len(student.state_dict()["leave.1.bias"]), student.enter.in_features
    sizes = {"state_dim": size, "block_dim": seen // student.history - size, "history": student.history}
    whole = copy.deepcopy(student).half()
    write_head(whole, path, world_model_sha256, description, **sizes, student=to_mapping(config))


def load_student(path: Path, world_model_sha256: str) -> tuple[ResidualPredictor, dict[str, Any]]:
    """The student in the JSON file `path` and the weights beside it, ready to plan with, and the description.

    Raises:
        CheckpointError: missing, damaged, of another format, or taught by other weights than `world_model_sha256`.
    """
    return read_head(path, "a student", world_model_sha256, "train a student of this one", _made)


def _made(document: dict[str, Any]) -> ResidualPredictor:
    config = from_mapping(StudentConfig, document["student"])
    size, block, history = (int(document[key]) for key in ("state_dim", "block_dim", "history"))
    return ResidualPredictor(size, block, history, config.width, config.depth)
