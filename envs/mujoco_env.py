"""What every MuJoCo environment needs to keep the contract: states, frames, and what of a scene can be varied.

A benchmark's adapter, or an environment of your own, adds what is particular to it: how an episode starts, what an
action does, what has been achieved, and what counts as success. See `envs/contract.py` for what comes out.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from forearm.envs.backend import mujoco
from forearm.envs.contract import Array, Frame
from forearm.envs.rendering import View
from forearm.envs.simulated_env import SimulatedEnvironment
from forearm.envs.twin import Twin
from forearm.envs.variation.scene import Parts, SceneEdit
from forearm.errors import InputError

PHYSICS = mujoco.mjtState.mjSTATE_INTEGRATION


class MujocoEnvironment(SimulatedEnvironment):
    """A MuJoCo simulation as an `envs.contract.Environment`.

    Args:
        name: of the task.
        model, data: the simulation; both must stay the same objects for good.
        camera: one of `views`; null for the first.
        resolution: side of the frames in pixels, at least 16.
        views: cameras by name: what the model calls them, or free views.
        actions, states: names of the numbers in an action and in `proprio`.
        control_period: seconds from one action to the next.
        max_episode_steps: control steps after which an episode is cut off.
        description: of the task, one sentence.
        flipped: cameras whose picture is upside down in the model.
        hidden: bodies that are not drawn.
        cell, markers, fixed_assets: of the render-only twin, see `Twin`.

    Attributes:
        layout: what of the model is what, so that it can be varied.

    Raises:
        ValueError: unknown camera, or a resolution below 16.
    """

    def __init__(
        self,
        name: str,
        model: mujoco.MjModel,
        data: mujoco.MjData,
        *,
        camera: str | None,
        resolution: int,
        views: Mapping[str, str | View],
        actions: tuple[str, ...],
        states: tuple[str, ...],
        control_period: float,
        max_episode_steps: int,
        description: str,
        flipped: tuple[str, ...] = (),
        hidden: tuple[str, ...] = (),
        cell: float = 0.01,
        markers: bool | None = None,
        fixed_assets: bool = False,
    ) -> None:
        super().__init__(
            name,
            camera=camera,
            resolution=resolution,
            cameras=tuple(views),
            actions=actions,
            states=states,
            control_period=control_period,
            max_episode_steps=max_episode_steps,
            description=description,
        )
        self.model, self.data = model, data
        self.layout = Parts()
        self._twin = Twin(model, data, views, cell, flipped, hidden, markers, fixed_assets)
        self._physics_size = mujoco.mj_stateSize(model, PHYSICS)

    # -- states and frames --------------------------------------------------------------------------------------

    def lagging(self) -> list[NDArray[np.float64]]:
        """Views into `data` that are computed, not state, but that the environment's code reads before it recomputes
        them; a snapshot holds them too.
        """
        return []

    def memory(self) -> Array:
        """What the environment keeps outside of MuJoCo's state and needs for the same future, the goal included."""
        return np.zeros(0)

    def recall(self, memory: Array) -> None:
        """Take back what `memory` gave."""

    def scene_edit(self) -> SceneEdit:
        """What changes the scene as a `Variation` says, and takes that back."""
        return SceneEdit(self.model, self.layout, self._twin, self.camera)

    def render(self, camera: str | None = None, resolution: int | None = None) -> Frame:
        """The present frame (R, R, 3) uint8."""
        return self._twin.render(camera or self.camera, resolution or self.resolution)

    def snapshot(self) -> Array:
        """The full state as one vector: physics, what lags behind it, memory, steps taken."""
        physics = np.empty(self._physics_size)
        mujoco.mj_getState(self.model, self.data, physics, PHYSICS)
        return np.concatenate([physics, *(view.ravel() for view in self.lagging()), self.memory(), [self.steps]])

    def restore(self, snapshot: Array) -> None:
        """Return to a state that `snapshot` described.

        Raises:
            ValueError: the vector has another length than this task's snapshots.
        """
        physics, lagging, memory, steps = self.parts(snapshot)
        mujoco.mj_setState(self.model, self.data, physics, PHYSICS)
        self.recall(memory)
        mujoco.mj_forward(self.model, self.data)
        # Forward dynamics wrote its own solution over the warm start.
        mujoco.mj_setState(self.model, self.data, physics, PHYSICS)
        for view, values in zip(self.lagging(), lagging, strict=True):
            view[...] = values.reshape(view.shape)
        self.steps = steps

    def parts(self, snapshot: Array) -> tuple[Array, list[Array], Array, int]:
        """Physics state, what lags behind it, memory and steps of a snapshot; raises ValueError like `restore`."""
        snapshot = np.asarray(snapshot, dtype=np.float64)
        sizes = [self._physics_size, *(view.size for view in self.lagging()), len(self.memory()), 1]
        if snapshot.shape != (sum(sizes),):
            raise InputError(f"snapshot has shape {snapshot.shape}: task '{self.name}' expects ({sum(sizes)},)")
        physics, *lagging, memory, steps = np.split(snapshot, np.cumsum(sizes)[:-1])
        return physics, lagging, memory, int(steps[0])

    def close(self) -> None:
        """Frees the renderers."""
        self._twin.close()
