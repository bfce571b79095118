"""Holding still in OGBench, where a command of zero does not.

Its commands are displacements from the hand's present pose. The servos carry the arm's weight by lagging behind, so
that a command of zero makes the sagging pose the next target, and the hand sinks, step by step.
"""

from typing import Any

import numpy as np

from forearm.envs.contract import Array


class Hold:
    """Asks for one and the same pose for ever: the hand's own when this was made.

    The hand then sags once, by 3 to 7 mm. Fingers that touch something go on pressing as they did; others stay.

    Args:
        inner: the benchmark's own environment.
    """

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        place, yaw, opening = self._pose()
        if float(self._inner.compute_ob_info()["proprio/gripper_contact"][0]) > 0:
            opening = float(inner.data.ctrl[self._inner._gripper_actuator_ids][0]) / 255.0
        self._place, self._yaw, self._opening = place, yaw, opening

    def act(self) -> Array:
        """(5,) action in [-1, 1]: from where the hand is to where it was."""
        place, yaw, opening = self._pose()
        turn = (self._yaw - yaw + np.pi) % (2 * np.pi) - np.pi
        displacement = np.array([*(self._place - place), turn, self._opening - opening])
        return np.clip(displacement / self._inner.action_high, -1.0, 1.0)

    def _pose(self) -> tuple[Array, float, float]:
        """The hand's place (3,) in m, its yaw (rad) and how far it is closed, 0 to 1."""
        told = self._inner.compute_ob_info()
        return (
            told["proprio/effector_pos"],
            float(told["proprio/effector_yaw"][0]),
            float(told["proprio/gripper_opening"][0]),
        )
