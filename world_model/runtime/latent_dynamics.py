"""A trained JEPA as dynamics that a planner can roll out."""

from dataclasses import dataclass

import torch
from torch import Tensor

from forearm.errors import InputError
from forearm.world_model.absolute import Handover
from forearm.world_model.model.jepa import JEPA


@dataclass(frozen=True)
class LatentState:
    """Where B planning problems start: states (B, T, S), the newest last, and the raw actions between them,
    (B, (T-1)·frameskip, A). Where commands are absolute joint positions, actions are their differences, and `begin`
    says from where on.
    """

    states: Tensor
    actions: Tensor
    begin: Handover | None = None


class LatentDynamics:
    """`rollout(state, actions) -> latents`, for any planner; no gradient, no simulator, no pixels.

    Each problem is rolled out on its own, as one row of matrix products over its candidates. On one processor, rounding
    then does not depend on how many problems share the call, and results not on the batch size; so with gradients.

    Raises:
        ValueError: the model knows no commands, so there is nothing to plan.
    """

    def __init__(self, model: JEPA) -> None:
        if not model.config.action_dim:
            raise InputError(
                "action_dim is 0: this model was trained on frames alone and cannot plan; expected one that was "
                "trained with actions, for instance from this one (init=)"
            )
        self.model = model.eval()

    @property
    def frameskip(self) -> int:
        """Control steps per latent step."""
        return self.model.config.frameskip

    def rollout(self, state: LatentState, actions: Tensor) -> Tensor:
        """Predicted latents of candidate commands.

        Args:
            state: B starts.
            actions: (B, K, H, A), one command a control step; H a multiple of the model's frameskip.

        Returns:
            (B, K, H / frameskip, D).

        Raises:
            ValueError: the horizon is no multiple of the frameskip.
        """
        horizon = actions.shape[2]
        if horizon % self.frameskip:
            raise InputError(
                f"horizon is {horizon} control steps: this model steps {self.frameskip} at a time, "
                f"so expected a multiple of {self.frameskip}"
            )
        if self.model.absolute is not None and state.begin is not None:
            actions = self.model.absolute.kept(actions, state.begin)
        found = [self._one(state, b, actions[b]) for b in range(len(actions))]
        for latents in found:
            if (
                latents.requires_grad
            ):  # else they come back as views of one tensor, whose place would decide the rounding
                latents.register_hook(torch.clone)
        return torch.stack(found)

    def _one(self, state: LatentState, b: int, actions: Tensor) -> Tensor:
        past = self.model.blocks(state.actions[b][None])
        predicted = self.model.rollout(state.states[b][None], past, self.model.blocks(actions))
        return predicted[..., : self.model.config.latent_dim]
