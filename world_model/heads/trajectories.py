"""Encoded episodes, and pairs of moments in them: what heads on a frozen encoder are trained on."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Generator, Tensor

from forearm.errors import InputError
from forearm.world_model.data.layout import DatasetError
from forearm.world_model.model.jepa import JEPA

if TYPE_CHECKING:
    from forearm.world_model.data.cache import FrameCache

CHUNK = 512
"""Frames that are encoded together."""


@dataclass(frozen=True)
class Trajectories:
    """Latents of whole episodes, one after the other, one latent a control step.

    Attributes:
        latents: (F, D).
        actions: (F, A); row n is the command given at latent n. Those of the last latents of episodes do not count.
        left: (F,) int64, control steps from latent n to the last of its episode.
        readings: (F, P), the normalised joint readings of a world model that uses them; None for none.

    Raises ValueError for shapes that do not fit each other, and where no episode has two latents.
    """

    latents: Tensor
    actions: Tensor
    left: Tensor
    readings: Tensor | None = None
    _starts: dict[int, Tensor] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Check the shapes."""
        count = len(self.latents)
        if self.latents.ndim != 2 or self.actions.ndim != 2 or len(self.actions) != count:
            raise InputError(
                f"latents and actions must have shapes (F, D) and (F, A), got {tuple(self.latents.shape)} and "
                f"{tuple(self.actions.shape)}"
            )
        if self.left.shape != (count,) or not bool((self.left > 0).any()):
            raise InputError("left must have shape (F,) and be positive somewhere: episodes need two latents or more")
        if self.readings is not None and (self.readings.ndim != 2 or len(self.readings) != count):
            raise InputError(
                f"readings must have shape (F, P), got {tuple(self.readings.shape)} beside {count} latents"
            )

    def states(self, rows: Tensor) -> Tensor:
        """(N, S), the world model's states at `rows` (N,): latents, followed by joint readings where it uses them."""
        latents = self.latents[rows]
        return latents if self.readings is None else torch.cat([latents, self.readings[rows]], dim=-1)

    @classmethod
    def of(cls, latents: Tensor, actions: Tensor) -> "Trajectories":
        """Episodes of one length: latents (N, T, D) and the commands between them, actions (N, T-1, A)."""
        episodes, length = latents.shape[:2]
        if actions.ndim != 3 or actions.shape[:2] != (episodes, length - 1):
            raise InputError(
                f"latents {tuple(latents.shape)} ask for actions ({episodes}, {length - 1}, A), "
                f"got {tuple(actions.shape)}"
            )
        padded = torch.cat([actions, actions.new_zeros(episodes, 1, actions.shape[-1])], dim=1)
        left = torch.arange(length - 1, -1, -1).repeat(episodes)
        return cls(latents.flatten(0, 1), padded.flatten(0, 1), left)

    def moments(self, count: int, stride: int, draw: Generator) -> Tensor:
        """Rows (count,) of `latents` after which an episode goes on for `stride` control steps at least.

        Raises ValueError where none does.
        """
        if stride not in self._starts:  # they stay the same, and a training asks in every step
            self._starts[stride] = torch.nonzero(self.left >= stride)[:, 0]
        starts = self._starts[stride]
        if not len(starts):
            raise InputError(f"no episode is longer than distance.stride={stride} control steps")
        return starts[torch.randint(len(starts), (count,), generator=draw)]

    def pairs(self, count: int, farthest: int, draw: Generator) -> tuple[Tensor, Tensor]:
        """`count` moments that are not the last of their episode, and for each how far ahead a later one of it is.

        Returns:
            Rows (count,) of `latents` and steps (count,), each between 1 and `farthest`, or as far as there are.
        """
        rows = self.moments(count, 1, draw)
        room = self.left[rows].clamp(max=farthest)
        return rows, 1 + (torch.rand(count, generator=draw) * room).long().clamp(max=room - 1)


def noisy(latents: Tensor, std: float, draw: Generator) -> Tensor:
    """Latents with white noise added."""
    return latents + std * torch.randn(latents.shape, generator=draw) if std else latents


@torch.inference_mode()
def encode_episodes(
    model: JEPA, cache: "FrameCache", episodes: np.ndarray, progress: Callable[[int, int], None] | None = None
) -> Trajectories:
    """The latents of `episodes` (E,) of a cache; `progress` is called with frames done and frames in all.

    Raises `DatasetError` for commands, or joint readings that the model uses, of another size than the model's.
    """
    if cache.action.shape[1] != model.config.action_dim:
        raise DatasetError(
            f"{cache.path}: actions have {cache.action.shape[1]} numbers, the model expects {model.config.action_dim}"
        )
    cache.check_readings(model.config.proprio_dim)
    frames = cache.rows(episodes)
    parts = []
    for at in range(0, len(frames), CHUNK):
        rows = frames[at : at + CHUNK]
        if cache.features is None:
            latents = model.encode(np.ascontiguousarray(cache.frames[rows]))
        else:
            latents = model.latents({"features": torch.from_numpy(cache.features[rows])[None]})[0]
        parts.append(latents.cpu())
        if progress is not None:
            progress(min(at + CHUNK, len(frames)), len(frames))
    left = np.concatenate([np.arange(length - 1, -1, -1) for length in cache.lengths[episodes]])
    # Copies made outside of inference mode may be trained on.
    with torch.inference_mode(False):
        together = torch.cat(parts).clone()
        where = model.device
        states = model.state(together.to(where), torch.from_numpy(cache.state[frames]).to(where)).cpu()
        return Trajectories(
            together,
            torch.from_numpy(cache.action[frames]),
            torch.from_numpy(left),
            states[:, together.shape[1] :].clone() if model.config.proprio_dim else None,
        )
