"""The world: a MuJoCo arm, its cameras, tasks, experts and true dynamics. Knows no planner and no model."""

from typing import Any

import gymnasium

from envs.behaviour import expert, explorer
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
    "working_backend",
]


def make(task: str | Task, camera: str = "front", resolution: int = 64) -> ArmEnv:
    """The environment of `task`, without Gymnasium's wrappers; raises ValueError for an unknown task or camera."""
    return ArmEnv(task, camera, resolution)


def _register() -> None:
    for task in TASKS.values():
        if task.env_id not in gymnasium.registry:
            keywords: dict[str, Any] = {"task": task.name}
            gymnasium.register(task.env_id, entry_point="envs.env:ArmEnv", kwargs=keywords)


_register()
