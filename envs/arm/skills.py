"""Skills of the built-in arm, which may look inside the simulator: what its experts and explorers are made of.

An expert is the task's skill towards the goal, from the true state; an explorer perturbs skills towards random aims.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import numpy as np

from forearm.envs.arm.joints import DISPLACEMENT, OPENING_STEP, ServoCommand
from forearm.envs.arm.tasks import CUBE_HALF, CUBE_HIGH, CUBE_LOW, GRIPPER_OPEN, PUCK_HIGH, PUCK_LOW, PUCK_RADIUS, Task
from forearm.envs.contract import Array
from forearm.envs.exploration import KINDS, STEADY, WANDERING, Segment
from forearm.envs.holding import Still
from forearm.errors import InputError

PUSH_GAP = PUCK_RADIUS + 0.011  # tool centre to puck centre when they touch (m)
ORBIT = PUCK_RADIUS + 0.045  # radius on which the tool goes round the puck (m)


class Arm(Protocol):
    """What a skill looks at: `ArmEnv`."""

    task: Task
    data: Any
    command: ServoCommand
    goal_position: Array

    def ee_position(self) -> Array:
        """(3,) position of the point between the fingertips, in m."""
        ...

    def object_position(self) -> Array:
        """(3,) position of the object's centre in m; NaN for a task without an object."""
        ...


def _towards(env: Arm, target: Array, opening: float = 0.0) -> Array:
    """Action that moves the commanded tool position straight to `target` (3,) m, as fast as the limits allow."""
    way = (np.asarray(target) - env.command.tool) / DISPLACEMENT
    grip = (opening - float(env.command.opening)) / OPENING_STEP
    return np.append(way / max(1.0, float(np.abs(way).max())), np.clip(grip, -1.0, 1.0))


def _reach(env: Arm, goal: Array) -> Array:
    return _towards(env, goal)


def _push(env: Arm, goal: Array) -> Array:
    """Goes round the puck to its far side, then pushes it along the line to `goal`."""
    tool, puck = env.ee_position()[:2], env.object_position()[:2]
    way = goal[:2] - puck
    remaining = float(np.linalg.norm(way))
    height = env.command.tool[2]
    if remaining < 0.008:
        return np.zeros(4)
    direction = way / remaining
    relative = tool - puck
    along = float(relative @ direction)
    lateral = relative - along * direction
    if along < -0.6 * PUCK_RADIUS and np.linalg.norm(lateral) < 0.012:
        ahead = min(remaining, 1.2 * DISPLACEMENT)
        target = puck + direction * (ahead - PUSH_GAP) - 0.5 * lateral
        return _towards(env, np.append(target, height))
    angle = np.arctan2(relative[1], relative[0])
    wanted = np.arctan2(-direction[1], -direction[0])
    turn = (wanted - angle + np.pi) % (2 * np.pi) - np.pi
    angle += np.clip(turn, -0.45, 0.45)
    radius = ORBIT if abs(turn) > 0.25 else PUSH_GAP + 0.008
    return _towards(env, np.append(puck + radius * np.array([np.cos(angle), np.sin(angle)]), height))


def _pick_place(env: Arm, goal: Array) -> Array:
    """Above the cube, down, close, carry over the table, hold at `goal`."""
    tool, cube = env.ee_position(), env.object_position()
    opening = float(env.data.qpos[7:9].mean())
    aside = float(np.linalg.norm(tool[:2] - cube[:2]))
    at_cube = aside < 0.012 and abs(tool[2] - cube[2]) < 0.015
    if at_cube and (opening < CUBE_HALF + 0.003 or float(env.command.opening) < CUBE_HALF):
        if opening > CUBE_HALF + 0.002:
            return np.array([0.0, 0.0, 0.0, -1.0])
        offset = goal - cube
        far = np.linalg.norm(offset[:2]) > 0.04
        waypoint = env.command.tool + offset
        if far and cube[2] < 0.05 and goal[2] < 0.05:
            waypoint[2] = 0.08
        elif far:
            waypoint[2] = max(0.08, env.command.tool[2] + offset[2])
        return _towards(env, waypoint, opening=CUBE_HALF - 0.008)
    if at_cube:
        return np.array([0.0, 0.0, 0.0, -1.0])
    if aside > 0.012:
        safe = max(cube[2] + 0.06, 0.08)
        return _towards(env, np.array([*cube[:2], safe if aside > 0.02 else tool[2]]), GRIPPER_OPEN)
    if opening < CUBE_HALF + 0.008:
        return _towards(env, env.command.tool, GRIPPER_OPEN)
    return _towards(env, cube, GRIPPER_OPEN)


Skill = Callable[[Any, Array], Array]
"""Called with the `ArmEnv` and an aim (3,) in m; gives the action (4,)."""
SKILLS: dict[str, Skill] = {"reach": _reach, "push": _push, "pick_place": _pick_place}


class Pursuit:
    """A skill towards one aim.

    Args:
        env: the environment that is acted in (not stepped here).
        skill: what is done.
        aim: (3,) position in m; null for the goal of the episode, whichever that is.
    """

    def __init__(self, env: Arm, skill: Skill, aim: Array | None = None) -> None:
        self._env, self._skill, self._aim = env, skill, aim

    def act(self) -> Array:
        """(4,) action in [-1, 1]."""
        return self._skill(self._env, self._env.goal_position if self._aim is None else self._aim)


def solution(env: Arm) -> Pursuit:
    """The task's skill towards the goal of the episode; raises ValueError for a task without a skill."""
    if env.task.name not in SKILLS:
        raise InputError(f"task '{env.task.name}' has no scripted expert: register it with a skill")
    return Pursuit(env, SKILLS[env.task.name])


def segment(env: Arm, rng: np.random.Generator) -> Segment:
    """A segment for the explorer: the task's skill or a straight move towards a random aim, noise, or a rest."""
    task = env.task
    kind = str(rng.choice(KINDS, p=(0.6, 0.17, 0.17, 0.06)))
    if kind == "skill" and task.name not in SKILLS:
        kind = "move"
    steps = int({"rest": rng.integers(2, 5), "wander": rng.integers(4, 12)}.get(kind, rng.integers(8, 26)))
    speed, noise = float(rng.uniform(0.5, 1.0)), float(rng.choice([0.05, 0.2, 0.45]))
    opening = float(rng.choice([0.0, GRIPPER_OPEN]))
    aim = rng.uniform(task.low, task.high)
    if kind in ("wander", "rest"):
        return Segment(steps, Still(4), noise=WANDERING * speed if kind == "wander" else 0.0)
    if kind == "move":
        return Segment(steps, Pursuit(env, partial(_towards, opening=opening), aim), speed, noise, STEADY)
    if task.name == "push":
        aim = np.append(rng.uniform(PUCK_LOW - 0.02, PUCK_HIGH + 0.02), task.object_half_height)
    elif task.name == "pick_place":
        height = CUBE_HALF if rng.random() < 0.5 else rng.uniform(0.05, 0.18)
        aim = np.append(rng.uniform(CUBE_LOW, CUBE_HIGH), height)
    return Segment(steps, Pursuit(env, SKILLS[task.name], aim), speed, noise, STEADY)
