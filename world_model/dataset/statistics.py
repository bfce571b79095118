"""min, max, mean, std and count per feature: of one episode, and of many put together."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Statistics = dict[str, Any]
"""min, max, mean, std: nested lists of float; count: list of one int."""


def vector_statistics(values: npt.NDArray[Any]) -> Statistics:
    """Statistics over the rows of ``values`` (T, D), each a list of D numbers."""
    rows = np.asarray(values, dtype=np.float64)
    return {
        "min": rows.min(0).tolist(),
        "max": rows.max(0).tolist(),
        "mean": rows.mean(0).tolist(),
        "std": rows.std(0).tolist(),
        "count": [len(rows)],
    }


def image_statistics(pixels: npt.NDArray[np.uint8]) -> Statistics:
    """Statistics per colour of frames (T, H, W, 3) uint8, in [0, 1], each of shape (3, 1, 1)."""
    # Through a histogram of the 256 levels: exact, and several times quicker than float sums.
    levels = np.arange(256) / 255.0
    counts = np.stack([np.bincount(pixels[..., c].reshape(-1), minlength=256) for c in range(3)])
    share = counts / counts.sum(1, keepdims=True)
    mean = share @ levels
    numbers = {
        "min": levels[(counts > 0).argmax(1)],
        "max": levels[255 - (counts > 0)[:, ::-1].argmax(1)],
        "mean": mean,
        "std": np.sqrt((share * (levels - mean[:, None]) ** 2).sum(1)),
    }
    statistics: Statistics = {key: value.reshape(3, 1, 1).tolist() for key, value in numbers.items()}
    return {**statistics, "count": [len(pixels)]}


def combine(parts: Sequence[Statistics]) -> Statistics:
    """Statistics of all rows together from the statistics of their parts (Chan et al. 1979)."""
    count = np.array([part["count"][0] for part in parts], dtype=np.float64)
    mean = np.array([part["mean"] for part in parts], dtype=np.float64)
    std = np.array([part["std"] for part in parts], dtype=np.float64)
    weight = (count / count.sum()).reshape(-1, *[1] * (mean.ndim - 1))
    total = (weight * mean).sum(0)
    variance = (weight * (std**2 + (mean - total) ** 2)).sum(0)
    return {
        "min": np.min([part["min"] for part in parts], axis=0).tolist(),
        "max": np.max([part["max"] for part in parts], axis=0).tolist(),
        "mean": total.tolist(),
        "std": np.sqrt(variance).tolist(),
        "count": [int(count.sum())],
    }
