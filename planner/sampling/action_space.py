"""From search variables to commands and back: bounds, action repeat, knots, and the shift in time.

A planner searches V variables per action dimension; the arm gets H commands, one per control step. A command
is held for `repeat` control steps, which makes S = ceil(H / repeat) slots. Either every slot is a variable
(V = S), or the variables are knots of a curve that is read at the slots. Bounds hold on the variables and,
because a curve may swing beyond its knots, on the curve as well.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from forearm.errors import InputError
from forearm.planner.sampling.arrays import Rows, row
from forearm.planner.sampling.knots import Knots


@dataclass(frozen=True)
class ActionSpace:
    """The box that is searched: `low`, `high` (A,), `horizon` H control steps, `repeat` steps per slot.

    `knots`, if given, says how the slots follow from the variables; otherwise they are the variables.
    """

    low: Tensor
    high: Tensor
    horizon: int
    repeat: int
    batch: int
    knots: Knots | None = None
    memo: dict[Any, Any] = field(default_factory=dict, compare=False, repr=False)
    """What others have worked out from it, to be found again; not to be changed in place."""

    @property
    def slots(self) -> int:
        """S, the number of commands along time that may differ."""
        return -(-self.horizon // self.repeat)

    @property
    def variables(self) -> int:
        """V, the number of search variables along time."""
        return self.slots if self.knots is None else self.knots.weights.shape[1]

    @property
    def dims(self) -> int:
        """A, the number of action dimensions."""
        return int(self.low.shape[0])

    @cached_property
    def middle(self) -> Tensor:
        """The middle of the bounds (A,): the proposal when nothing else is known."""
        return self.clip(self.low + self.half_range)

    @cached_property
    def half_range(self) -> Tensor:
        """Half the distance between the bounds (A,): the unit in which spreads are configured."""
        return self.high * 0.5 - self.low * 0.5

    def std(self, name: str, setting: float | tuple[float, ...]) -> Tensor:
        """A configured spread, in halves of a command's range, in the units of the commands: (A,).

        Raises `ValueError`, with the setting's `name`, when it does not fit A.
        """
        fractions = setting if isinstance(setting, tuple) else (setting,)
        std: Tensor | None = self.memo.get(fractions)
        if std is None:
            if len(fractions) not in (1, self.dims):
                raise InputError(f"{name} has {len(fractions)} numbers but an action has {self.dims} dimensions")
            scale = torch.tensor(fractions, dtype=self.low.dtype, device=self.low.device)
            std = self.memo[fractions] = self.half_range * scale
        return std

    def std_row(self, name: str, setting: float | tuple[float, ...]) -> Rows:
        """The same for all variables in a row, (N,), as formulas want it."""
        key = "row", setting
        found = self.memo.get(key)
        if found is None:
            found = self.memo[key] = row(self.std(name, setting), self.variables)
        return found

    def relative_spread(self, std: Tensor) -> Tensor:
        """The largest standard deviation of each problem (B,), of (B, V, A), in halves of a command's range.

        A command without a range cannot be spread; what rounding leaves of it does not count.
        """
        half = self.half_range
        return torch.where(half > 0, std / half.clamp(min=torch.finfo(std.dtype).tiny), 0.0).amax(dim=(1, 2))

    def clip(self, variables: Tensor) -> Tensor:
        """Nearest variables (..., A) within the bounds."""
        return torch.clamp(variables, self.low, self.high)

    def clip_(self, variables: Tensor) -> Tensor:
        """The same in place, and sooner where one pair of bounds holds for all dimensions."""
        if self._shared_bounds is not None:
            return variables.clamp_(*self._shared_bounds)
        return torch.clamp_(variables, self.low, self.high)

    @cached_property
    def _shared_bounds(self) -> tuple[float, float] | None:
        low, high = (set(bound.tolist()) for bound in (self.low, self.high))
        return (low.pop(), high.pop()) if len(low) == len(high) == 1 else None

    def commands(self, variables: Tensor) -> Tensor:
        """The commands (..., H, A) that variables (..., V, A) within the bounds stand for."""
        slots = variables if self.knots is None else self.clip(self.knots.curve(variables))
        if self.repeat == 1:
            return slots
        return slots.repeat_interleave(self.repeat, dim=-2)[..., : self.horizon, :]

    def from_commands(self, commands: NDArray[np.float64]) -> Tensor:
        """The variables (..., V, A) nearest to commands (..., H, A) in the least squares sense, clipped.

        Without knots that is the mean over the steps each variable holds. A knot that no command shows stays
        in the middle.
        """
        if self.knots is None:
            starts = np.arange(0, self.horizon, self.repeat)
            lengths = np.diff(np.append(starts, self.horizon))[:, None]
            nearest = np.add.reduceat(commands, starts, axis=-2) / lengths
        else:
            middle = self.middle.double().cpu().numpy()
            curve = np.repeat(self.knots.weights, self.repeat, axis=0)[: self.horizon]
            nearest = np.linalg.pinv(curve) @ (commands - middle) + middle
        return self.clip(torch.as_tensor(nearest, dtype=self.low.dtype, device=self.low.device))


def shift(commands: NDArray[np.float64], steps: int, horizon: int, fill: NDArray[np.float64]) -> NDArray[np.float64]:
    """Commands (H, A) as they look `steps` control steps later: (horizon, A), the unknown end filled with
    (A,).
    """
    shifted = np.repeat(np.asarray(fill, dtype=np.float64)[None], horizon, axis=0)
    rest = commands[steps : steps + horizon]
    shifted[: len(rest)] = rest
    return shifted
