"""What keeps latents from collapsing to a point.

Both are statistics of a whole batch. Under several processes the batch means are averaged across processes by a
differentiable all-reduce, so that N processes with a batch of B each give the loss of one process with N·B.
"""

import torch
from torch import Tensor

from world_model.distributed import average, batch_mean, count


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
    projected = latents @ directions.T  # (N, T, M)
    t = torch.linspace(0.0, span, knots, device=latents.device, dtype=latents.dtype)[1:]
    # Knots of the trapezoid rule; t = 0 contributes nothing, as both functions are 1 there.
    weight = torch.full_like(t, span / (knots - 1))
    weight[-1] /= 2
    gaussian = torch.exp(-(t**2) / 2)
    # cos and sin of k * angle by the angle-addition recurrence: two transcendental calls instead of 2 * knots.
    angle = projected * (span / (knots - 1))
    cos1, sin1 = torch.cos(angle), torch.sin(angle)
    cos, sin = cos1, sin1
    real, imaginary = [cos.mean(0)], [sin.mean(0)]
    for _ in range(2, knots):
        cos, sin = cos * cos1 - sin * sin1, sin * cos1 + cos * sin1
        real.append(cos.mean(0))
        imaginary.append(sin.mean(0))
    # One exchange between the processes for all knots.
    empirical = average(torch.stack([torch.stack(real), torch.stack(imaginary)]))  # (2, knots - 1, T, M)
    distance = (empirical[0] - gaussian[:, None, None]) ** 2 + empirical[1] ** 2
    return 2.0 * latents.shape[0] * count() * (weight * gaussian * distance.mean((1, 2))).sum()


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
