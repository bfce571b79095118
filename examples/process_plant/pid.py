"""What people use: a PI controller for each of the two set points, feed for c_B and cooling for T_R."""

from typing import Protocol

import numpy as np

from process_plant.reactor import HIGH, LOW, STEP, Array


class Controlled(Protocol):
    """What a controller is told of a plant."""

    goal: Array

    def proprio(self) -> Array:
        """(3,) readings."""
        ...

    def rest(self) -> Array:
        """(2,) commands in force."""
        ...


class Pid:
    """Two PI controllers that begin where the plant stands; integrals rest while a command is at its bound.

    Gains and times are the best of 60 drawn at random, on set points that nothing is judged on.

    Args:
        plant: what they see and move.
        gains: (2,) proportional, 1/h per mol/l and kJ/h per K.
        times: (2,) integral times in h.
    """

    def __init__(
        self,
        plant: Controlled,
        gains: tuple[float, float] = (37.0, 2600.0),
        times: tuple[float, float] = (0.022, 0.032),
    ) -> None:
        self.plant, self.gains, self.times = plant, np.array(gains), np.array(times)
        self.base, self.sum = plant.rest(), np.zeros(2)
        self.seen = plant.goal.copy()

    def act(self) -> Array:
        """(2,) the commands for the next step."""
        readings = self.plant.proprio()[:2]
        self.seen = np.where(np.isnan(readings), self.seen, readings)
        error = self.plant.goal - self.seen
        wanted = self.base + self.gains * (error + (self.sum + error * STEP) / self.times)
        inside = (wanted > LOW) & (wanted < HIGH)
        self.sum = np.where(inside, self.sum + error * STEP, self.sum)
        return np.clip(wanted, LOW, HIGH)
