"""How far apart two latents are, in steps rather than in numbers.

Latents spend as many of their directions on the arm as on the object, but the arm changes at every step and the object
only when it is touched. In plain squared distance a planner therefore gladly brings the arm to its place in the goal
image and leaves the object behind. Measured against how much each direction usually changes in one step, what
changes rarely counts for more: the Mahalanobis distance under the covariance of one-step changes. Those directions are
the slow features of Wiskott and Sejnowski (Neural Computation 14, 2002), found here without any label.
"""

import torch
from torch import Tensor

from forearm.common import checks


def step_covariance(latents: Tensor) -> Tensor:
    """Second moment (D, D) of the change of latents (N, T, D) from one latent step to the next."""
    change = (latents[:, 1:] - latents[:, :-1]).flatten(0, 1).double()
    return (change.T @ change / len(change)).float()


def slow_map(covariance: Tensor, slowness: float, floor: float = 1e-3) -> Tensor:
    """The symmetric map (D, D) under which squared distances count slow directions for more.

    Args:
        covariance: (D, D), of one-step changes.
        slowness: exponent p of `covariance ** -p` as the metric: 0 is the plain distance, 1 the Mahalanobis distance.
        floor: added to the covariance's diagonal, so that directions that never change do not drown all others.

    Returns:
        L with trace(L @ L) = D: `|(a - b) @ L|^2` is the distance, on the plain distance's scale.

    Raises:
        ValueError: the slowness is not in [0, 1].
    """
    said = "{name} is {value}: expected between 0 (plain distance) and 1 (Mahalanobis)"
    checks.worded(checks.real, said)("slowness", slowness, least=0.0, most=1.0)
    size = len(covariance)
    values, vectors = torch.linalg.eigh(covariance.double() + floor * torch.eye(size, device=covariance.device))
    scales = values.clamp_min(floor).pow(-slowness / 2)
    scales = scales * (size / scales.square().sum()).sqrt()
    return ((vectors * scales) @ vectors.T).float()
