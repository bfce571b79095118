"""Where in a frame the surprise is: the part without whose change it is least, after Zeiler and Fergus (ECCV 2014)."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from forearm.surprise.prediction import Array

GRID = 8
"""Blocks in a row, and in a column; a window is two blocks wide and high."""
SHARE = 0.1
"""Of the surprise, which a window must explain to be named."""


@dataclass(frozen=True)
class Region:
    """Pixels from `top` and `left` up to `bottom` and `right`, and the share of the surprise that goes with them."""

    top: int
    left: int
    bottom: int
    right: int
    share: float


def locate(frame: np.ndarray, earlier: np.ndarray, size: Callable[[np.ndarray], Array]) -> Region | None:
    """The window of a frame (R, R, 3) uint8 that explains most of its surprise; None where none explains much.

    Each window in turn is shown as it was in an `earlier` frame. `size` gives the (N,) surprises of N frames.
    """
    edge = np.linspace(0, len(frame), GRID + 1).astype(int)
    windows = [(edge[i], edge[j], edge[i + 2], edge[j + 2]) for i in range(GRID - 1) for j in range(GRID - 1)]
    hidden = np.repeat(frame[None], len(windows), axis=0)
    for picture, (top, left, bottom, right) in zip(hidden, windows, strict=True):
        picture[top:bottom, left:right] = earlier[top:bottom, left:right]
    [whole, *others] = size(np.concatenate([frame[None], hidden]))
    best = int(np.argmin(others))
    top, left, bottom, right = map(int, windows[best])
    share = 1.0 - others[best] / whole if whole > 0 else 0.0
    return Region(top, left, bottom, right, float(share)) if share >= SHARE else None
