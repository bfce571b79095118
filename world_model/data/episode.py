"""One recorded episode in memory."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from forearm.errors import InputError
from forearm.world_model.data.images import Pixels

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Episode:
    """What the camera and the joints saw, and what was commanded, at L moments.

    Row t holds the observation at time t and the action applied after it. After the last observation
    no action follows: ``action`` has L - 1 rows, or L rows of which the last is zero.
    """

    pixels: Pixels
    """(L, H, W, 3) RGB."""
    state: Floats
    """(L, S), for instance joint positions (rad), velocities (rad/s) and gripper."""
    action: Floats
    """(L - 1, A) or (L, A), in the units the environment takes."""
    extra: dict[str, Floats] = field(default_factory=dict)
    """Further columns (L, D) by name; for probes and reports, never for planning."""
    about: Mapping[str, str | float] = field(default_factory=dict)
    """What the episodes table says of it beside; all episodes of a data set have the same columns there."""

    def __len__(self) -> int:
        return len(self.pixels)


def checked(
    episode: Episode, *, resolution: tuple[int, int], state: int, action: int, extra: dict[str, int]
) -> Episode:
    """``episode`` with contiguous arrays of the right type and L action rows.

    Raises:
        ValueError: an array has another shape than the dataset was declared with, or is not finite.
    """
    length = len(episode)
    if length < 1:
        raise InputError("has no frame")
    pixels = np.ascontiguousarray(episode.pixels)
    if pixels.dtype != np.uint8 or pixels.shape[1:] != (*resolution, 3):
        wanted = (length, *resolution, 3)
        raise InputError(f"pixels are {pixels.dtype} {pixels.shape}, not uint8 {wanted}")
    actions = np.asarray(episode.action, dtype=np.float32)
    if actions.ndim == 2 and len(actions) == length - 1:
        actions = np.concatenate([actions, np.zeros((1, actions.shape[1]), np.float32)])
    if set(episode.extra) != set(extra):
        raise InputError(f"has the extra columns {sorted(episode.extra)}, not {sorted(extra)}")
    columns = {"state": (episode.state, state), "action": (actions, action)}
    columns |= {key: (episode.extra[key], width) for key, width in extra.items()}
    arrays: dict[str, Floats] = {}
    for key, (value, width) in columns.items():
        array = np.ascontiguousarray(value, dtype=np.float32)
        if array.shape != (length, width):
            raise InputError(f"{key} has shape {array.shape}, not {(length, width)}")
        if not np.isfinite(array).all():
            raise InputError(f"{key} holds a number that is not finite")
        arrays[key] = array
    return Episode(pixels, arrays.pop("state"), arrays.pop("action"), arrays, episode.about)
