"""Readings and goals of a model of sensors, as people give them: by name, or all in a row."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from forearm.errors import InputError, did_you_mean

if TYPE_CHECKING:
    from torch import Tensor

    from forearm.planner.problem import Objective


class SensorFit:
    """Makes (P,) float32 of readings by name or in a row, NaN for what is not given: not measured, or of a goal, open.

    Args:
        names: of the sensors, in the model's order.
        units: of the same, where they are known.
    """

    cameras: tuple[str, ...] = ()
    recorded: tuple[tuple[int, int], ...] = ()

    def __init__(self, names: Sequence[str], units: Sequence[str] | None = None) -> None:
        self.names, self.units = tuple(names), None if units is None else tuple(units)

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "SensorFit":
        """That of a checkpoint, by its description; raises InputError for one that does not tell its sensors."""
        try:
            return cls(list(document["sensors"]["names"]), document["sensors"]["units"])
        except (KeyError, TypeError):
            raise InputError("the checkpoint does not tell its sensors: copy it again, or train it again") from None

    def __call__(self, given: Any, key: str = "readings") -> np.ndarray:
        """The readings; raises InputError for names that are none, another number of them, and none at all."""
        from forearm.world_model.data.moments import readings_of

        if isinstance(given, Mapping):
            for name in given:
                if name not in self.names:
                    raise InputError(f"{key}: no sensor '{name}'{did_you_mean(str(name), self.names)}")
            given = [given.get(name) for name in self.names]
        found = readings_of(given, self.names, key)
        if np.isnan(found).all():
            raise InputError(f"{key}: no sensor is given; expected one at least of {', '.join(self.names)}")
        return found


class OfReadings:
    """The cost that an objective gives to predicted readings, the numbers of states (B, K, H', S) after the first D.

    wanted: (B, P) scaled readings, NaN where any will do; what is open counts as reached.
    """

    def __init__(self, objective: "Objective", size: int, wanted: "Tensor") -> None:
        self._objective, self._size, self._wanted = objective, size, wanted

    def _seen(self, trajectory: Any) -> Any:
        readings, wanted = trajectory[..., self._size :], self._wanted[:, None, None]
        return readings.masked_fill(wanted.isnan(), 0.0)

    def cost(self, trajectory: Any, actions: "Tensor") -> Any:
        """(B, K)."""
        return self._objective.cost(self._seen(trajectory), actions)

    def residuals(self, trajectory: Any, actions: "Tensor") -> Any:
        """(B, K, R), if the objective has some."""
        from forearm.planner.problem import residuals_of

        return residuals_of(self._objective, self._seen(trajectory), actions)

    def curve(self, trajectory: Any, actions: "Tensor") -> Any:
        """(B, K, H'), if the objective has one."""
        curve = getattr(self._objective, "curve", None)
        return None if curve is None else curve(self._seen(trajectory), actions)
