"""What keeps latents from collapsing to a point.

Both are statistics of a whole batch. Under several processes the batch means are averaged across processes by a
differentiable all-reduce, so that N processes with a batch of B each give the loss of one process with N·B.
"""

import torch
import torch.distributed as dist
from torch import Tensor


def batch_mean(values: Tensor) -> Tensor:
    """Mean over the first dimension and over all processes, with gradients to every process's share."""
    mean = values.mean(dim=0)
    if dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1:
        from torch.distributed.nn.functional import all_reduce

        mean = all_reduce(mean) / dist.get_world_size()
    return mean


def sigreg(latents: Tensor, directions: Tensor, knots: int = 17, span: float = 3.0) -> Tensor:
    """How far latents are from an isotropic Gaussian: SIGReg (LeJEPA, arXiv 2511.08544, section 4).

    Projects on random directions and compares each projection's empirical characteristic function with that of a
    standard normal (Epps-Pulley), weighted by exp(-t^2/2), integrated by the trapezoid rule over [0, span].

    Args:
        latents: (N, T, D); the statistic is taken per time step over the N windows, and averaged.
        directions: (M, D), unit rows, the same in every process.

    Returns:
        scalar, about 1 for a Gaussian sample whatever N is.
    """
    count = latents.shape[0] * (dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1)
    projected = latents @ directions.T  # (N, T, M)
    t = torch.linspace(0.0, span, knots, device=latents.device, dtype=latents.dtype)
    weight = torch.full_like(t, span / (knots - 1))
    weight[0] = weight[-1] = span / (knots - 1) / 2
    gaussian = torch.exp(-(t**2) / 2)
    # cos and sin of k * angle by the angle-addition recurrence: two transcendental calls instead of 2 * knots.
    angle = projected * (span / (knots - 1))
    cos1, sin1 = torch.cos(angle), torch.sin(angle)
    cos, sin = cos1, sin1
    total = latents.new_zeros(())
    for k in range(1, knots):  # t = 0 contributes nothing: both functions are 1 there
        distance = (batch_mean(cos) - gaussian[k]) ** 2 + batch_mean(sin) ** 2
        total = total + weight[k] * gaussian[k] * distance.mean()
        cos, sin = cos * cos1 - sin * sin1, sin * cos1 + cos * sin1
    return 2.0 * count * total


def vicreg(latents: Tensor) -> Tensor:
    """Variance and covariance terms of VICReg (arXiv 2105.04906, eq. 1 to 4) on latents (N, T, D)."""
    flat = latents.flatten(0, 1)
    centred = flat - batch_mean(flat)
    second = batch_mean((centred.T @ centred / len(centred))[None])
    variance = second.diagonal()
    hinge = torch.relu(1.0 - torch.sqrt(variance + 1e-4)).mean()
    off_diagonal = second - torch.diag(variance)
    return hinge + off_diagonal.pow(2).sum() / latents.shape[-1] / 25.0


def random_directions(count: int, dim: int, generator: torch.Generator, device: torch.device) -> Tensor:
    """(count, dim) unit rows, drawn on the CPU so that every device and process gets the same ones."""
    directions = torch.randn(count, dim, generator=generator)
    return torch.nn.functional.normalize(directions, dim=1).to(device)
