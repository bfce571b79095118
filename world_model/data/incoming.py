"""Frames that come in, made what training made of those of its data: any camera's size, one rule."""

import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from forearm.errors import InputError
from forearm.world_model.data.images import Pixels, resize_frame, tiled
from forearm.world_model.data.layout import cameras_of

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
        recorded: (height, width) in px of training's own frames, before they were resized; one a data set and camera.
        cameras: what they are called; several are seen side by side, in this order.
    """

    def __init__(
        self, size: tuple[int, int], recorded: Sequence[tuple[int, int]] = (), cameras: Sequence[str] = ()
    ) -> None:
        self.size, self.recorded, self.cameras = size, tuple(recorded) or (size,), tuple(cameras)
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
        cameras = cameras_of(str(document["camera"])) if document.get("camera") else []
        return cls((resolution, resolution), sizes, cameras)

    def __call__(self, frame: Any, key: str = "frame") -> Pixels:
        """What the model sees, (height, width, 3) uint8, of a frame (H, W, 3) uint8: that frame itself if it fits.

        Or of a mapping by name of camera, which several cameras need; a name may be the last part alone. Raises
        `InputError` for anything else, and for other cameras; `key` names it there.
        """
        if isinstance(frame, Mapping):
            found = self._named(frame, key)
            if len(found) > 1:
                return tiled([self._checked(each, f"{key} {name}") for name, each in found], *self.size)
            [(_, frame)] = found
        elif len(self.cameras) > 1 and is_frame(frame) and frame.shape[:2] != self.size:
            raise InputError(f"{key} is one frame, but the model sees {self._shown}: give one of each by name")
        found_frame = self._checked(frame, key)
        return found_frame if found_frame.shape[:2] == self.size else np.array(resize_frame(found_frame, *self.size))

    def _named(self, frames: Mapping[Any, Any], key: str) -> list[tuple[str, Any]]:
        """Frames in the order of the cameras."""
        known = self.cameras or tuple(map(str, frames))[:1]
        found = {}
        for name, frame in frames.items():
            meant = [camera for camera in known if str(name) in (camera, short(camera))]
            if len(meant) != 1 or meant[0] in found:
                raise InputError(f"{key} is of camera '{str(name)[:60]}', but the model sees {self._shown}")
            found[meant[0]] = frame
        if missing := [short(camera) for camera in known if camera not in found]:
            raise InputError(f"{key} lacks a frame of camera {', '.join(missing)}: the model sees {self._shown}")
        return [(short(camera), found[camera]) for camera in known]

    @property
    def _shown(self) -> str:
        return " and ".join(f"'{short(camera)}'" for camera in self.cameras) or "one camera"

    def _checked(self, frame: Any, key: str) -> Pixels:
        if not is_frame(frame):
            kind = f"{getattr(frame, 'dtype', type(frame).__name__)} {getattr(frame, 'shape', '')}".strip()
            raise InputError(f"{key} is {kind}, but a frame is uint8 (height, width, 3)")
        size = frame.shape[:2]
        if size != self.size and size not in self._said and len(self._said) < SAID and (note := self.note(size)):
            self._said.add(size)
            logger.warning("%s %s", key, note)
        return np.asarray(frame)

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


def short(camera: str) -> str:
    """The last part of a camera's name."""
    return camera.rpartition(".")[2]


def is_frame(value: Any) -> bool:
    """Whether something is a frame (H, W, 3) uint8 with at least one pixel."""
    return (
        isinstance(value, np.ndarray)
        and value.dtype == np.uint8
        and value.ndim == 3
        and value.shape[2] == 3
        and min(value.shape) > 0
    )
