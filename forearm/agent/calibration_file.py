"""NAME.calibration.json beside a checkpoint: what was measured with it, in parts that are made each on its own."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from forearm.agent.checkpoint_reading import file_of
from forearm.common.files import write_json
from forearm.errors import InputError

FORMAT = 1
DIGITS = 5
"""Significant ones of a number in the file."""


def calibration_path(task: Mapping[str, Any]) -> Path:
    """Where the calibration of a task's checkpoint lies, or would lie: beside it, with the task's name if need be."""
    from forearm.world_model.runtime.checkpoint import CALIBRATION

    file = file_of(str(task["checkpoint"]))
    task_name = str(task["name"]).replace("/", "-")
    name = file.stem if file.stem in (task_name, "model") else f"{file.stem}.{task_name}"
    return file.with_name(f"{name}{CALIBRATION}.json")


def read_parts(path: Path, task: Mapping[str, Any], document: Mapping[str, Any]) -> dict[str, Any]:
    """The content of a calibration.

    Raises OSError, ValueError, KeyError or TypeError for a file that is none, or of other weights or another task.
    """
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if found["format"] != FORMAT or found["task"] != task["name"]:
        raise InputError(f"it is of format {found['format']} for task {found['task']}")
    if found["world_model_sha256"] != document["weights_sha256"]:
        raise InputError("it was made for other weights")
    return found


def write_parts(path: Path, task: Mapping[str, Any], document: Mapping[str, Any], parts: Mapping[str, Any]) -> None:
    """Write parts into a calibration, whole or not at all; others that it holds for the same weights stay."""
    try:
        kept = read_parts(path, task, document)
    except (OSError, ValueError, KeyError, TypeError):
        kept = {}
    about = {"format": FORMAT, "task": task["name"], "world_model_sha256": document["weights_sha256"]}
    whole = {**about, **{key: value for key, value in kept.items() if key not in about}, **parts}
    write_json(path, whole, indent=None)  # thousands of numbers: a line for each would be most of the file


def rounded(value: Any) -> Any:
    """Numbers with as many digits as are worth keeping, as nested lists."""
    array = np.asarray(value, np.float64)
    if array.ndim:
        return [rounded(entry) for entry in array]
    return float(f"{float(array):.{DIGITS}g}")
