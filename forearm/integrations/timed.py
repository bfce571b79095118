"""What came at times of its own, at the moments of an episode: pictures as they are, readings in between."""

import numpy as np

from forearm.control.trajectories.trajectory import Array

SHORTEST = 4
"""Frames of an episode; shorter stretches are left out."""
GAP = 2.5
"""Periods without a frame, after which another episode begins."""


def unbroken(taken: Array, period: float) -> list[Array]:
    """Times (N,) of pictures, parted where none came for `GAP` periods of `period` s."""
    return np.split(taken, np.flatnonzero(np.diff(taken) > GAP * period) + 1)


def pictures_at(times: Array, taken: Array, period: float) -> np.ndarray:
    """Numbers (L,) of the newest pictures, `taken` (N,) s, at `times` (L,); one a quarter period late is in time."""
    return np.searchsorted(taken, times + 0.25 * period, side="right") - 1


def linearly(times: Array, moments: Array, rows: Array) -> Array:
    """Rows (L, D) at `times` (L,), linearly between those (N, D) of `moments` (N,)."""
    return np.stack([np.interp(times, moments, column) for column in rows.T], axis=1)
