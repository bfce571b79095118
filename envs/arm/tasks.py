"""What each task asks for: where episodes start, where they must end, and when they have succeeded.

A scene is everything a task chooses: tool, gripper, object. Lengths in metres, angles in radians, z = 0 is the table.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

PUCK_RADIUS, PUCK_HALF_HEIGHT = 0.04, 0.02
CUBE_HALF = 0.02
GRIPPER_OPEN = 0.04  # finger travel when fully open (m)

_FREE_BODY = """
<body name="object" pos="0.5 0 {height}">
  <freejoint name="object"/>
  <geom name="object" class="touch" {shape} rgba="0.95 0.35 0.1 1"/>
</body>"""
_PUCK = (
    f'type="cylinder" size="{PUCK_RADIUS} {PUCK_HALF_HEIGHT}" mass="0.25" '
    'friction="0.7 0.01 0.001" condim="4" priority="1"'
)
_CUBE = f'type="box" size="{CUBE_HALF} {CUBE_HALF} {CUBE_HALF}" mass="0.06" friction="1 0.01 0.001" condim="4"'


@dataclass(frozen=True)
class Scene:
    """A state at rest: tool position (3,), finger opening in m, object position (3,) and yaw (None: no object)."""

    tool: Array
    opening: float = 0.0
    object_position: Array | None = None
    object_yaw: float = 0.0


@dataclass(frozen=True)
class Task:
    """A manipulation task with an image as its goal.

    Attributes:
        measured: whose position must match the goal's: the tool's or the object's.
        success_radius: largest distance to the goal position that counts as success, in m.
        low, high: (3,) box in m that the commanded tool position cannot leave.
        gripper: whether the fourth action moves the fingers; otherwise they stay closed.
        max_episode_steps: control steps (at 10 Hz) after which an episode is cut off.
        object_shape: MJCF attributes of the object's geom; empty for a task without an object.
        sampler: draws a start and a goal scene, unsolved at the start.
    """

    name: str
    env_id: str
    description: str
    measured: Literal["tool", "object"]
    success_radius: float
    low: tuple[float, float, float]
    high: tuple[float, float, float]
    sampler: "Sampler"
    gripper: bool = False
    max_episode_steps: int = 50
    object_shape: str = ""
    object_half_height: float = 0.0

    @property
    def has_object(self) -> bool:
        """Whether an object lies on the table."""
        return bool(self.object_shape)

    def objects_xml(self) -> str:
        """MJCF of the task's own bodies."""
        return _FREE_BODY.format(height=self.object_half_height, shape=self.object_shape) if self.has_object else ""

    def sample(self, rng: np.random.Generator) -> tuple[Scene, Scene]:
        """A start and a goal scene, unsolved at the start."""
        return self.sampler(self, rng)


Sampler = Callable[[Task, np.random.Generator], tuple[Scene, Scene]]


def _sample_reach(task: Task, rng: np.random.Generator) -> tuple[Scene, Scene]:
    low, high = np.array(task.low), np.array(task.high)
    start = rng.uniform(low, high)
    while True:
        goal = rng.uniform(low, high)
        if np.linalg.norm(goal - start) >= 0.12:
            return Scene(start), Scene(goal)


PUCK_LOW, PUCK_HIGH = np.array([0.41, -0.15]), np.array([0.60, 0.15])  # where pucks start and must go (m)
PUSH_DISTANCE = (0.07, 0.20)  # start to goal of the puck (m)


def _sample_push(task: Task, rng: np.random.Generator) -> tuple[Scene, Scene]:
    low, high = np.array(task.low), np.array(task.high)
    while True:
        puck, goal = (rng.uniform(PUCK_LOW, PUCK_HIGH) for _ in range(2))
        tool = rng.uniform(low, high)
        way = goal - puck
        distance = float(np.linalg.norm(way))
        # The goal picture shows how a push ends: the tool just behind the puck, on the line it came along.
        behind = goal - way / max(distance, 1e-9) * (PUCK_RADIUS + 0.02)
        inside = np.all(behind >= low[:2]) and np.all(behind <= high[:2])
        if inside and PUSH_DISTANCE[0] <= distance <= PUSH_DISTANCE[1] and np.linalg.norm(tool[:2] - puck) >= 0.08:
            z = task.object_half_height
            return (
                Scene(tool, object_position=np.array([*puck, z])),
                Scene(np.array([*behind, tool[2]]), object_position=np.array([*goal, z])),
            )


CUBE_LOW, CUBE_HIGH = np.array([0.40, -0.16]), np.array([0.60, 0.16])


def _sample_pick_place(task: Task, rng: np.random.Generator) -> tuple[Scene, Scene]:
    low, high = np.array(task.low), np.array(task.high)
    while True:
        cube, goal = (rng.uniform(CUBE_LOW, CUBE_HIGH) for _ in range(2))
        height = CUBE_HALF if rng.random() < 0.5 else rng.uniform(0.06, 0.16)
        tool = np.array([*rng.uniform(low[:2], high[:2]), rng.uniform(0.10, 0.20)])
        target = np.array([*goal, height])
        if np.linalg.norm(target - [*cube, CUBE_HALF]) >= 0.08:
            grip = CUBE_HALF - 0.001
            return (
                Scene(tool, GRIPPER_OPEN, np.array([*cube, CUBE_HALF])),
                Scene(target, grip, target),
            )


TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        Task(
            name="reach",
            env_id="forearm/Reach-v0",
            description="Bring the tool to where the goal image shows it: within 3 cm, from at least 12 cm away.",
            measured="tool",
            success_radius=0.03,
            sampler=_sample_reach,
            max_episode_steps=30,
            low=(0.36, -0.22, 0.03),
            high=(0.66, 0.22, 0.20),
        ),
        Task(
            name="push",
            env_id="forearm/Push-v0",
            description="Push the puck to where the goal image shows it: within 4 cm, from 7 to 20 cm away. "
            "The tool stays 2 cm above the table.",
            measured="object",
            success_radius=0.04,
            sampler=_sample_push,
            low=(0.33, -0.24, 0.02),
            high=(0.68, 0.24, 0.02),
            object_shape=_PUCK,
            object_half_height=PUCK_HALF_HEIGHT,
        ),
        Task(
            name="pick_place",
            env_id="forearm/PickPlace-v0",
            description="Bring the cube to where the goal image shows it, on the table or in the air: within 4 cm, "
            "from at least 8 cm away.",
            measured="object",
            success_radius=0.04,
            sampler=_sample_pick_place,
            low=(0.34, -0.22, 0.015),
            high=(0.66, 0.22, 0.28),
            gripper=True,
            max_episode_steps=80,
            object_shape=_CUBE,
            object_half_height=CUBE_HALF,
        ),
    )
}
