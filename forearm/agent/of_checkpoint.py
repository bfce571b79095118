"""What stands on a world model that was read for a task, and gives its parts as its own."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from forearm.agent.action_spec import same_period
from forearm.agent.image_file import as_frame
from forearm.errors import ForearmError

if TYPE_CHECKING:
    from forearm.agent.checkpoint import LoadedCheckpoint
    from forearm.agent.image_file import Frame
    from forearm.agent.sensor_fit import SensorFit
    from forearm.envs import Environment
    from forearm.world_model.data.incoming import FrameFit
    from forearm.world_model.model.jepa import JEPA


class OfCheckpoint(ABC):
    """What stands on a world model that was read for a task, and gives its parts as its own."""

    task: Mapping[str, Any]

    @property
    @abstractmethod
    def checkpoint(self) -> "LoadedCheckpoint":
        """The world model as it was read."""

    @property
    def model(self) -> "JEPA":
        """The world model."""
        return self.checkpoint.model

    @property
    def document(self) -> dict[str, Any]:
        """The description of its checkpoint."""
        return self.checkpoint.document

    @property
    def of_sensors(self) -> bool:
        """Whether the model sees numbers alone, and no frames."""
        return bool(self.model.config.encoder == "sensors")

    @property
    def resolution(self) -> int:
        """Side of the frames that the model expects, in pixels."""
        return int(self.model.config.resolution)

    @property
    def fit(self) -> "FrameFit | SensorFit":
        """What makes frames of any size the model's, as its training did, or readings those that it knows."""
        return self.checkpoint.fit

    def check_commands(self, env: "Environment") -> None:
        """Raise `ForearmError` unless the checkpoint knows commands of the kind and rate that `env` takes."""
        period, size = float(self.document["control_period"]), len(env.action_names)
        differing = []
        if not same_period(period, env.control_period):
            differing.append(f"one command every {1e3 * period:.4g} ms, not every {1e3 * env.control_period:.4g} ms")
        if self.model.config.action_dim != size:
            differing.append(f"commands of {self.model.config.action_dim} numbers, not {size}")
        if self.of_sensors and tuple(self.document["sensors"]["names"]) != tuple(env.state_names):
            known = ", ".join(self.document["sensors"]["names"])
            differing.append(f"sensors {known}, not {', '.join(env.state_names)}")
        if differing:
            raise ForearmError(
                f"checkpoint '{self.task['checkpoint']}' was trained on {' and '.join(differing)} as {env.name} takes "
                f"them: give another {self.task['name']}.checkpoint= or train one"
            )

    def frame(self, frame: "Frame", key: str) -> np.ndarray:
        """A frame (H, W, 3) uint8 of any size, or the file of one, as the model sees it, (R, R, 3); of a model of
        sensors, readings by name or in a row, (P,). Raises `ForearmError` for what is none.
        """
        return as_frame(frame, self.fit, key)

    def goal_frame(self, goal: "np.ndarray | str | Path | Mapping[str, Any]") -> np.ndarray:
        """The same of a goal, which may also be told by places in m, `{"object": [x, y]}`, where they can be drawn.

        Raises what `frame` raises, and `ForearmError` and InputError for places that are none.
        """
        from forearm.agent.places import are_places, goal_of_places

        if self.of_sensors or not are_places(goal):
            return self.frame(goal, "goal")
        assert isinstance(goal, Mapping)
        return goal_of_places(goal, self.task, self.resolution)
