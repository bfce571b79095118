"""Where the hand is in a frame, and where a plan commands it to go; for pictures of plans, never for
planning.
"""

from typing import TYPE_CHECKING, Any

import mujoco
import numpy as np

from envs import kinematics
from envs.arm import Command, next_command

if TYPE_CHECKING:
    from envs import ArmEnv

GRID = (9, 9, 6)
REFINEMENTS = 3


def find_hand(env: "ArmEnv", frame: np.ndarray) -> np.ndarray:
    """Position (3,) of the hand in metres in a `frame` (R, R, 3) uint8 of this environment's camera.

    Renders the arm on a grid of places in the task's workspace, keeps the one that differs least from the
    frame, and repeats on a finer grid around it. The environment's state is changed.
    """
    low, high = np.array(env.task.low, np.float64), np.array(env.task.high, np.float64)
    env.reset(seed=0)
    if env.task.has_object:
        env.data.qpos[9:12] = [0.0, 0.0, -2.0]  # under the table: the object's place must not draw the hand
    wanted = frame.astype(np.int32)
    best, spacing = (low + high) / 2, high - low
    for round_ in range(1 + REFINEMENTS):
        counts = GRID if round_ == 0 else (5, 5, 5)
        reach = spacing / 2 if round_ == 0 else spacing
        axes = [
            np.linspace(c - r, c + r, n if r > 0 else 1) for c, r, n in zip(best, reach, counts, strict=True)
        ]
        places = np.clip(np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3), low, high)
        errors = [
            int(np.abs(_drawn(env, joints).astype(np.int32) - wanted).sum()) for joints in _joints(places)
        ]
        best = places[int(np.argmin(errors))]
        spacing = np.array([axis[1] - axis[0] if len(axis) > 1 else 0.0 for axis in axes])
    return best


def readings_at_rest(env: "ArmEnv", hand: np.ndarray) -> np.ndarray:
    """Joint readings (15,) of an arm that rests with its hand at (3,) m, gripper as after a reset."""
    opening = float(env.data.qpos[7:9].mean())
    return np.concatenate([_joints(hand[None])[0], np.zeros(7), [opening]]).astype(np.float32)


def commanded_path(task: Any, hand: np.ndarray, actions: np.ndarray) -> np.ndarray:
    """Hand positions (H + 1, 3) in metres that `actions` (H, 4) command, from `hand` (3,) on.

    This is what the plan asks for, workspace and joint speeds respected; what the arm does on contact may
    differ.
    """
    command = Command(np.asarray(hand, np.float64), np.array(0.0), _joints(np.asarray(hand)[None])[0])
    path = [command.tool]
    for action in actions:
        command = next_command(task, command, action)
        path.append(command.tool)
    return np.stack(path)


def _joints(places: np.ndarray) -> np.ndarray:
    """Joint positions (N, 7) that put the hand at `places` (N, 3)."""
    return kinematics.inverse(places, kinematics.HOME, iterations=40)


def _drawn(env: "ArmEnv", joints: np.ndarray) -> np.ndarray:
    env.data.qpos[:7] = joints
    mujoco.mj_kinematics(env.model, env.data)
    mujoco.mj_camlight(env.model, env.data)
    return env.render()
