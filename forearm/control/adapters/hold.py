"""How an arm is held still, for whoever plans or runs episodes: as the adapter that a config chooses says."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from forearm.agent.action_spec import ActionSpec
from forearm.control.action_adapter import ActionAdapter, holding
from forearm.control.adapters.choice import make_adapter
from forearm.control.robots.robot import Robot
from forearm.errors import InputError


@dataclass(frozen=True, eq=False)
class AdapterHold:
    """A `forearm.agent.action_spec.Holding` of configs alone, which other processes can be sent.

    `robot` is a config as in configs/robot, `adapter` as `AdapterConfig` has it.
    """

    robot: Mapping[str, Any]
    adapter: Mapping[str, Any]
    _made: dict[bytes, ActionAdapter] = field(default_factory=dict, repr=False)

    def __call__(self, actions: ActionSpec, observation: Mapping[str, Any]) -> np.ndarray | None:
        """See `Holding`."""
        key = np.concatenate([actions.low, actions.high, [actions.period]]).astype(np.float64).tobytes()
        if key not in self._made:
            self._made[key] = make_adapter(self.adapter, Robot(self.robot), actions)
        adapter = self._made[key]
        try:
            position = adapter.read(observation)
        except InputError:  # a picture alone does not tell
            return None
        return holding(adapter, position)

    @property
    def document(self) -> dict[str, Any]:
        """See `Holding`."""
        return {"robot": dict(self.robot), "adapter": dict(self.adapter)}

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_made": {}}


def hold_of(robot: Mapping[str, Any], task: Mapping[str, Any]) -> AdapterHold | None:
    """What the configs of a robot and a task say; None where neither chooses an adapter."""
    adapter = task.get("adapter") or robot.get("adapter")
    return None if adapter is None else AdapterHold(robot, adapter)
