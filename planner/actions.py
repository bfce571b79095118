"""From search variables to commands and back: bounds, action repeat, and the shift in time.

A planner searches V variables per action dimension; the arm gets H commands, one per control step. Here a
variable is a command held for `repeat` control steps, so V = ceil(H / repeat). A held value lies within the
bounds exactly when its variable does, so bounds are kept by clipping the variables.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True)
class ActionSpace:
    """The box that is searched: `low`, `high` (A,), `horizon` H control steps, `repeat` steps per
    variable.
    """

    low: Tensor
    high: Tensor
    horizon: int
    repeat: int
    batch: int

    @property
    def variables(self) -> int:
        """V, the number of search variables along time."""
        return -(-self.horizon // self.repeat)

    @property
    def dims(self) -> int:
        """A, the number of action dimensions."""
        return int(self.low.shape[0])

    @property
    def middle(self) -> Tensor:
        """The middle of the bounds (A,): the proposal when nothing else is known."""
        return self.clip(self.low + self.half_range)

    @property
    def half_range(self) -> Tensor:
        """Half the distance between the bounds (A,): the unit in which spreads are configured."""
        return self.high * 0.5 - self.low * 0.5

    def clip(self, variables: Tensor) -> Tensor:
        """Nearest variables (..., A) within the bounds."""
        return torch.clamp(variables, self.low, self.high)

    def commands(self, variables: Tensor) -> Tensor:
        """Hold each of the variables (..., V, A) for `repeat` control steps: (..., H, A)."""
        if self.repeat == 1:
            return variables
        return variables.repeat_interleave(self.repeat, dim=-2)[..., : self.horizon, :]

    def from_commands(self, commands: NDArray[np.float64]) -> Tensor:
        """The variables (..., V, A) nearest to commands (..., H, A): the mean over the steps each one
        holds.
        """
        starts = np.arange(0, self.horizon, self.repeat)
        lengths = np.diff(np.append(starts, self.horizon))[:, None]
        means = np.add.reduceat(commands, starts, axis=-2) / lengths
        return self.clip(torch.as_tensor(means, dtype=self.low.dtype, device=self.low.device))


def shift(commands: NDArray[np.float64], steps: int, horizon: int, fill: NDArray[np.float64]) -> NDArray[np.float64]:
    """Commands (H, A) as they look `steps` control steps later: (horizon, A), the unknown end filled with
    (A,).
    """
    shifted = np.repeat(np.asarray(fill, dtype=np.float64)[None], horizon, axis=0)
    rest = commands[steps : steps + horizon]
    shifted[: len(rest)] = rest
    return shifted
