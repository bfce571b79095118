"""A controller in the shape of LeRobot's policies: `reset`, `select_action`, `predict_action_chunk`.

LeRobot's loop calls `select_action(batch)` at a robot's frame rate and sends what comes back to its motors. Here that
is joint positions from a `Controller`, within the robot's limits, at the policy's own clock, which moves on by one
frame with every call. The library itself is not needed.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from forearm.common import checks
from forearm.control.controller import Controller
from forearm.errors import InputError

ROUNDING = 1e-2
"""By which a frame in [0, 1] may lie beyond: bfloat16, and filters that overshoot."""


class LeRobotPolicy:
    """Joint positions for batches of one observation.

    Args:
        controller: in mode `inline`, so that plans are made at the policy's clock.
        fps: calls of `select_action` a second.
        goal: what is to be reached, a frame (R, R, 3) uint8.
        image_key, state_key: where a batch has frames (1, 3, R, R) in [0, 1] or uint8, and joint readings (1, P).
        chunk: actions that `predict_action_chunk` returns.

    Raises ValueError for a frame rate or chunk that is not positive, and for frames further apart than the arm's time
    goes on without being asked (`Timing.max_gap`).
    """

    def __init__(
        self,
        controller: Controller,
        fps: float,
        goal: Any,
        *,
        image_key: str = "observation.images.front",
        state_key: str = "observation.state",
        chunk: int = 10,
    ) -> None:
        if controller.mode != "inline":
            raise InputError(f"the controller's mode is '{controller.mode}': expected inline")
        checks.real("fps", fps, above=0.0)
        checks.integer("chunk", chunk, 1)
        if 1.0 / fps > controller.timing.max_gap + 1e-6:
            raise InputError(f"at fps={fps:g} calls are further apart than max_gap={controller.timing.max_gap:g} s")
        self.controller, self.fps, self.goal, self.chunk = controller, fps, goal, chunk
        self.image_key, self.state_key = image_key, state_key
        self._frames = 0
        self.reset()

    def reset(self, goal: Any = None) -> None:
        """Begin an episode, with another goal if one is given; the arm may have been put elsewhere since the last."""
        self.goal = self.goal if goal is None else goal
        self.controller.reset(self.goal, moved=True)

    def select_action(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Where the arm's axes shall be now, (1, D) float32.

        Raises ValueError for a batch of more than one, or what is no such batch, and RuntimeError where it is not known
        where the arm is.
        """
        time = self._frames / self.fps
        self._frames += 1
        command = self.controller.act({**self._observation(batch), "time": time}, time)
        if command.positions is None:
            raise RuntimeError(f"nothing can be sent to the arm: {command.reason}")
        gripper = [] if command.gripper is None else [command.gripper]
        return torch.as_tensor(np.append(command.positions, gripper), dtype=torch.float32)[None]

    def predict_action_chunk(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Where the arm's axes shall be now and in the following frames, (1, chunk, D) float32; raises as above."""
        first = self.select_action(batch)
        seconds = np.arange(1, self.chunk) / self.fps
        return torch.cat([first[:, None], torch.as_tensor(self.controller.preview(seconds))[None].float()], dim=1)

    def _observation(self, batch: Mapping[str, Tensor]) -> dict[str, Any]:
        image, state = (
            self._one(batch, key, dimensions) for key, dimensions in ((self.image_key, 4), (self.state_key, 2))
        )
        if image.is_floating_point():
            if not bool(((image >= -ROUNDING) & (image <= 1.0 + ROUNDING)).all()):  # nor where one is NaN
                raise InputError(f"'{self.image_key}' is not between 0 and 1: give frames as LeRobot has them")
            image = (image * 255.0).round().clamp(0, 255).to(torch.uint8)
        return {"pixels": np.ascontiguousarray(image.permute(1, 2, 0).numpy()), "proprio": state.double().numpy()}

    def _one(self, batch: Mapping[str, Tensor], key: str, dimensions: int) -> Tensor:
        """What a batch of one holds, without the batch's dimension."""
        if key not in batch:
            raise InputError(f"the batch has no '{key}': it has {', '.join(sorted(map(str, batch)))}")
        found = batch[key]
        if not isinstance(found, Tensor) or found.ndim != dimensions:
            shape = tuple(getattr(found, "shape", ()))
            raise InputError(f"'{key}' is {type(found).__name__} {shape}: expected a tensor of {dimensions} dimensions")
        if len(found) != 1:
            raise InputError(f"one arm, but a batch of {len(found)}: expected (1, ...) as '{key}'")
        return found[0].detach().cpu()
