"""A predictor that is affine in the states: what commands decide is how states are mixed, and what is added."""

import torch
from torch import Tensor, nn

from forearm.world_model.model.recursion import Predictor, unchanging


class AffinePredictor(Predictor):
    """z' = A(c) z + b(c), where z are the last T states together and c their action blocks.

    Trained on its own path over several steps, after SALT (arXiv 2609.33595): its steps are less exact than those of a
    network that may bend space, but their errors do not grow as wildly where a search leads. A(c) is "the newest state
    stays" and a sum of matrices of rank one, whose weights come from the commands, as b(c) does. Both are the same for
    all states, so they are computed for a whole path at once; what is left to do step by step are two small products.

    Args:
        state_dim: S, numbers per state.
        block_dim: numbers per action block.
        history: T.
        width: how many matrices are added, and units of the layers that look at the commands.
        depth: how many such layers; with 1, weights and b are linear in the commands.
    """

    def __init__(self, state_dim: int, block_dim: int, history: int, width: int, depth: int) -> None:
        super().__init__(history)
        layers: list[nn.Module] = []
        seen = history * block_dim
        for _ in range(depth - 1):
            layers += [nn.Linear(seen, width), nn.SiLU()]
            seen = width
        self.commands = nn.Sequential(*layers)
        self.weights = nn.Linear(seen, width)
        self.shift = unchanging(seen, state_dim)
        self.read = nn.Linear(history * state_dim, width, bias=False)
        self.write = nn.Linear(width, state_dim, bias=False)
        nn.init.zeros_(self.write.weight)

    def forward(self, states: Tensor, blocks: Tensor) -> Tensor:
        """The state (N, S) after states (N, T, S) and action blocks (N, T, block), the newest last."""
        return self._step(states, *self._coefficients(blocks.flatten(1)))

    def rollout(self, states: Tensor, past_blocks: Tensor, blocks: Tensor) -> Tensor:
        """See `Predictor`; the commands of all steps are looked at before the first."""
        count, steps = blocks.shape[:2]
        window = states.expand(count, -1, -1)
        done = torch.cat([past_blocks.expand(count, -1, -1), blocks], dim=1)
        # Steps first, so that what one step needs lies together.
        seen = torch.cat([done[:, i : i + steps] for i in range(self.history)], dim=2).transpose(0, 1).flatten(0, 1)
        weights, shift = (found.unflatten(0, (steps, count)) for found in self._coefficients(seen))
        predicted = []
        for step in range(steps):
            following = self._step(window, weights[step], shift[step])
            predicted.append(following)
            window = torch.cat([window, following[:, None]], dim=1)[:, -self.history :]
        return torch.stack(predicted, dim=1)

    def _coefficients(self, blocks: Tensor) -> tuple[Tensor, Tensor]:
        """Weights (N, width) of the matrices and what is added (N, S), for blocks (N, T · block)."""
        seen = self.commands(blocks)
        return self.weights(seen), self.shift(seen)

    def _step(self, states: Tensor, weights: Tensor, shift: Tensor) -> Tensor:
        return states[:, -1] + self.write(weights * self.read(states.flatten(1))) + shift
