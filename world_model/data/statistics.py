"""min, max, mean, std and count per feature: of one episode, and of many put together."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Statistics = dict[str, Any]
"""min, max, mean, std: nested lists of float; count: list of one int."""
FIELDS = ("min", "max", "mean", "std", "count")


def vector_statistics(values: npt.NDArray[Any]) -> Statistics:
    """Statistics over the rows of ``values`` (T, …), each of the shape of a row.

    Numbers that are not finite count nowhere; NaN where no other is left.
    """
    rows = np.asarray(values, dtype=np.float64)
    if not np.isfinite(rows).all():
        return _of_finite(rows)
    return {
        "min": rows.min(0).tolist(),
        "max": rows.max(0).tolist(),
        "mean": rows.mean(0).tolist(),
        "std": rows.std(0).tolist(),
        "count": [len(rows)],
    }


def _of_finite(rows: npt.NDArray[np.float64]) -> Statistics:
    known = np.ma.masked_invalid(rows)
    found = {"min": known.min(0), "max": known.max(0), "mean": known.mean(0), "std": known.std(0)}
    return {**{key: np.ma.filled(value, np.nan).tolist() for key, value in found.items()}, "count": [len(rows)]}


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
    return combine_columns({name: np.array([part[name] for part in parts]) for name in FIELDS})


def combine_columns(parts: Mapping[str, npt.NDArray[Any]]) -> Statistics:
    """The same of parts whose ``FIELDS`` are columns (N, …)."""
    mean, std = parts["mean"].astype(np.float64), parts["std"].astype(np.float64)
    count = parts["count"][:, 0].astype(np.float64)
    weight = (count / count.sum()).reshape(-1, *[1] * (mean.ndim - 1))
    if not np.isfinite(mean).all():
        return _combined_finite(parts, mean, std, weight)
    total = (weight * mean).sum(0)
    variance = (weight * (std**2 + (mean - total) ** 2)).sum(0)
    return {
        "min": parts["min"].min(0).tolist(),
        "max": parts["max"].max(0).tolist(),
        "mean": total.tolist(),
        "std": np.sqrt(variance).tolist(),
        "count": [int(count.sum())],
    }


def _combined_finite(
    parts: Mapping[str, npt.NDArray[Any]],
    mean: npt.NDArray[np.float64],
    std: npt.NDArray[np.float64],
    weight: npt.NDArray[np.float64],
) -> Statistics:
    """The same of the parts in which a number is known; NaN where that is none."""
    mean, std = np.ma.masked_invalid(mean), np.ma.masked_invalid(std)
    share = np.ma.array(np.broadcast_to(weight, mean.shape), mask=np.ma.getmaskarray(mean))
    share = share / share.sum(0)
    total = (share * mean).sum(0)
    found = {
        "min": np.ma.masked_invalid(parts["min"]).min(0),
        "max": np.ma.masked_invalid(parts["max"]).max(0),
        "mean": total,
        "std": np.ma.sqrt((share * (std**2 + (mean - total) ** 2)).sum(0)),
    }
    count = int(parts["count"][:, 0].sum())
    return {**{key: np.ma.filled(value, np.nan).tolist() for key, value in found.items()}, "count": [count]}
