"""What command sequences lead to, in the simulator itself."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from forearm.envs.arm import futures as arm
from forearm.envs.arm.env import ArmEnv
from forearm.envs.contract import Environment


def visit(env: Environment, start: ArrayLike, actions: Any) -> Iterator[tuple[int, int]]:
    """Puts `env` into every state that actions (K, H, A) lead to from the snapshot `start`; gives (k, h) at each.

    There it may be looked at, but not stepped, and where it is left at the end is nothing to rely on.

    The built-in arm runs in one call into MuJoCo (`envs/arm/futures.py`). The benchmarks cannot. Each of their control
    steps begins from where the hand has come to, by a mocap body or inverse kinematics, and from places that lag one
    physics step behind, which `mujoco.rollout` does not give. That is Python code of theirs between any two control
    steps, for each candidate. Nor is there much to gain on one thread. Of a control step of fetch/push, 0.74 of 0.85 ms
    are MuJoCo's own already; of metaworld/push-v3, 0.88 of 1.00 ms are that Python code; of ogbench/cube-single, 0.93
    of 1.51 ms are MuJoCo's. Other cores are busy with other episodes.
    """
    start, actions = np.asarray(start), np.asarray(actions, np.float64)
    if isinstance(env, ArmEnv):
        yield from arm.visit(env, start, actions)
        return
    for k, sequence in enumerate(actions):
        env.restore(start)
        for h, action in enumerate(sequence):
            env.advance(action)
            yield k, h
