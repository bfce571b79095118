"""What a model is told of its data before it is trained: means and scales of frames, commands and joint readings."""

import math

import numpy as np
import torch
from numpy.typing import NDArray

from forearm.world_model.data import Windows, WindowSampler
from forearm.world_model.data.statistics import Statistics, combine, vector_statistics
from forearm.world_model.model.balance import median_colour
from forearm.world_model.model.encoders import Stem
from forearm.world_model.model.jepa import JEPA

SEEN_FRAMES = 1024
"""Of a data set, from which the mean frame is taken."""
LEAST_SPREAD = 0.01
"""By which standardised frames are divided at least: what varies by less is noise."""
LEAST_READING = 1e-3
"""By which joint readings are divided at least."""
ROUNDING = 1e-6
"""Of a command's size: what differs by less is the same number in single precision."""


def known_rows(part: WindowSampler, share: float) -> slice | NDArray[np.int64]:
    """Rows of a cache whose numbers a run may know of: with a share of the episodes, those of the share alone."""
    if share == 1.0:
        return slice(None)
    return part.cache.rows(part.episodes)


def known_commands(part: WindowSampler, share: float) -> NDArray[np.float32]:
    """Commands (N, A) that a run may know of: of `known_rows`, without the zeros that stand behind an episode's last
    command where nothing was commanded after its last frame.
    """
    cache = part.cache
    ends = cache.starts + cache.lengths - 1
    filled = ends[~cache.action[ends].any(axis=1)]
    rows = np.arange(len(cache.action))[known_rows(part, share)]
    return cache.action[np.setdiff1d(rows, filled, assume_unique=True)]


def set_normalisation(model: JEPA, windows: Windows, share: float) -> None:
    """Means and deviations of commands, and of the joint readings that the model is told."""
    parts, wanted = windows.parts, model.config.proprio_dim
    tables = []
    if model.config.action_dim:
        tables.append(("action", [known_commands(part, share) for part in parts]))
    if wanted:
        for part in parts:
            part.cache.check_readings(wanted)
        tables.append(("proprio", [part.cache.state[known_rows(part, share)] for part in parts]))
    for name, columns in tables:
        # Of what is drawn, not of what there is: a task with few data and a large weight counts for its weight.
        shares = zip(columns, windows.shares, strict=True)
        found = combine([{**vector_statistics(values), "count": [share]} for values, share in shares])
        model.get_buffer(f"{name}_mean").copy_(torch.tensor(found["mean"]))
        std = np.maximum(found["std"], LEAST_READING) if name == "proprio" else command_scale(found)
        model.get_buffer(f"{name}_std").copy_(torch.tensor(std))


def command_scale(found: Statistics) -> NDArray[np.float64]:
    """What commands are divided by, (A,): their standard deviation, however small their unit; 1 for a dimension that
    never moves, of which there is nothing to scale.
    """
    low, high, std = (np.asarray(found[key], np.float64) for key in ("min", "max", "std"))
    rounding = ROUNDING * np.maximum(abs(low), abs(high))
    return np.where(high - low > rounding, np.maximum(std, rounding), 1.0)


def set_standardisation(model: JEPA, windows: Windows, share: float) -> None:
    """Mean frame, and deviation from it, of frames spread over the data."""
    mean, squares = 0.0, 0.0
    for part, weight in zip(windows.parts, windows.shares, strict=True):
        frames = _spread_frames(part, share).astype(np.float32) / 255.0 - 0.5  # as the model itself makes of them
        mean, squares = mean + weight * frames.mean(0), squares + weight * np.square(frames).mean(0)
    stem = next(part for part in model.encoder.modules() if isinstance(part, Stem))
    stem.mean.copy_(torch.as_tensor(mean))
    spread = float(np.mean(squares - np.square(mean)))
    stem.std.fill_(max(spread, LEAST_SPREAD**2) ** 0.5)


def set_balance(model: JEPA, windows: Windows, share: float) -> None:
    """Median colour of frames spread over the data."""
    of_parts = [torch.from_numpy(_spread_frames(part, share)) for part in windows.parts]
    model.median_colour.copy_(median_colour(torch.cat(of_parts)).median(dim=0).values)


def _spread_frames(part: WindowSampler, share: float) -> NDArray[np.uint8]:
    """Some `SEEN_FRAMES` of the frames that a run may know of, spread over them."""
    rows = np.arange(len(part.cache.frames))[known_rows(part, share)]
    return np.asarray(part.cache.frames[rows[:: math.ceil(len(rows) / SEEN_FRAMES)]])
