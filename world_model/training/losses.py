"""The training objective: predict the next latents on the predictor's own path, and keep them from collapsing."""

import torch
from torch import Tensor, nn

from forearm.errors import InputError
from forearm.world_model.config import LossConfig
from forearm.world_model.distributed import of_all
from forearm.world_model.model.jepa import JEPA
from forearm.world_model.model.precision import full_precision
from forearm.world_model.model.predictors import InverseDynamics
from forearm.world_model.training.regularizers import random_directions, sigreg, vicreg

CONTRASTED = 32
"""Directions of the latents in which windows are told apart."""
TEMPERATURE = 0.1
"""What their cosines are divided by."""


class JepaLoss(nn.Module):
    """Multi-step latent prediction error plus a regulariser, after LeWorldModel (arXiv 2603.19312) and
    JEPA-WMs (arXiv 2512.24497): no target network, no stop-gradient, no pixels.

    Args:
        model: gives sizes for the inverse-dynamics head, where one is used.
        config: weights.
        seed: of SIGReg's random directions, which depend on (seed, step) alone.

    Raises:
        ValueError: actions shall be predicted, but the model knows none; or prefixes would be left untrained.
    """

    def __init__(self, model: JEPA, config: LossConfig, seed: int) -> None:
        super().__init__()
        self.config, self.seed = config, seed
        if config.inverse_dynamics and not model.config.action_dim:
            raise InputError(
                f"inverse_dynamics is {config.inverse_dynamics}, but there are no actions to predict (action_dim is "
                "0): set it to 0"
            )
        steps = model.config.predictor_steps
        if model.config.predictor == "prefix" and steps > config.rollout:
            raise InputError(
                f"predictor_steps is {steps}, but rollout is {config.rollout}: longer prefixes would not be trained, "
                f"set world_model.predictor_steps={config.rollout} or world_model.loss.rollout={steps}"
            )
        block = model.config.block_dim
        self.inverse = InverseDynamics(model.config.latent_dim, block) if config.inverse_dynamics else None
        told_apart = config.time_contrast and not model.encoder_is_fixed  # else nothing could come of it
        self.contrast = nn.Linear(model.config.latent_dim, CONTRASTED) if told_apart else None

    def forward(self, model: JEPA, batch: dict[str, Tensor], step: int) -> dict[str, Tensor]:
        """Loss terms of a batch of windows; `loss` is what to minimise.

        Args:
            batch: `pixels` (N, T, R, R, 3) uint8 or `features` (N, T, C, h, w) float16, `actions` (N, T-1, block),
                `state` (N, T, P).
            step: optimiser step, for fresh directions.
        """
        latents, blocks, prediction = unrolled(model, batch, self.config.beginnings)
        terms, loss = {"prediction": prediction}, prediction
        if not model.encoder_is_fixed:  # else nothing could come of it
            # In full precision: the mean of many rounded cosines is further off than that of the cosines is from zero.
            with torch.autocast(latents.device.type, enabled=False):
                terms["regularizer"] = self._regularizer(full_precision(latents), step)
            loss = loss + self.config.regularizer_weight * terms["regularizer"]
        if self.inverse is not None:
            terms["inverse_dynamics"] = inverse_error(self.inverse, latents, blocks, self.config.inverse_steps)
            loss = loss + self.config.inverse_dynamics * terms["inverse_dynamics"]
        if self.contrast is not None:
            with torch.autocast(latents.device.type, enabled=False):
                terms["time_contrast"] = contrast_over_time(self.contrast(full_precision(latents[:, [0, -1]])))
            loss = loss + self.config.time_contrast * terms["time_contrast"]
        return {"loss": loss, **terms}

    def _regularizer(self, latents: Tensor, step: int) -> Tensor:
        if self.config.regularizer == "vicreg":
            return vicreg(latents)
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        return sigreg(latents, random_directions(self.config.directions, latents.shape[-1], generator, latents.device))


def inverse_error(inverse: InverseDynamics, latents: Tensor, blocks: Tensor, steps: int) -> Tensor:
    """Mean squared error of the first block on the way from a latent to each of up to `steps` later ones.

    From a latent and the next one alone, only what moves at once need be told apart. What a command was for shows
    later: where the object was, and where it came to. Multi-step inverse models, Lamb et al., arXiv 2207.08229.

    Args:
        latents: (N, T, D).
        blocks: (N, T-1, block), between them.
    """
    first, last = torch.triu_indices(latents.shape[1], latents.shape[1], offset=1, device=latents.device)
    near = last - first <= steps
    first, last = first[near], last[near]
    return (inverse(latents[:, first], latents[:, last]) - blocks[:, first]).pow(2).mean()


def contrast_over_time(ends: Tensor) -> Tensor:
    """Cross-entropy of finding the same window's end among those of the batch, and its beginning likewise.

    Time-contrastive learning (Sermanet et al., arXiv 1704.06888) by InfoNCE (arXiv 1807.03748) on cosines.

    Args:
        ends: (N, 2, K), of the windows' first and last latents.
    """
    first, last = of_all(nn.functional.normalize(ends, dim=2)).unbind(dim=1)  # one exchange between the processes
    alike = first @ last.T / TEMPERATURE
    own = torch.arange(len(alike), device=alike.device)
    return (nn.functional.cross_entropy(alike, own) + nn.functional.cross_entropy(alike.T, own)) / 2


def unrolled(model: JEPA, batch: dict[str, Tensor], beginnings: int = 1) -> tuple[Tensor, Tensor, Tensor]:
    """A batch of windows through the network.

    Args:
        batch: as for `JepaLoss.forward`.
        beginnings: latents in a row that are the present in turn.

    Returns:
        latents (N, T, D), normalised action blocks (N, T-1, block), and the mean squared error, a scalar, of the states
        that the predictor reaches on its own path from the history.
    """
    history = model.config.history
    latents = model.latents(batch)
    blocks = model.blocks_between(latents, batch)
    states = model.state(latents, batch["state"] if model.config.proprio_dim else None)
    paths, told = _each_from(states, beginnings), _each_from(blocks, beginnings)
    predicted = model.rollout(paths[:, :history], told[:, : history - 1], told[:, history - 1 :])
    error = (predicted - paths[:, history:]).pow(2)
    if (measured := model.measured(batch)) is not None:
        error = error * _each_from(measured, beginnings)[:, history:]
    return latents, blocks, error.mean()


def _each_from(rows: Tensor, beginnings: int) -> Tensor:
    """The overlapping parts (beginnings * N, T - beginnings + 1, D) of rows (N, T, D)."""
    if beginnings == 1:
        return rows
    length = rows.shape[1] - beginnings + 1
    return torch.cat([rows[:, at : at + length] for at in range(beginnings)])
