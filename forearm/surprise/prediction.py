"""How wrong a world model's predictions were, frame by frame and horizon by horizon."""

from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

if TYPE_CHECKING:
    from forearm.world_model.model.jepa import JEPA

Array = NDArray[np.float64]


class Predictions:
    """Predicts each frame's latent from several moments before it, with the commands that were sent meanwhile.

    Frames come one a control step. Nothing is predicted before there are as many as the model's history needs. Commands
    that are absolute joint positions come as such, and the first after `begin` wants the readings of the frame before.

    Args:
        model: the world model.
        horizons: K; a frame is predicted from 1 to K latent steps before it.
    """

    def __init__(self, model: "JEPA", horizons: int) -> None:
        self.model, self.horizons = model, horizons
        config = model.config
        self._skip, self._history, self._latent = config.frameskip, config.history, config.latent_dim
        self._span = (self._history - 1) * self._skip
        self.begin()

    def begin(self) -> None:
        """Nothing was seen."""
        self._states: deque[Tensor] = deque(maxlen=self._span + 1)
        self._actions: deque[Tensor] = deque(maxlen=max(self._span, self._skip))
        self._pending: list[list[tuple[Tensor, Tensor]]] = [[] for _ in range(self._skip)]
        self._count = 0
        self._sent: Array | None = None  # the last command, where those are positions
        self._reading: Array | None = None  # of the newest frame, where they are
        self.predicted: Array = np.zeros((0, self._latent))

    @torch.inference_mode()
    def see(self, latent: Tensor, readings: Any = None, action: Any = None) -> Array:
        """Errors (K, D) of the predictions of a frame, one row a horizon; NaN where there was no prediction.

        Args:
            latent: (D,) of the frame.
            readings: (P,) of the joints, if the model uses them.
            action: (A,) the command since the frame before; None for the first.
        """
        if action is not None:
            self._actions.append(self._tensor(self._taken(action)))
        if self.model.absolute is not None:
            self._reading = None if readings is None else self.model.absolute.reading(readings)
        latent = latent.to(self.model.device)
        state = self.model.state(latent, None if readings is None else self._tensor(readings))
        self._states.append(state)
        phase, self._count = self._count % self._skip, self._count + 1
        waiting = self._pending[phase]
        errors = np.full((self.horizons, self._latent), np.nan)
        if waiting:
            block = self.model.blocks(torch.stack(list(self._actions)[-self._skip :]))
            windows = torch.stack([window for window, _ in waiting])
            taken = torch.stack([torch.cat([past, block])[-self._history :] for _, past in waiting])
            following = self.model.predict(windows, taken)
            self.predicted = following[:, : self._latent].double().cpu().numpy()
            errors[: len(waiting)] = latent.double().cpu().numpy() - self.predicted
            waiting[:] = [
                (torch.cat([window, new[None]])[-self._history :], blocks)
                for window, blocks, new in zip(windows, taken, following, strict=True)
            ][: self.horizons - 1]
        if len(self._states) > self._span:
            past = torch.stack(list(self._actions)[-self._span :]) if self._span else self._no_actions()
            begun = (torch.stack(list(self._states)[:: self._skip]), self.model.blocks(past))
            waiting.insert(0, begun)
        return errors

    def _taken(self, action: Any) -> Any:
        """A command (A,) as the model takes it."""
        if self.model.absolute is None:
            return action
        before = self.model.absolute.before(self._sent, self._reading)
        self._sent = np.asarray(action, np.float64)
        return self._sent - before

    def _no_actions(self) -> Tensor:
        return torch.zeros(0, self.model.config.action_dim, device=self.model.device)

    def _tensor(self, values: Any) -> Tensor:
        return torch.as_tensor(np.asarray(values), dtype=torch.float32).to(self.model.device)
