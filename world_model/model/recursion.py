"""What predictors have in common: a path of states, and layers."""

import torch
from torch import Tensor, nn


class Predictor(nn.Module):
    """What comes after the last T states, of S numbers each, and action blocks.

    One step is its `forward`, a whole path `rollout`: here one step after the other, each on what the former predicted.

    Args:
        history: T.
    """

    whole_prefixes = False
    """Whether states further ahead are foretold at once, and not from those between."""

    def __init__(self, history: int) -> None:
        super().__init__()
        self.history = history

    def rollout(self, states: Tensor, past_blocks: Tensor, blocks: Tensor) -> Tensor:
        """The states (N, M, S) after `blocks` (N, M, block).

        Args:
            states: (N, T, S), the newest last; or (1, T, S) where all N paths begin alike.
            past_blocks: (N, T-1, block) or (1, T-1, block), those between them.
            blocks: what is done from now on.
        """
        window, taken = states.expand(len(blocks), -1, -1), past_blocks.expand(len(blocks), -1, -1)
        predicted = []
        for step in range(blocks.shape[1]):
            taken = torch.cat([taken, blocks[:, step : step + 1]], dim=1)[:, -self.history :]
            following = self(window, taken)
            predicted.append(following)
            window = torch.cat([window, following[:, None]], dim=1)[:, -self.history :]
        return torch.stack(predicted, dim=1)


class Block(nn.Module):
    """A pre-normalised residual layer of width W."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.linear = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(…, W) to (…, W)."""
        return x + nn.functional.silu(self.linear(self.norm(x)))


def unchanging(inputs: int, state_dim: int) -> nn.Linear:
    """A last layer of a predictor that says, before it is trained, that nothing changes."""
    change = nn.Linear(inputs, state_dim)
    nn.init.zeros_(change.weight)
    nn.init.zeros_(change.bias)
    return change
