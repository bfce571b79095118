"""The training objective: predict the next latents on the predictor's own path, and keep them from collapsing."""

import torch
from torch import Tensor, nn

from world_model.config import LossConfig
from world_model.jepa import JEPA
from world_model.predictors import InverseDynamics
from world_model.regularizers import random_directions, sigreg, vicreg


class JepaLoss(nn.Module):
    """Multi-step latent prediction error plus a regulariser, after LeWorldModel (arXiv 2603.19312) and
    JEPA-WMs (arXiv 2512.24497): no target network, no stop-gradient, no pixels.

    Args:
        model: gives sizes for the inverse-dynamics head, where one is used.
        config: weights.
        seed: of SIGReg's random directions, which depend on (seed, step) alone.
    """

    def __init__(self, model: JEPA, config: LossConfig, seed: int) -> None:
        super().__init__()
        self.config, self.seed = config, seed
        block = model.config.frameskip * model.config.action_dim
        self.inverse = InverseDynamics(model.config.latent_dim, block) if config.inverse_dynamics else None

    def forward(self, model: JEPA, batch: dict[str, Tensor], step: int) -> dict[str, Tensor]:
        """Loss terms of a batch of windows; `loss` is what to minimise.

        Args:
            batch: `pixels` (N, T, R, R, 3) uint8 or `features` (N, T, C, h, w) float16, `actions` (N, T-1, block),
                `state` (N, T, P).
            step: optimiser step, for fresh directions.
        """
        history = model.config.history
        latents = model.latents(batch)
        actions = batch["actions"].unflatten(-1, (model.config.frameskip, model.config.action_dim))
        blocks = model.blocks(actions.flatten(1, 2))
        states = model.state(latents, batch["state"] if model.config.proprio_dim else None)
        predicted = model.rollout(states[:, :history], blocks[:, : history - 1], blocks[:, history - 1 :])
        terms = {"prediction": (predicted - states[:, history:]).pow(2).mean()}
        if self.config.regularizer == "sigreg":
            generator = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
            directions = random_directions(self.config.directions, latents.shape[-1], generator, latents.device)
            terms["regularizer"] = sigreg(latents, directions)
        else:
            terms["regularizer"] = vicreg(latents)
        loss = terms["prediction"] + self.config.regularizer_weight * terms["regularizer"]
        if self.inverse is not None:
            guess = self.inverse(latents[:, :-1], latents[:, 1:])
            terms["inverse_dynamics"] = (guess - blocks).pow(2).mean()
            loss = loss + self.config.inverse_dynamics * terms["inverse_dynamics"]
        return {"loss": loss, **terms}
