"""From past latents and actions to the next latents."""

import torch
from torch import Tensor, nn

from forearm.world_model.config import ModelConfig
from forearm.world_model.model.affine_predictor import AffinePredictor
from forearm.world_model.model.prefix_predictor import PrefixPredictor
from forearm.world_model.model.recursion import Block, Predictor, unchanging


class ResidualPredictor(Predictor):
    """Predicts the change of the newest state from the last T states and action blocks.

    Args:
        state_dim: S, numbers per state (latent and, where used, joint readings).
        block_dim: numbers per action block (frameskip times A).
        history: T.
        width, depth: of the hidden layers.
    """

    def __init__(self, state_dim: int, block_dim: int, history: int, width: int, depth: int) -> None:
        super().__init__(history)
        self.enter = nn.Linear(history * (state_dim + block_dim), width)
        self.blocks = nn.Sequential(*[Block(width) for _ in range(depth)])
        self.leave = nn.Sequential(nn.LayerNorm(width), unchanging(width, state_dim))

    def forward(self, states: Tensor, blocks: Tensor) -> Tensor:
        """States (N, T, S) and action blocks (N, T, block), the newest last; the block after a state drives it.

        Returns:
            (N, S), the state after the newest block.
        """
        seen = torch.cat([states.flatten(1), blocks.flatten(1)], dim=1)
        return states[:, -1] + self.leave(self.blocks(self.enter(seen)))


class InverseDynamics(nn.Module):
    """Guesses the first action block on the way from one latent to another; a training aid against forgetting what can
    be controlled.
    """

    def __init__(self, latent_dim: int, block_dim: int, width: int = 256) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(2 * latent_dim, width), nn.SiLU(), nn.Linear(width, block_dim))

    def forward(self, before: Tensor, after: Tensor) -> Tensor:
        """(…, D), (…, D) to (…, block)."""
        return self.body(torch.cat([before, after], dim=-1))


def make_predictor(config: ModelConfig, state_dim: int) -> Predictor:
    """The predictor that `config` names, of states of `state_dim` numbers."""
    sizes = (state_dim, config.block_dim, config.history, config.predictor_width, config.predictor_depth)
    if config.predictor == "prefix":
        return PrefixPredictor(*sizes, config.predictor_steps)
    return AffinePredictor(*sizes) if config.predictor == "affine" else ResidualPredictor(*sizes)
