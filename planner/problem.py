"""What a planner is asked: a model to roll out, a cost to lower, a start, and bounds."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from forearm.errors import InputError
from forearm.planner import checks

if TYPE_CHECKING:
    from forearm.planner.proposals import Proposal


class Dynamics(Protocol):
    """A model of the world: anything that can say what a sequence of commands would lead to."""

    def rollout(self, state: Any, actions: Tensor) -> Any:
        """Predict what `actions` (B, K, H, A) lead to from `state` (B problems, not repeated K times).

        There is one action per control step of the robot; how many of them make one step of the model is
        the model's own business. Returns a trajectory of any type the objective understands: of tensors
        (B, K, H', ...), a state after each command or after every s-th, H' = H / s. The present is not among
        them, and none depends on a later command. To be planned on in batches with the same result as one by
        one, a row of the trajectory must not depend on the other rows, and problems must be rolled out one by
        one: a matrix product, and torch's silu or sigmoid, round by what is beside a number.
        """
        ...


class Objective(Protocol):
    """A cost. An objective may also have `curve(trajectory, actions) -> (B, K, H')`, the cost along the way, and
    `residuals(trajectory, actions) -> (B, K, R)`, whose squares add up to the cost. Either may return None.
    """

    def cost(self, trajectory: Any, actions: Tensor) -> Any:
        """Score a trajectory and its `actions` (B, K, H, A): array-like (B, K), lower is better."""
        ...


@dataclass(frozen=True)
class Problem:
    """B planning problems of one kind, planned together.

    `low` and `high` (A,) bound every command, in the command's own units; their dtype and device are
    those of the search. `state` is handed to `dynamics.rollout` as it is and describes all `batch`
    problems. `control_period` is the time between two commands in seconds. `proposals`, if there are any, provide a
    planner's `prior_share` of the candidates of these problems, instead of the planner's own.

    Raises `ValueError` for bounds that are not finite, not (A,), or crossed, an empty batch, or a control
    period that is not positive.
    """

    dynamics: Dynamics
    objective: Objective
    state: Any
    low: Tensor
    high: Tensor
    batch: int
    control_period: float
    proposals: "tuple[Proposal, ...]" = ()

    def __post_init__(self) -> None:
        """Check, and turn bounds given as lists or arrays into float tensors."""
        low = torch.as_tensor(self.low)
        low = low if low.is_floating_point() else low.to(torch.float32)
        high = torch.as_tensor(self.high, dtype=low.dtype, device=low.device)
        if low.ndim != 1 or low.numel() == 0 or high.shape != low.shape:
            raise InputError(f"low and high must both have shape (A,), got {tuple(low.shape)} and {tuple(high.shape)}")
        if not bool((torch.isfinite(low) & torch.isfinite(high)).all()):
            raise InputError("low and high must be finite: a planner samples between them")
        if bool((low > high).any()):
            raise InputError("low must not be greater than high in any action dimension")
        object.__setattr__(self, "low", low)
        object.__setattr__(self, "high", high)
        object.__setattr__(self, "proposals", tuple(self.proposals))
        object.__setattr__(self, "batch", checks.integer("batch", self.batch, 1))
        object.__setattr__(self, "control_period", checks.real("control_period", self.control_period, above=0.0))
