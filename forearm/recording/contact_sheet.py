"""A page of frames, one episode a row, to see at a glance what a data set shows."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from forearm.common.files import replacing

GAP = 2
BACKGROUND = 24


def contact_sheet(rows: Sequence[np.ndarray], columns: int = 10) -> Image.Image:
    """Frames of several episodes on one page.

    Args:
        rows: one array (T, H, W, 3) uint8 per episode.
        columns: how many frames of each are shown, evenly spaced in time, the first and the last included.
    """
    height, width = rows[0].shape[1:3]
    page = np.full((len(rows) * (height + GAP) + GAP, columns * (width + GAP) + GAP, 3), BACKGROUND, dtype=np.uint8)
    for r, frames in enumerate(rows):
        for c, t in enumerate(np.linspace(0, len(frames) - 1, columns).round().astype(int)):
            top, left = GAP + r * (height + GAP), GAP + c * (width + GAP)
            page[top : top + height, left : left + width] = frames[t]
    return Image.fromarray(page)


def save_contact_sheet(path: Path, rows: Sequence[np.ndarray], columns: int = 10) -> None:
    """Write `contact_sheet(rows, columns)` as a PNG, whole or not at all."""
    with replacing(path) as temporary:
        contact_sheet(rows, columns).save(temporary, format="PNG")
