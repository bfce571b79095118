"""What an episode has shown so far, as the state that the predictor starts from."""

from collections import deque

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from forearm.world_model.model.jepa import JEPA
from forearm.world_model.runtime.latent_dynamics import LatentState


class LatentTracker:
    """Encodes each frame of one episode once, and keeps as many as the model's history needs.

    Before the first frame the arm is taken to have been at rest there: the first frame repeated, with the model's
    `action_rest`, mostly zero, which is also how training windows begin.

    Args:
        model: the world model.
    """

    def __init__(self, model: JEPA) -> None:
        self._model = model
        self._span = (model.config.history - 1) * model.config.frameskip
        self._states: deque[Tensor] = deque(maxlen=self._span + 1)
        self._actions: deque[Tensor] = deque(maxlen=max(self._span, 1))

    @torch.inference_mode()
    def begin(self, pixels: NDArray[np.uint8], proprio: NDArray[np.floating] | None = None) -> None:
        """Starts an episode with its first frame (R, R, 3) uint8 and joint readings (P,), if the model uses them."""
        first = self._encode(pixels, proprio)
        self._states.extend([first] * (self._span + 1))
        rest = self._model.action_rest.to(first.device)
        self._actions.extend([rest] * max(self._span, 1))

    @torch.inference_mode()
    def advance(
        self,
        action: NDArray[np.floating],
        pixels: NDArray[np.uint8],
        proprio: NDArray[np.floating] | None = None,
    ) -> None:
        """Takes in the command (A,) that was carried out and what was seen after it.

        Raises:
            RuntimeError: no episode was begun.
        """
        if not self._states:
            raise RuntimeError("no episode has begun: call begin(pixels) with the first frame")
        state = self._encode(pixels, proprio)
        self._states.append(state)
        self._actions.append(torch.as_tensor(np.asarray(action), dtype=torch.float32).to(state.device))

    def state(self) -> LatentState:
        """The present state: B = 1.

        Raises:
            RuntimeError: no episode was begun.
        """
        if not self._states:
            raise RuntimeError("no episode has begun: call begin(pixels) with the first frame")
        states = torch.stack(list(self._states)[:: self._model.config.frameskip])
        actions = torch.stack(list(self._actions))[: self._span]
        return LatentState(states[None], actions[None])

    def _encode(self, pixels: NDArray[np.uint8], proprio: NDArray[np.floating] | None) -> Tensor:
        latent = self._model.encode(np.ascontiguousarray(pixels)[None])[0]
        if not self._model.config.proprio_dim:
            return latent
        readings = None if proprio is None else torch.as_tensor(np.asarray(proprio), dtype=torch.float32)
        return self._model.state(latent, None if readings is None else readings.to(latent.device))
