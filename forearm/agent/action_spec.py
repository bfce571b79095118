"""What commands are: their bounds, and how often one is given; and the one place where a `Problem` is put together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from forearm.envs import Environment
    from forearm.planner.problem import Problem, Proposal


@dataclass(frozen=True, eq=False)
class ActionSpec:
    """`low` and `high` (A,) bound every command, and one is given every `period` s."""

    low: np.ndarray
    high: np.ndarray
    period: float

    @classmethod
    def of_checkpoint(cls, document: Mapping[str, Any], dims: int) -> "ActionSpec":
        """Lowest and highest commands that a checkpoint was trained on; -1 and 1 where it says nothing."""
        low = np.asarray(document.get("action_low", np.full(dims, -1.0)), np.float64)
        high = np.asarray(document.get("action_high", np.full(dims, 1.0)), np.float64)
        return cls(low, high, float(document["control_period"]))

    @classmethod
    def of_env(cls, env: "Environment") -> "ActionSpec":
        """What an environment takes."""
        space: Any = env.action_space  # a Box, which Gymnasium's types do not say
        return cls(space.low, space.high, env.control_period)

    def problem(
        self,
        dynamics: Any,
        objective: Any,
        state: Any,
        batch: int,
        proposals: "Sequence[Proposal]" = (),
        device: Any = "cpu",
    ) -> "Problem":
        """The problem of finding such commands for `batch` episodes, searched in float32 on a torch `device`."""
        import torch

        from forearm.planner.problem import Problem

        low, high = (torch.as_tensor(bound, dtype=torch.float32, device=device) for bound in (self.low, self.high))
        return Problem(dynamics, objective, state, low, high, batch, self.period, tuple(proposals))


class Holding(Protocol):
    """What holds an arm still whose commands may be positions: an adapter's answer, where one is chosen.

    document: the configs that it is made of.
    """

    @property
    def document(self) -> dict[str, Any]:
        """See above."""
        ...

    def __call__(self, actions: ActionSpec, observation: Mapping[str, Any]) -> np.ndarray | None:
        """The command (A,) that keeps the arm where an observation shows it; None where that is not to be seen.

        Raises `ForearmError` for commands that the adapter does not take.
        """
        ...


def same_period(one: float, other: float) -> bool:
    """Whether two control periods (s) are meant to be the same."""
    # A data set's frame rate is a whole number, so a period may have been rounded.
    return abs(one - other) <= 0.03 * other
