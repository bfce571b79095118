"""A predictor of the states after the first, the first two, … action blocks, all of them in one pass."""

import torch
from torch import Tensor, nn

from forearm.world_model.model.recursion import Block, Predictor, unchanging


class PrefixPredictor(Predictor):
    """Foretells each state of a path from its beginning and the commands up to it, and from no predicted state.

    After Fast-LeWM (arXiv 2606.26217), with layers that are cheap on a processor in the place of a transformer. There
    is a row for every prefix, and rows share every layer. What is done in a step enters the rows of all prefixes that
    hold it, by weights of its own for each place; between the layers, rows are mixed with those of shorter prefixes. A
    path of more than `steps` blocks is a chain of whole prefixes, each on the states that the former ends with.

    Args:
        state_dim: S, numbers per state.
        block_dim: numbers per action block.
        history: T.
        width, depth: of the hidden layers.
        steps: P, the longest prefix.
    """

    whole_prefixes = True
    shorter: Tensor

    def __init__(self, state_dim: int, block_dim: int, history: int, width: int, depth: int, steps: int) -> None:
        super().__init__(history)
        self.steps = steps
        self.enter = nn.Linear(history * state_dim + (history - 1) * block_dim, width)
        self.commands = nn.Linear(steps * block_dim, steps * width)
        self.mixes = nn.ParameterList([nn.Parameter(torch.zeros(steps, steps)) for _ in range(depth)])
        self.blocks = nn.ModuleList([Block(width) for _ in range(depth)])
        self.leave = nn.Sequential(nn.LayerNorm(width), unchanging(width, state_dim))
        self.register_buffer("shorter", torch.ones(steps, steps).tril(), persistent=False)

    def forward(self, states: Tensor, blocks: Tensor) -> Tensor:
        """The state (N, S) after states (N, T, S) and action blocks (N, T, block), the newest last."""
        return self._prefixes(states, blocks[:, :-1], blocks[:, -1:])[:, 0]

    def rollout(self, states: Tensor, past_blocks: Tensor, blocks: Tensor) -> Tensor:
        """See `Predictor`; where all paths begin alike, their beginning is looked at once."""
        window, taken, predicted = states, past_blocks, []
        for coming in blocks.split(self.steps, dim=1):
            predicted.append(self._prefixes(window, taken, coming))
            window = _newest(window, predicted[-1], self.history)
            taken = _newest(taken, coming, self.history - 1)
        return torch.cat(predicted, dim=1)

    def _prefixes(self, states: Tensor, past_blocks: Tensor, blocks: Tensor) -> Tensor:
        """The states (N, M, S) after each of M blocks, at most P."""
        steps = blocks.shape[1]
        begun = self.enter(torch.cat([states.flatten(1), past_blocks.flatten(1)], dim=1))
        rows = begun[:, None] + self._told(blocks.flatten(1), steps).unflatten(1, (steps, -1))
        for mix, block in zip(self.mixes, self.blocks, strict=True):
            rows = block(rows + (mix * self.shorter)[:steps, :steps] @ rows)
        return states[:, -1:] + self.leave(rows)

    def _told(self, blocks: Tensor, steps: int) -> Tensor:
        """What each of the first `steps` prefixes is told of its blocks: (N, steps · width)."""
        weight = self.commands.weight.view(self.steps, -1, self.steps, self.commands.in_features // self.steps)
        held = (weight * self.shorter[:, None, :, None])[:steps, :, :steps]
        bias = self.commands.bias.view(self.steps, -1)[:steps]
        return nn.functional.linear(blocks, held.flatten(2).flatten(0, 1), bias.flatten())


def _newest(before: Tensor, after: Tensor, count: int) -> Tensor:
    """The last `count` steps of (1 or N, T, …) and (N, M, …), one after the other."""
    both = torch.cat([before.expand(len(after), -1, -1), after], dim=1)
    return both[:, both.shape[1] - count :]
