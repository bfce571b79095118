"""Frames in which no GL library has a say: stored ones, and a world drawn in squares from true positions."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from PIL import Image

import forearm.evaluation.comparison
import forearm.recording.collect
from forearm.envs import ArmEnv

FOLDER = Path(__file__).with_name("frames")
COLOURS = ((250, 90, 30), (40, 200, 90))
"""Of the hand and of the object."""


def frame(task: str, which: str) -> np.ndarray:
    """The stored `start` or `goal` frame of a task, (R, R, 3) uint8, as MuJoCo once drew it."""
    with Image.open(FOLDER / task / f"{which}.png") as picture:
        return np.asarray(picture.convert("RGB"))


def readings(task: str) -> np.ndarray:
    """(15,) float32 joint readings at the start frame."""
    return np.asarray(json.loads((FOLDER / "readings.json").read_text(encoding="utf-8"))[task], np.float32)


@contextmanager
def squares() -> Iterator[None]:
    """Inside, the built-in arm's frames show hand and object as squares on a grey floor, and jobs are done here."""
    with (
        patch.object(ArmEnv, "render", _squares),
        patch.object(forearm.recording.collect, "run_jobs", _here),
        patch.object(forearm.evaluation.comparison, "run_jobs", _here),
    ):
        yield


def _here(function: Callable[[Any], Any], jobs: Sequence[Any], workers: int) -> Iterator[Any]:
    return map(function, jobs)


def _squares(env: ArmEnv, camera: str | None = None, resolution: int | None = None) -> np.ndarray:
    side = resolution or env.resolution
    pixels = np.full((side, side, 3), 60, np.uint8)
    pixels[side // 2 :] = 90
    for position, colour in zip(env.positions().values(), COLOURS, strict=False):
        column, row = np.round(env.project(np.asarray(position)[None], camera)[0] * side / env.resolution).astype(int)
        half = side // 16
        pixels[max(row - half, 0) : max(row + half, 0), max(column - half, 0) : max(column + half, 0)] = colour
    return pixels
