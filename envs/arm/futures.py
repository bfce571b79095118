"""Many futures of the arm in one call into MuJoCo.

What its servos are told depends on the commands alone, so all physics steps of all candidates can run in C:
`mujoco.batch` where MuJoCo has it (3.17 on), `mujoco.rollout` else. Both give what stepping gives, to the bit, at any
number of threads. On one thread either takes a quarter of the time of stepping (48 candidates, 12 control steps, push:
0.13 s instead of 0.57 with MuJoCo 3.3.0, 0.13 of 0.39 with 4.0.1).
"""

import importlib
import importlib.util
from collections.abc import Iterator

import numpy as np
from mujoco.rollout import rollout

from forearm.envs.arm.env import ArmEnv
from forearm.envs.arm.joints import ServoCommand, next_command, servo_path
from forearm.envs.backend import mujoco
from forearm.envs.contract import Array
from forearm.envs.mujoco_env import PHYSICS

FULL = mujoco.mjtState.mjSTATE_FULLPHYSICS
BATCHES = importlib.util.find_spec("mujoco.batch") is not None


def full_states(env: ArmEnv, start: Array, actions: Array, threads: int = 1) -> Array:
    """(K, H, F) MuJoCo's full physics states, time first, after each control step of actions (K, H, 4).

    `start` is a snapshot of `env`, which is left alone. A simulation that diverges repeats its last state.
    """
    physics, command = env.split(start)
    controls = _controls(env, command, np.asarray(actions, np.float64))
    states = (_batched if BATCHES else _rolled_out)(env.model, physics, controls, threads)
    return states[:, env.substeps - 1 :: env.substeps]


def visit(env: ArmEnv, start: Array, actions: Array) -> Iterator[tuple[int, int]]:
    """See `forearm.envs.futures.visit`."""
    states = full_states(env, start, actions)
    env.restore(start)
    first = env.steps
    for k, row in enumerate(states):
        for h, state in enumerate(row):
            env.pose(state, first + h + 1)
            yield k, h


def _controls(env: ArmEnv, command: ServoCommand, actions: Array) -> Array:
    """Servo targets (K, H * substeps, 9) for actions (K, H, 4)."""
    candidates, horizon = actions.shape[:2]
    before = ServoCommand(
        np.repeat(command.tool[None], candidates, 0),
        np.repeat(command.opening[None], candidates, 0),
        np.repeat(command.joints[None], candidates, 0),
    )
    path = []
    for t in range(horizon):
        after = next_command(env.task, before, actions[:, t])
        path.append(servo_path(before, after, env.substeps))
        before = after
    return np.concatenate(path, axis=1)


def _rolled_out(model: mujoco.MjModel, physics: Array, controls: Array, threads: int) -> Array:
    """(K, T, F) full physics states after each physics step from `physics`, an integration state."""
    data = [mujoco.MjData(model) for _ in range(threads)]
    mujoco.mj_setState(model, data[0], physics, PHYSICS)
    full = np.empty(mujoco.mj_stateSize(model, FULL))
    mujoco.mj_getState(model, data[0], full, FULL)
    candidates = len(controls)
    states, _ = rollout(
        model,
        data,
        np.repeat(full[None], candidates, 0),
        controls,
        initial_warmstart=np.repeat(data[0].qacc_warmstart[None], candidates, 0),
        persistent_pool=threads > 1,
    )
    return np.asarray(states)


def _batched(model: mujoco.MjModel, physics: Array, controls: Array, threads: int) -> Array:
    """The same by `mujoco.batch`."""
    batch = importlib.import_module("mujoco.batch").Batch(model, len(controls), threads)
    batch.state[:] = physics
    return np.asarray(batch.rollout(controls.shape[1], controls, record=(FULL,))[FULL])
