"""A world model of torch-world, made and loaded by its own package, as one to plan in."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from forearm.errors import ForearmError
from forearm.integrations.peer_inputs import Blocks, folded, pixels
from forearm.world_model.runtime.latent_dynamics import LatentState


class TorchWorldModel:
    """See `forearm.WorldModel`.

    Args:
        model: a `torch_world.models.WorldModel` with its weights, such as its LeWM or DINOWM: it has
            `encode(pixels (B, T, C, R, R))` and `rollout(latents (B, T, ...), actions (B, M, a))`.
        resolution: side of its frames in pixels.
        action_dim: A, numbers in a command of the task.
        frameskip: commands in one of the model's actions, side by side.
        history: frames that it looks back on.
        action_mean, action_std: of the commands that it was trained on, one number or (A,).
        pixel_mean, pixel_std: of the pictures, scaled to [0, 1], one number or one for each colour.

    Raises `ForearmError` for a model that lacks these, or settings that do not fit.
    """

    def __init__(
        self,
        model: Any,
        resolution: int,
        action_dim: int,
        frameskip: int = 1,
        history: int = 1,
        action_mean: float | Sequence[float] = 0.0,
        action_std: float | Sequence[float] = 1.0,
        pixel_mean: float | Sequence[float] = 0.0,
        pixel_std: float | Sequence[float] = 1.0,
    ) -> None:
        lacking = [key for key in ("encode", "rollout", "state_dict") if not callable(getattr(model, key, None))]
        if lacking:
            raise ForearmError(f"{type(model).__name__} has no {lacking[0]}: expected a world model of torch-world")
        self.model = model.eval().requires_grad_(False)
        self.resolution, self.action_dim, self.frameskip, self.history = resolution, action_dim, frameskip, history
        self._blocks = Blocks.of(action_dim, frameskip, action_mean, action_std)
        self._colours = pixel_mean, pixel_std

    def encode(self, frames: NDArray[np.uint8]) -> Tensor:
        """Latents (N, ...) of frames (N, R, R, 3) uint8."""
        found: Tensor = self.model.encode(pixels(frames, self.resolution, *self._colours)[:, None])
        return found[:, 0]

    def rollout(self, state: LatentState, actions: Tensor) -> Tensor:
        """Latents (B, K, H / s, ...) after each s of the commands (B, K, H, A)."""
        latents, blocks = folded(state.states, self._blocks(state.actions), self._blocks(actions))
        found: Tensor = self.model.rollout(latents, blocks)
        return torch.as_tensor(found[:, state.states.shape[1] :]).unflatten(0, actions.shape[:2])
