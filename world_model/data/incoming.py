"""Frames that come in, made what training made of those of its data: any camera's size, one rule."""

import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from forearm.errors import InputError
from forearm.world_model.data.images import Pixels, resize_frame

logger = logging.getLogger(__name__)

RULE = "area"
"""How `resize_frame` makes frames smaller, as checkpoints name it."""
NEAR = 0.03
"""By which share aspects may differ without a word: a few rows or columns of a frame."""
SAID = 8
"""Sizes of which a note is made at most; a stream of ever new ones does not fill the log."""


class FrameFit:
    """Resizes frames of any size as training did; says so once where the aspect is not that of training's data.

    Args:
        size: height and width in px of what the model sees.
        recorded: (height, width) in px of training's own frames, before they were resized; one a data set.
    """

    def __init__(self, size: tuple[int, int], recorded: Sequence[tuple[int, int]] = ()) -> None:
        self.size, self.recorded = size, tuple(recorded) or (size,)
        self._said: set[tuple[int, ...]] = set()

    @classmethod
    def of(cls, document: Mapping[str, Any], resolution: int) -> "FrameFit":
        """That of a checkpoint, by its description; one that says nothing was trained on square frames.

        Raises `InputError` for a rule that is not known here, and for sizes that are none.
        """
        kept = document.get("frames", {"resize": RULE})
        try:
            rule = kept["resize"]
            sizes = [(int(height), int(width)) for height, width in kept.get("recorded", ())]
        except (TypeError, ValueError, KeyError, AttributeError):
            rule, sizes = None, [(0, 0)]
        if rule is not None and rule != RULE:
            raise InputError(
                f"the checkpoint's frames were resized by '{rule}', but this version knows '{RULE}': update"
            )
        if any(min(size) < 1 for size in sizes):
            raise InputError(f"the checkpoint's `frames` are {str(kept)[:80]}: no rule and sizes; copy it again")
        return cls((resolution, resolution), sizes)

    def __call__(self, frame: Any, key: str = "frame") -> Pixels:
        """What the model sees, (height, width, 3) uint8, of a frame (H, W, 3) uint8: that frame itself if it fits.

        Raises `InputError` for anything else; `key` names it there.
        """
        if not is_frame(frame):
            kind = f"{getattr(frame, 'dtype', type(frame).__name__)} {getattr(frame, 'shape', '')}".strip()
            raise InputError(f"{key} is {kind}, but a frame is uint8 (height, width, 3)")
        if frame.shape[:2] == self.size:
            return np.asarray(frame)
        if (note := self.note(frame.shape[:2])) and frame.shape not in self._said and len(self._said) < SAID:
            self._said.add(frame.shape)
            logger.warning("%s %s", key, note)
        return np.array(resize_frame(frame, *self.size))  # which may be written to

    def note(self, size: Sequence[int]) -> str:
        """What is to be said of frames of (height, width) px; empty where one of training's data had their aspect."""
        aspect = size[1] / size[0]
        if any(abs(math.log(aspect * height / width)) < NEAR for height, width in self.recorded):
            return ""
        trained = " or ".join(f"{width} x {height}" for height, width in dict.fromkeys(self.recorded))
        return (
            f"has {size[1]} x {size[0]} pixels, the model's training had {trained}, of another aspect: what it shows "
            "is stretched; crop it as training's frames were"
        )


def is_frame(value: Any) -> bool:
    """Whether something is a frame (H, W, 3) uint8 with at least one pixel."""
    return (
        isinstance(value, np.ndarray)
        and value.dtype == np.uint8
        and value.ndim == 3
        and value.shape[2] == 3
        and min(value.shape) > 0
    )
