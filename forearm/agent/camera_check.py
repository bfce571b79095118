"""Whether a picture was taken by the camera that a task is seen by, told from what the task's cameras show.

A file says nothing about its camera, and the latent of a frame from elsewhere may lie well among those of the training
data. What gives it away is the scene: each camera shows it in a way of its own, whatever the arm does.
"""

import logging
from typing import TYPE_CHECKING

import numpy as np

from forearm.errors import ForearmError

if TYPE_CHECKING:
    from forearm.agent.of_checkpoint import OfCheckpoint
    from forearm.envs import Environment

logger = logging.getLogger(__name__)

STARTS, MOMENTS = 6, 3
"""Episodes from which typical frames are taken, and how many from each, a second apart."""
SOFTENING = 10.0
"""Levels of 255 added to how much a pixel varies, so that pixels which never change do not count for everything."""
FACTOR = 1.8
"""How many times nearer to another view a frame must be before it is refused.

One of the right camera is at most 1.5 times nearer to another; of the wrong ones every benchmark's is told (3 times and
more), and about three in four of the built-in arm's, whose two cameras show much the same.
"""
UPRIGHT = 0.3
"""What a view typically shows differs by so much from the same upside down, if there is an up and a down in it: 0.7 and
more with every arm, 0 where the camera looks down on an empty plane.
"""


class Views:
    """What each camera of an environment typically shows.

    Args:
        env: whose cameras are meant; it is reset and moved about.
        camera: one of them, that frames should be of; null: the one that `env` is seen by.
    """

    def __init__(self, env: "Environment", camera: str | None = None) -> None:
        self._name, self._camera, self._cameras = env.name, camera or env.camera, env.cameras
        frames: dict[str, list[np.ndarray]] = {camera: [] for camera in env.cameras}
        for seed in range(STARTS):
            env.reset(seed=seed, options={"goal": False})
            policy = env.explorer(np.random.default_rng(seed))
            for moment in range(MOMENTS):
                for _ in range(round(1 / env.control_period) if moment else 0):
                    env.advance(policy.act())
                for camera in env.cameras:
                    frames[camera].append(env.render(camera).astype(np.float32))
        self._typical = {camera: np.median(shown, axis=0) for camera, shown in frames.items()}
        self._spread = {
            camera: np.abs(np.stack(shown) - self._typical[camera]).mean(0) + SOFTENING
            for camera, shown in frames.items()
        }
        self._upright = self._turned(self._typical[self._camera]) > UPRIGHT

    def check(self, frame: np.ndarray, key: str) -> None:
        """Raise `ForearmError` if a `frame` (R, R, 3) uint8 is far more like another camera's, or upside down.

        `key` names it in the message. A frame that is like nothing here at all passes: a new object, or a new light, is
        no wrong camera.
        """
        own = self._difference(frame, self._camera)
        others = {camera: self._difference(frame, camera) for camera in self._cameras if camera != self._camera}
        turned = self._turned(frame)
        nearest = min(others, key=lambda camera: others[camera]) if others else None
        if nearest is not None and FACTOR * others[nearest] < own and others[nearest] <= turned:
            raise ForearmError(
                f"{key} looks like camera '{nearest}' of {self._name}, not like '{self._camera}', which the checkpoint "
                f"knows: give a frame of '{self._camera}'"
            )
        if self._upright and FACTOR * turned < own:
            raise ForearmError(
                f"{key} looks upside down for camera '{self._camera}' of {self._name}: turn it, first row at the top"
            )

    def _turned(self, frame: np.ndarray) -> float:
        return min(self._difference(other, self._camera) for other in (frame[::-1], frame[::-1, ::-1]))

    def _difference(self, frame: np.ndarray, camera: str) -> float:
        """Mean difference from what `camera` shows, in units of how much that varies."""
        return float(np.mean(np.abs(frame - self._typical[camera]) / self._spread[camera]))


def views_for(loaded: "OfCheckpoint") -> Views | None:
    """What the cameras of the task show that a world model was made for, in the frames that it takes.

    None where that cannot be said here: a task without a simulator, a camera that it does not have, a benchmark that is
    not installed, no GL back end. Takes 0.2 to 3 s, most of it for building the simulator.
    """
    from forearm import envs

    name, camera = str(loaded.task["name"]), str(loaded.document.get("camera", "")).rpartition(".")[2]
    if name not in envs.names() or len(loaded.fit.cameras) > 1:
        return None
    try:
        envs.working_backend()
        env = envs.make(name, None, loaded.resolution)
        try:
            return Views(env, camera) if camera in env.cameras else None
        finally:
            env.close()
    except (envs.MissingExtra, envs.RenderingUnavailable) as error:
        logger.info("whether goals are of camera '%s' of %s is not checked: %s", camera, name, error)
        return None
