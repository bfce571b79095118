"""From one moment of sensors to one vector."""

import torch
from torch import Tensor, nn

from forearm.world_model.config import ModelConfig
from forearm.world_model.model.recursion import Block


class SensorEncoder(nn.Module):
    """A small network over what is known of every sensor: its last value, whether there is one, and its age.

    What a moment does not show, such as a rate, the predictor finds in the history of latents.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.enter = nn.Linear(3 * config.proprio_dim, config.width)
        self.blocks = nn.Sequential(*[Block(config.width) for _ in range(config.depth)])
        self.features = config.width

    def forward(self, moments: Tensor, mean: Tensor, std: Tensor) -> Tensor:
        """(N, P, 2) values and ages, see `forearm.world_model.data.moments`, and the scale of values, to (N, width)."""
        values, ages = moments.unbind(-1)
        known = ~torch.isnan(values)
        scaled = torch.where(known, (values - mean) / std, 0.0)
        seen = [scaled, known.to(scaled), torch.log1p(ages)]
        return self.blocks(self.enter(torch.cat(seen, dim=-1)))
