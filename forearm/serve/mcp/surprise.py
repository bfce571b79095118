"""Whether what just happened is what the world model expected."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch

from forearm.errors import InputError

if TYPE_CHECKING:
    from forearm.agent.of_checkpoint import OfCheckpoint
    from forearm.envs import Environment

EPISODES, STEPS = 8, 32
"""Of ordinary motion, with which what happens is compared."""
FACTOR = 1.5
"""How many times the largest error of ordinary motion is a surprise."""

Observation = Mapping[str, Any]


@dataclass(frozen=True)
class Surprise:
    """What a world model expected against what came.

    Attributes:
        errors: mean squared error of predicted latents, one for each step of the model, oldest first.
        usual: the largest of ordinary motion.
        surprised: whether one is more than `FACTOR` times that.
        every: control steps of a step of the model.
    """

    errors: list[float]
    usual: float
    surprised: bool
    every: int

    def document(self) -> dict[str, Any]:
        """As a tool's answer has it."""
        return {"errors": self.errors, "usual": self.usual, "surprised": self.surprised, "control_steps": self.every}


class Surprising(Protocol):
    """What can be asked whether the world did as expected."""

    def of(self, observations: Sequence[Observation], actions: np.ndarray) -> Surprise:
        """Of N + 1 observations and the commands (N, A) between them; raises InputError for too few of them."""
        ...


class LatentSurprise:
    """One-step prediction errors in latents, against those of the task's explorer.

    Args:
        of: the world model.
        ordinary: an environment in which nothing surprising happens; it is moved about once.
    """

    def __init__(self, of: "OfCheckpoint", ordinary: "Environment") -> None:
        self._model = of.model
        errors: list[float] = []
        for seed in range(EPISODES):
            seen = [ordinary.reset(seed=seed, options={"goal": False})[0]]
            policy, actions = ordinary.explorer(np.random.default_rng(seed)), []
            for _ in range(STEPS):
                actions.append(policy.act())
                ordinary.advance(actions[-1])
                seen.append(ordinary.observe())
            errors += self._errors(seen, np.array(actions))
        self.usual = max(errors)

    def of(self, observations: Sequence[Observation], actions: np.ndarray) -> Surprise:
        """See `Surprising`."""
        every = self._model.config.frameskip
        if len(actions) < every:
            raise InputError(f"only {len(actions)} steps were carried out: this model is asked about {every} or more")
        errors = self._errors(observations, actions)
        return Surprise(errors, self.usual, max(errors) > FACTOR * self.usual, every)

    @torch.inference_mode()
    def _errors(self, observations: Sequence[Observation], actions: np.ndarray) -> list[float]:
        """Of every whole step of the model, counted from the end."""
        from forearm.world_model.runtime.tracker import LatentTracker

        model, every = self._model, self._model.config.frameskip
        tracker, size = LatentTracker(model), self._model.config.latent_dim
        tracker.begin(observations[0]["pixels"], observations[0].get("proprio"))
        errors, expected = [], None
        for step in range(len(actions) + 1):
            if step:
                tracker.advance(actions[step - 1], observations[step]["pixels"], observations[step].get("proprio"))
            if (len(actions) - step) % every:
                continue
            state = tracker.state()
            if expected is not None:
                errors.append(float((state.states[0, -1, :size] - expected).square().mean()))
            if step < len(actions):
                coming = torch.as_tensor(actions[step : step + every], dtype=torch.float32)[None].to(
                    state.states.device
                )
                ahead = model.rollout(state.states, model.blocks(state.actions), model.blocks(coming))
                expected = ahead[0, -1, :size]
        return errors
