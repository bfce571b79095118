"""The contract between the world and whoever acts in it: what an environment offers, whoever wrote it.

`ArmEnv` keeps it, the benchmark adapters keep it, and an environment of your own that keeps it can be collected from,
trained on, planned in and compared like them. `envs.mujoco_env.MujocoEnvironment` supplies nearly all of it for
anything that MuJoCo simulates, and `envs.simulated_env.SimulatedEnvironment` the loop for whatever else does.
"""

from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Frame = NDArray[np.uint8]


class Policy(Protocol):
    """Anything that says what to do next from the environment's present state."""

    def act(self) -> Array:
        """(A,) action in [-1, 1]."""
        ...


@runtime_checkable
class Environment(Protocol):
    """A manipulation task seen through one fixed camera, with an image as its goal.

    It may also have `hold() -> Policy`, which keeps the arm where it is when that is called; without it a command of
    zero is taken to do so. With `rest() -> Array | None`, it says which action asks for where the arm is now.

    It may have `goal_state(tool=None, object=None, start=None) -> Array`, the snapshot of a state in which tool and
    object are at these places, [x, y, z] or [x, y] in m, and the goal is in force; `start` is where the object comes
    from. It raises `InputError` for places that cannot be. Without it, goals can only be told by pictures.

    Attributes:
        name: of the task, such as `push` or `ogbench/cube-single`.
        description: of the task, one sentence.
        camera, cameras: the camera in use, and all there are.
        resolution: side of the frames in pixels.
        control_period: seconds from one action to the next.
        max_episode_steps: control steps after which an episode is cut off.
        action_names, state_names: of the numbers in an action and in `proprio`.
        steps: control steps since the reset.
    """

    name: str
    description: str
    camera: str
    cameras: tuple[str, ...]
    resolution: int
    control_period: float
    max_episode_steps: int
    action_names: tuple[str, ...]
    state_names: tuple[str, ...]
    steps: int

    @property
    def action_space(self) -> Any:
        """A Gymnasium Box, [-1, 1]^A."""
        ...

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """A start and a goal, functions of `seed` and `options` alone.

        Options that every environment understands: `start_state` and `goal_state`, snapshots to start from and to
        reach; `goal: False`, which leaves the goal image out where making it is slow. Others are the benchmark's own.

        Returns:
            observation (`pixels` (R, R, 3) uint8, `proprio` (P,) float32), and info with `goal` (R, R, 3) uint8,
            `goal_state` (its snapshot), `distance_m` and `success`.
        """
        ...

    def step(self, action: NDArray[np.floating]) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """One control step: observation, minus the distance, success, cut off, info (`distance_m`, `success`)."""
        ...

    def advance(self, action: NDArray[np.floating]) -> None:
        """One control step that nobody looks at: what `step` does to the state, without a frame."""
        ...

    def observe(self) -> dict[str, Any]:
        """The observation of the present state."""
        ...

    def render(self, camera: str | None = None, resolution: int | None = None) -> Frame:
        """The present frame (R, R, 3) uint8; another camera or resolution on request."""
        ...

    def snapshot(self) -> Array:
        """(S,) the full state, goal included; the future after `restore` is the same to the bit, on one processor."""
        ...

    def restore(self, snapshot: Array) -> None:
        """Return to a state; raises ValueError for a vector that is no snapshot of this task."""
        ...

    def distance(self) -> float:
        """How far from the goal, in metres; 0 is there."""
        ...

    def success(self) -> bool:
        """The benchmark's own criterion, now."""
        ...

    def cost(self) -> float:
        """What a planner on true dynamics minimises: the distance, plus a small pull of the hand to the object."""
        ...

    def positions(self) -> dict[str, Array]:
        """True positions (3,) in metres by name: `ee_position`, and `object_position` where there is an object."""
        ...

    def pose_error(self) -> tuple[float, float] | None:
        """Largest distance (m) and turn (rad, modulo the object's symmetries) of an object from its goal pose; None
        where the task has no such thing.
        """
        ...

    def expert(self, rng: np.random.Generator) -> Policy:
        """A policy that solves the task and may look inside; raises ValueError for a task that has none."""
        ...

    def explorer(self, rng: np.random.Generator) -> Policy:
        """A policy whose data cover contact, misses and recoveries as well as success."""
        ...

    def close(self) -> None:
        """Free the renderers."""
        ...


def expert(env: Environment, rng: np.random.Generator | None = None) -> Policy:
    """The scripted expert of the environment's task; raises ValueError for a task without one."""
    return env.expert(np.random.default_rng(0) if rng is None else rng)


def explorer(env: Environment, rng: np.random.Generator) -> Policy:
    """The exploratory behaviour policy of the environment's task."""
    return env.explorer(rng)
