"""The world: a MuJoCo arm, its cameras, tasks, experts and true dynamics. Knows no planner and no model."""

from typing import Any

import gymnasium

from envs.behaviour import SKILLS, Skill, expert, explorer
from envs.env import CAMERAS, ArmEnv
from envs.rendering import RenderingUnavailable, working_backend
from envs.simulator import GeometricObjective, TrueDynamics
from envs.tasks import TASKS, Scene, Task

__all__ = [
    "CAMERAS",
    "TASKS",
    "ArmEnv",
    "GeometricObjective",
    "RenderingUnavailable",
    "Scene",
    "Task",
    "TrueDynamics",
    "expert",
    "explorer",
    "make",
    "register",
    "working_backend",
]


def make(task: str | Task, camera: str = "front", resolution: int = 64) -> ArmEnv:
    """The environment of `task`, without Gymnasium's wrappers; raises ValueError for an unknown task or camera."""
    return ArmEnv(task, camera, resolution)


def register(task: Task, skill: Skill | None = None) -> None:
    """Makes a task known by its name here and by its `env_id` to Gymnasium.

    Args:
        task: yours or a built-in one.
        skill: `skill(env, goal position (3,) m) -> action (4,)`, the expert and what the explorer perturbs. Without
            one the task has no expert, and its explorer makes straight moves and noise.

    Raises:
        ValueError: another task has the same name.
    """
    if TASKS.get(task.name, task) is not task:
        raise ValueError(f"a task named '{task.name}' is already there: give yours another name")
    TASKS[task.name] = task
    if skill is not None:
        SKILLS[task.name] = skill
    keywords: dict[str, Any] = {"task": task.name}
    if task.env_id not in gymnasium.registry:
        gymnasium.register(task.env_id, entry_point="envs.env:ArmEnv", kwargs=keywords)


for _task in tuple(TASKS.values()):
    register(_task)
