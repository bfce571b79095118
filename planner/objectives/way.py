"""A learned cost of the whole way that a model predicts, not of single states on it."""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from forearm.common import checks
from forearm.errors import InputError
from forearm.planner.problem import as_tensor
from forearm.planner.sampling.apart import alone, together


class WayValue:
    """What a function says of the first `steps` predicted latents of each candidate, given what is `known` of the
    problem.

    `function(ways, *known)` maps (K, M, D) and, of each tensor (B, ...) in `known`, (K, ...) to (K,), lower is better;
    it is called once per problem, so that results do not depend on the batch.
    """

    def __init__(self, function: Callable[..., Any], steps: int, known: tuple[Tensor, ...] = ()) -> None:
        self.function, self.known = function, known
        self.steps = checks.integer("steps", steps, 1)

    def cost(self, trajectory: Any, actions: Tensor) -> Tensor:
        """(B, K) of a trajectory (B, K, H', D); `ValueError` for one of fewer steps, or of other problems."""
        latents = as_tensor(trajectory, actions.device)
        if latents.ndim != 4 or latents.shape[2] < self.steps:
            raise InputError(f"trajectory has shape {tuple(latents.shape)}; expected (B, K, {self.steps} or more, D)")
        if any(len(value) != len(latents) for value in self.known):
            raise InputError(f"trajectory is of {len(latents)} problems, not of {[len(value) for value in self.known]}")
        rows = []
        for b in range(len(latents)):
            ways = alone(latents, b)[:, : self.steps]
            known = (alone(value, b).expand(len(ways), *value.shape[1:]) for value in self.known)
            values = as_tensor(self.function(ways, *known), actions.device)
            if values.shape != ways.shape[:1]:
                raise InputError(
                    f"the value of ways has shape {tuple(values.shape)}; expected one number for each of the "
                    f"{len(ways)} candidates"
                )
            rows.append(values)
        return together(rows)
