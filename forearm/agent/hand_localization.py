"""Where the hand is in a frame, and where a plan commands it to go; for pictures of plans, never for
planning.
"""

from typing import TYPE_CHECKING, Any

import mujoco
import numpy as np

from forearm.envs.arm import kinematics
from forearm.envs.arm.joints import ServoCommand, next_command

if TYPE_CHECKING:
    from forearm.envs import ArmEnv

GRID = (10, 10, 7)
FINER = 5
CANDIDATES = 4
NEGLIGIBLE = 0.1
"""Mean difference of two frames, in levels of 255, below which they show the same arm."""


def find_hand(env: "ArmEnv", frame: np.ndarray) -> np.ndarray:
    """Position (3,) of the hand in metres in a `frame` (R, R, 3) uint8 of this environment's camera.

    Renders the arm on a grid of places in the task's workspace, keeps those that differ least from the frame,
    and repeats on finer grids around them, with ever sharper pictures. Changes the environment's state.
    """
    low, high = np.array(env.task.low, np.float64), np.array(env.task.high, np.float64)
    env.reset(seed=0)
    if env.task.has_object:
        env.data.qpos[9:12] = [0.0, 0.0, -2.0]  # under the table: the object's place must not draw the hand
    ranges = zip(low, high, GRID, strict=True)
    axes = [np.linspace(a, b, n) if b > a else np.array([a]) for a, b, n in ranges]
    places = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)
    spacing = np.array([axis[1] - axis[0] if len(axis) > 1 else 0.0 for axis in axes])
    for blur in (8, 4):
        errors = _differences(env, frame, places, blur)
        best = places[np.argsort(errors, kind="stable")[:CANDIDATES]]
        steps = [np.linspace(-1, 1, FINER) * s if s > 0 else np.zeros(1) for s in spacing]
        offsets = np.stack(np.meshgrid(*steps, indexing="ij"), -1).reshape(-1, 3)
        places = np.unique(np.clip((best[:, None] + offsets).reshape(-1, 3), low, high), axis=0)
        spacing = spacing * 2 / (FINER - 1)
    # Along the line of sight little changes, so the best place lies in a narrow valley. A simplex that is
    # long in that direction finds its way down, from one side or the other.
    found, least = best[0], np.inf
    for place, sign in ((best[0], 1.0), (best[0], -1.0), (best[1], 1.0), (best[1], -1.0)):
        there = _descended(env, frame, place, sign, low, high)
        error = float(_differences(env, frame, there[None], 1)[0])
        confirmed = np.linalg.norm(there - found) < 0.002
        if error < least:
            found, least = there, error
        if confirmed or least < NEGLIGIBLE * frame.size:
            break
    return found


def _descended(
    env: "ArmEnv", frame: np.ndarray, place: np.ndarray, sign: float, low: np.ndarray, high: np.ndarray
) -> np.ndarray:
    """The place to which Nelder and Mead's simplex (1965) walks down from `place` (3,)."""
    from scipy.optimize import minimize

    free = high > low
    sight = place - env.data.camera(env.camera).xpos
    directions = np.linalg.svd(sight[None, free])[2]  # the first along the line of sight, the others across
    directions *= sign * np.array([[0.05], *[[0.01]] * (len(directions) - 1)])
    result, near = place.copy(), _joints(place[None])[0]
    for blur in (4, 1):

        def cost(values: np.ndarray, blur: int = blur) -> float:
            there = place.copy()
            there[free] = np.clip(values, low[free], high[free])
            drawn = _drawn(env, kinematics.inverse(there, near, iterations=8))
            return float(np.abs(_blurred(drawn, blur) - _blurred(frame, blur)).sum())

        simplex = result[free] + np.vstack([np.zeros(len(directions)), directions])
        limits = {"initial_simplex": simplex, "maxfev": 60, "xatol": 5e-4}
        found = minimize(cost, result[free], method="Nelder-Mead", options=limits)
        result[free] = np.clip(found.x, low[free], high[free])
    return result


def _differences(env: "ArmEnv", frame: np.ndarray, places: np.ndarray, blur: int) -> np.ndarray:
    """How much the arm drawn at each of `places` (N, 3) differs from the frame, both blurred."""
    wanted = _blurred(frame, blur)
    return np.array([np.abs(_blurred(_drawn(env, j), blur) - wanted).sum() for j in _joints(places)])


def _blurred(frame: np.ndarray, size: int) -> np.ndarray:
    side = frame.shape[0] // size * size
    return frame[:side, :side].reshape(side // size, size, side // size, size, 3).mean((1, 3))


def readings_at_rest(env: "ArmEnv", hand: np.ndarray) -> np.ndarray:
    """Joint readings (15,) of an arm that rests with its hand at (3,) m, gripper as after a reset."""
    opening = float(env.data.qpos[7:9].mean())
    return np.concatenate([_joints(hand[None])[0], np.zeros(7), [opening]]).astype(np.float32)


def commanded_path(task: Any, hand: np.ndarray, actions: np.ndarray) -> np.ndarray:
    """Hand positions (H + 1, 3) in metres that `actions` (H, 4) command, from `hand` (3,) on.

    This is what the plan asks for, workspace and joint speeds respected; what the arm does on contact may
    differ.
    """
    command = ServoCommand(np.asarray(hand, np.float64), np.array(0.0), _joints(np.asarray(hand)[None])[0])
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
