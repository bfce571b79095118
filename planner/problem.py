"""What a planner is asked: a model to roll out, a cost to lower, a start, and bounds."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from forearm.common import checks
from forearm.errors import InputError
from forearm.planner.sampling.action_space import ActionSpace
from forearm.planner.sampling.noise import Noise


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
class Past:
    """What the previous plans left, shifted to now, as search variables.

    `mean` (B, V, A): where their searches ended. `best` (B, V, A): what they would have had done. `known` (B,):
    where there was a plan; elsewhere both are the middle of the bounds. `elites` (B, E, V, A) are the candidates
    they handed on, best first, where `elites_known` (B, E).
    """

    mean: Tensor
    best: Tensor
    known: Tensor
    elites: Tensor
    elites_known: Tensor


class Proposal(Protocol):
    """A source of candidates."""

    def sample(self, problem: "Problem", space: ActionSpace, past: Past, noise: Noise, count: int) -> Tensor:
        """`count` candidates per problem, (B, count, V, A); they need not keep the bounds.

        Row b depends on problem b and row b of the `noise` only. Who thinks in commands (..., H, A) turns them with
        `space.from_commands`.
        """
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
    proposals: tuple[Proposal, ...] = ()

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


def as_tensor(values: Any, device: torch.device) -> Tensor:
    """Whatever a model returned, as a tensor on `device`; arrays may be read-only or have negative
    strides.
    """
    if not isinstance(values, Tensor):
        array = np.asarray(values)
        if not array.flags.writeable or min(array.strides, default=0) < 0:
            array = array.copy()
        values = torch.from_numpy(array)
    return values.to(device)


def residuals_of(objective: Objective, trajectory: Any, commands: Tensor) -> Tensor | None:
    """Residuals (B, K, R) whose squares add up to the cost, if the objective can tell; else None.

    Raises `ValueError` when it returns anything else.
    """
    residuals = getattr(objective, "residuals", None)
    values = None if residuals is None else residuals(trajectory, commands)
    if values is None:
        return None
    values = as_tensor(values, commands.device)
    if values.ndim != 3 or values.shape[:2] != commands.shape[:2]:
        raise InputError(
            f"objective.residuals returned shape {tuple(values.shape)}; expected (B, K, R), "
            f"(B, K) = {tuple(commands.shape[:2])}"
        )
    return values
