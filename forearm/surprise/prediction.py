"""How wrong a world model's predictions were, frame by frame and horizon by horizon."""

from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

if TYPE_CHECKING:
    from forearm.world_model.absolute import AbsolutePositions
    from forearm.world_model.model.jepa import JEPA

Array = NDArray[np.float64]


class Way(NamedTuple):
    """States (T, S), the last of them predicted, and the normalised blocks (T-1, block) between them, or one more."""

    states: Tensor
    blocks: Tensor


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
        self._pending: list[list[Way]] = [[] for _ in range(self._skip)]
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
            waiting[:] = self._followed(waiting, block)
            following = torch.stack([path.states[-1] for path in waiting])
            self.predicted = following[:, : self._latent].double().cpu().numpy()
            errors[: len(waiting)] = latent.double().cpu().numpy() - self.predicted
            del waiting[self.horizons - 1 :]
        if len(self._states) > self._span:
            past = torch.stack(list(self._actions)[-self._span :]) if self._span else self._no_actions()
            waiting.insert(0, Way(torch.stack(list(self._states)[:: self._skip]), self.model.blocks(past)))
        return errors

    def _followed(self, paths: list["Way"], block: Tensor) -> list["Way"]:
        """The paths, one latent step of `block` (1, block) further."""
        taken = [torch.cat([path.blocks, block]) for path in paths]
        if self.model.predictor.whole_prefixes:  # not from what was predicted on the way
            starts = [path.states[: self._history] for path in paths]
            told = zip(starts, taken, strict=True)
            past = self._history - 1
            found = [self.model.rollout(at[None], done[None, :past], done[None, past:])[0] for at, done in told]
            return [Way(torch.cat([at, ahead]), done) for at, ahead, done in zip(starts, found, taken, strict=True)]
        taken = [blocks[-self._history :] for blocks in taken]
        windows = torch.stack([path.states for path in paths])
        following = self.model.predict(windows, torch.stack(taken))
        return [
            Way(torch.cat([window, new[None]])[-self._history :], blocks)
            for window, blocks, new in zip(windows, taken, following, strict=True)
        ]

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


@torch.inference_mode()
def errors_of(model: "JEPA", latents: Array, readings: Array | None, actions: Array, horizons: int) -> Array:
    """(L, K, D) what `Predictions` says of a stream that is known whole, all of it at once: the same but for rounding.

    Args:
        model: the world model.
        latents: (L, D).
        readings: (L, P) of the joints, or None.
        actions: (L - 1, A) the commands between the frames.
        horizons: K.
    """
    config, length = model.config, len(latents)
    skip, span = config.frameskip, (config.history - 1) * config.frameskip
    errors = np.full((length, horizons, config.latent_dim), np.nan)
    starts = np.arange(span, length - skip)
    if not len(starts):
        return errors

    def tensor(values: Any) -> Tensor:
        return torch.as_tensor(np.asarray(values)).to(model.action_mean)

    taken = actions if model.absolute is None else _differences(model.absolute, actions, readings)
    sent = np.concatenate([taken, np.zeros((horizons * skip, taken.shape[1]))])  # past the end nothing is compared
    states = model.state(tensor(latents), None if readings is None else tensor(readings))
    windows = states[starts[:, None] + np.arange(-span, 1, skip)]
    past, ahead = (tensor(sent[starts[:, None] + np.arange(*ends)]) for ends in ((-span, 0), (0, horizons * skip)))
    found = model.rollout(windows, model.blocks(past), model.blocks(ahead))[..., : config.latent_dim]
    for horizon, predicted in enumerate(found.double().cpu().numpy().swapaxes(0, 1)):
        at = starts + (horizon + 1) * skip
        known = at < length
        errors[at[known], horizon] = np.asarray(latents, np.float64)[at[known]] - predicted[known]
    return errors


def _differences(absolute: "AbsolutePositions", actions: Array, readings: Array | None) -> Array:
    """(L - 1, A) commands that are joint positions, as the model takes them."""
    there = [None] * len(actions) if readings is None else [absolute.reading(each) for each in readings[:-1]]
    befores = [absolute.before(sent, reading) for sent, reading in zip([None, *actions[:-1]], there, strict=True)]
    return np.asarray(actions - np.array(befores))
