"""Commands that say where joints shall be, how far they shall move, or how fast."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from forearm.agent.action_spec import ActionSpec
from forearm.control.adapters.readings import ConfiguredAdapter
from forearm.control.trajectories.trajectory import Array

if TYPE_CHECKING:
    from forearm.control.robots.robot import Robot


class JointAdapter(ConfiguredAdapter):
    """An `ActionAdapter` for `joint_position`, `joint_displacement` and `joint_velocity`; see `ConfiguredAdapter`.

    Joints that no number is for stay where they are. A displacement is from where the joint was told to be last.
    """

    def __init__(
        self, robot: "Robot", actions: ActionSpec, config: Mapping[str, Any], names: Sequence[str] | None = None
    ) -> None:
        axes, kind = robot.axis_names, str(config["kind"])
        known = dict(zip(axes, robot.limits.units, strict=True))
        super().__init__(robot, actions, config, known, axes, axes if kind == "joint_position" else (), names)
        self._index = np.array([list(axes).index(name) for name in self.numbers])
        self._seconds = np.where(self.absolute | (kind != "joint_velocity"), 1.0, self.period)

    def targets(self, start: Array, actions: Array) -> Array:
        """See `ActionAdapter`; within the position limits, and no faster than the velocity limits."""
        here, index = np.array(start, np.float64), self._index
        found = np.empty((len(actions), len(here)))
        for i, asked in enumerate(self._asked(actions) * self._seconds):
            wanted = here.copy()
            wanted[index] = np.where(self.absolute, asked, here[index] + asked)
            found[i] = here = self._near(wanted, here)
        return found

    def actions(self, path: Array) -> Array:
        """See `ActionAdapter`; positions are those at the end of each period."""
        path = np.asarray(path, np.float64)[:, self._index]
        return self._told(np.where(self.absolute, path[1:], np.diff(path, axis=0)) / self._seconds)
