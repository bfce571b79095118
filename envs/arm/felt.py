"""What the arm feels: the torque of every joint's motor, and the force at its wrist."""

import numpy as np
from numpy.typing import NDArray

from forearm.envs.backend import mujoco

FELT = (*(f"joint{i}_Nm" for i in range(1, 8)), *(f"wrist_{axis}_N" for axis in "xyz"))
"""Names of the readings."""


def felt(model: mujoco.MjModel, data: mujoco.MjData) -> NDArray[np.float64]:
    """(10,) torques (Nm) of the motors in the step that was just carried out, and the force (N) of the wrist on the
    hand along the hand's axes, as a sensor there has it: the hand's own weight, 7.7 N, is part of it.
    """
    mujoco.mj_rnePostConstraint(model, data)
    hand = data.body("hand")
    # Of the interaction force of a body with its parent the last three numbers are force, along the world's axes.
    return np.concatenate([data.qfrc_actuator[:7], hand.xmat.reshape(3, 3).T @ data.cfrc_int[hand.id, 3:]])
