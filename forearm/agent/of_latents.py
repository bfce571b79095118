"""Costs of latents, asked about whole states."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    from forearm.planner.problem import Objective


class OfLatents:
    """The cost that an objective gives to the latents, the first D numbers of states (B, K, H', S)."""

    def __init__(self, objective: "Objective", size: int) -> None:
        self._objective, self._size = objective, size

    def cost(self, trajectory: Any, actions: "Tensor") -> Any:
        """(B, K)."""
        return self._objective.cost(trajectory[..., : self._size], actions)

    def residuals(self, trajectory: Any, actions: "Tensor") -> Any:
        """(B, K, R), if the objective has some."""
        from forearm.planner.problem import residuals_of

        return residuals_of(self._objective, trajectory[..., : self._size], actions)

    def curve(self, trajectory: Any, actions: "Tensor") -> Any:
        """(B, K, H'), if the objective has one."""
        curve = getattr(self._objective, "curve", None)
        return None if curve is None else curve(trajectory[..., : self._size], actions)
