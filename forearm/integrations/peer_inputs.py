"""What other projects' world models are given: scaled pictures, and normalised commands side by side in blocks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from forearm.errors import InputError

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Blocks:
    """Commands (A,) less `mean`, over `std`, of which `frameskip` in a row are one action of the model.

    Raises ValueError for numbers that do not fit `action_dim`, or a spread that is not positive.
    """

    action_dim: int
    frameskip: int
    mean: Tensor
    std: Tensor

    @classmethod
    def of(
        cls, action_dim: int, frameskip: int, mean: float | Sequence[float], std: float | Sequence[float]
    ) -> "Blocks":
        """With numbers for all dimensions, or one for each."""
        try:
            spread = [torch.as_tensor(value, dtype=torch.float32).broadcast_to(action_dim) for value in (mean, std)]
        except RuntimeError:
            raise InputError(f"action_mean and action_std: expected one number, or {action_dim}") from None
        if not bool((spread[1] > 0).all()):
            raise InputError(f"action_std is {std}: expected numbers above 0")
        return cls(action_dim, frameskip, *spread)

    def __call__(self, actions: Tensor) -> Tensor:
        """Blocks (..., M, frameskip·A) of commands (..., M·frameskip, A)."""
        return ((actions - self.mean) / self.std).unflatten(-2, (-1, self.frameskip)).flatten(-2)


def pixels(frames: NDArray[np.uint8], side: int, mean: Any = 0.0, std: Any = 1.0) -> Tensor:
    """(N, 3, side, side) of frames (N, R, R, 3): scaled to [0, 1], less `mean`, over `std`, then resized."""
    centre, spread = (torch.as_tensor(value, dtype=torch.float32).reshape(-1, 1, 1) for value in (mean, std))
    scaled = (torch.as_tensor(np.ascontiguousarray(frames)).permute(0, 3, 1, 2).float() / 255 - centre) / spread
    if scaled.shape[-1] == side:
        return scaled
    return nn.functional.interpolate(scaled, size=(side, side), mode="bilinear", antialias=True)


def folded(states: Tensor, past: Tensor, coming: Tensor) -> tuple[Tensor, Tensor]:
    """Each candidate as a row of its own: states (B, T, ...) and blocks past (B, T-1, b) and coming (B, K, M, b).

    Returns:
        (B·K, T, ...) states, and (B·K, T-1+M, b) blocks.
    """
    rows, candidates = coming.shape[:2]
    repeated = states[:, None].expand(rows, candidates, *states.shape[1:]).flatten(0, 1)
    before = past[:, None].expand(rows, candidates, *past.shape[1:])
    return repeated, torch.cat((before, coming), dim=2).flatten(0, 1)
