"""What commands would lead to, as pictures: the world model's own predictions, drawn by its decoder.

Nothing here is used to plan; plans are the same with and without a decoder.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from forearm.agent.agent import Act, Acting
from forearm.errors import InputError

if TYPE_CHECKING:
    from forearm.agent.action_spec import ActionSpec
    from forearm.world_model.heads.decoder import Decoder
    from forearm.world_model.model.jepa import JEPA
    from forearm.world_model.runtime.latent_dynamics import LatentState


@dataclass(frozen=True, eq=False)
class Imagined:
    """What a world model expects of commands.

    Attributes:
        now: (R, R, 3) uint8, the present as the model knows it: its latent, drawn.
        frames: (M, R, R, 3) uint8, what comes after each `every` control steps.
        every: control steps from one frame to the next.
        period: s of one control step.
        latents: (M + 1, D), of `now` and of the frames.
        distances: (M + 1,), of each latent from the goal's: the mean square, under the task's metric; None without.
    """

    now: np.ndarray
    frames: np.ndarray
    every: int
    period: float
    latents: np.ndarray
    distances: np.ndarray | None = None

    @property
    def times(self) -> np.ndarray:
        """(M + 1,), s from now on."""
        return np.arange(len(self.frames) + 1) * self.every * self.period


class Imagination:
    """Rolls a world model out and draws what comes.

    Args:
        model: the world model.
        decoder: of its states.
        period: s of one control step.
    """

    def __init__(self, model: "JEPA", decoder: "Decoder", period: float) -> None:
        self._model, self._decoder, self._period = model, decoder, period

    @torch.inference_mode()
    def ahead(self, state: "LatentState", actions: np.ndarray) -> Imagined:
        """What commands (H, A) lead to from a state (B = 1).

        Raises ValueError for a number of commands that the model's steps do not divide.
        """
        from forearm.world_model.absolute import moved_by

        skip = self._model.config.frameskip
        if not len(actions) or len(actions) % skip:
            raise InputError(
                f"{len(actions)} commands: this model steps {skip} at a time, so expected a multiple of {skip}"
            )
        coming = torch.as_tensor(np.asarray(actions), dtype=torch.float32).to(state.states.device)[None]
        if state.begin is not None:
            coming = moved_by(coming[None], state.begin)[0]
        predicted = self._model.rollout(state.states, self._model.blocks(state.actions), self._model.blocks(coming))
        states = torch.cat([state.states[:, -1:], predicted], dim=1)[0]
        drawn = self._decoder.draw(states)
        latents = states[:, : self._model.config.latent_dim].double().cpu().numpy()
        return Imagined(drawn[0], drawn[1:], skip, self._period, latents)


def imagined_of(agent: Acting, episode: int, act: Act, imagination: Imagination | None) -> Imagined | None:
    """What the plan that an agent has just made is expected to lead to; None for one that was not made in latents."""
    thinking = getattr(agent, "planning_model", None)
    state = getattr(thinking, "state", None)
    if imagination is None or act.plan is None or state is None:
        return None
    return imagination.ahead(state(episode), act.plan.actions)


def commands_of(actions: object, spec: "ActionSpec", names: Sequence[str] = (), key: str = "actions") -> np.ndarray:
    """Commands (H, A) within their bounds, of nested lists or an array; raises ValueError naming what is wrong."""
    try:
        found = np.asarray(actions, np.float64)
    except (ValueError, TypeError):
        found = np.empty(0)
    size = len(spec.low)
    if found.ndim != 2 or found.shape[1] != size or not len(found):
        shape = "" if not found.size else f", got shape {found.shape}"
        raise InputError(f"{key}: expected rows of {size} numbers, one row a control step{shape}")
    wrong = ~((found >= spec.low - 1e-6) & (found <= spec.high + 1e-6))  # NaN is wrong as well
    if wrong.any():
        row, column = (int(index) for index in np.argwhere(wrong)[0])
        which = names[column] if column < len(names) else f"number {column}"
        raise InputError(
            f"{key}: row {row} has {found[row, column]:g} for {which}, but commands lie between "
            f"{spec.low[column]:g} and {spec.high[column]:g}"
        )
    return found
