"""How far a training run is, and the log of it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from forearm.common.files import LEFTOVERS
from forearm.world_model.data.atomic import plain
from forearm.world_model.runtime.checkpoint import write_whole

LOG_FILE = "log.jsonl"


@dataclass(frozen=True)
class TrainProgress:
    """Where a run is.

    Attributes:
        step: optimiser steps done.
        terms: means of the loss terms since the last report.
        frames_per_s: of all processes together, since the run was begun or resumed; validations and saves count.
        waiting: share of that time in which the first process waited for the data loader.
        validation: figures on held-out episodes, where they were just taken.
        share: of the run that is over.
    """

    step: int
    terms: dict[str, float]
    frames_per_s: float
    waiting: float = 0.0
    validation: dict[str, Any] | None = None
    share: float = 0.0


def log_row(out: Path, progress: TrainProgress) -> None:
    """Append where a run is to the log in its folder."""
    out.mkdir(parents=True, exist_ok=True)
    speed = {"frames_per_s": round(progress.frames_per_s, 1), "waiting": round(progress.waiting, 4)}
    row: dict[str, Any] = {"step": progress.step, **speed, **progress.terms}
    if progress.validation:
        row["validation"] = progress.validation
    with (out / LOG_FILE).open("a", encoding="utf-8") as file:
        file.write(json.dumps(plain(row), allow_nan=False) + "\n")


def tidy(out: Path, step: int) -> None:
    """Remove what a kill left behind: half-written files, and rows of the log that come after `step`."""
    for path in out.glob(LEFTOVERS):
        path.unlink(missing_ok=True)
    path = out / LOG_FILE
    if path.exists():
        lines = path.read_text(encoding="utf-8").splitlines()
        write_whole(path, "".join(f"{line}\n" for line in lines if _is_until(line, step)).encode())


def _is_until(line: str, step: int) -> bool:
    try:
        return int(json.loads(line)["step"]) <= step
    except (ValueError, KeyError, TypeError):  # half a line
        return False
