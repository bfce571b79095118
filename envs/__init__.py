"""The world: a MuJoCo arm, its cameras, tasks, experts and true dynamics. Knows no planner and no model."""

from typing import Any

import gymnasium

from forearm.envs.arm.env import CAMERAS, ArmEnv
from forearm.envs.arm.skills import SKILLS, Skill
from forearm.envs.arm.tasks import TASKS, Scene, Task
from forearm.envs.benchmarks.catalog import BENCHMARKS
from forearm.envs.contract import Environment, Policy, expert, explorer
from forearm.envs.futures import visit
from forearm.envs.holding import Still
from forearm.envs.mujoco_env import MujocoEnvironment
from forearm.envs.registry import MissingExtra, check_installed, make, names, register_environments
from forearm.envs.rendering import RenderingUnavailable, View, working_backend
from forearm.envs.simulated_env import SimulatedEnvironment
from forearm.envs.true_dynamics import CostToGo, GeometricObjective, StepwiseDynamics, TrueDynamics
from forearm.envs.variation.factors import FACTORS, Variation
from forearm.envs.variation.scene import Parts
from forearm.envs.varied import VariedEnvironment, factors_of
from forearm.errors import InputError

__all__ = [
    "BENCHMARKS",
    "CAMERAS",
    "FACTORS",
    "TASKS",
    "ArmEnv",
    "CostToGo",
    "Environment",
    "GeometricObjective",
    "MissingExtra",
    "MujocoEnvironment",
    "Parts",
    "Policy",
    "RenderingUnavailable",
    "Scene",
    "SimulatedEnvironment",
    "StepwiseDynamics",
    "Still",
    "Task",
    "TrueDynamics",
    "Variation",
    "VariedEnvironment",
    "View",
    "check_installed",
    "expert",
    "explorer",
    "factors_of",
    "make",
    "names",
    "register",
    "register_environments",
    "visit",
    "working_backend",
]


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
        raise InputError(f"a task named '{task.name}' is already there: give yours another name")
    TASKS[task.name] = task
    if skill is not None:
        SKILLS[task.name] = skill
    keywords: dict[str, Any] = {"task": task.name}
    if task.env_id not in gymnasium.registry:
        gymnasium.register(task.env_id, entry_point="forearm.envs.arm.env:ArmEnv", kwargs=keywords)


for _task in tuple(TASKS.values()):
    register(_task)
