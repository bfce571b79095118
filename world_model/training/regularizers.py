"""What keeps latents from collapsing to a point.

Both are statistics of a whole batch. Under several processes the batch means are averaged across processes by a
differentiable all-reduce, so that N processes with a batch of B each give the loss of one process with N·B.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from forearm.world_model.distributed import average, batch_mean, count


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
    # Of the trapezoid rule; t = 0 contributes nothing, as both functions are 1 there.
    weight = torch.full_like(t, span / (knots - 1))
    weight[-1] /= 2
    gaussian = torch.exp(-(t**2) / 2)
    # One exchange between the processes for all knots.
    empirical = average(_Characteristic.apply(projected * (span / (knots - 1)), knots - 1))
    distance = (empirical[0] - gaussian[:, None, None]) ** 2 + empirical[1] ** 2
    return 2.0 * latents.shape[0] * count() * (weight * gaussian * distance.mean((1, 2))).sum()


class _Characteristic(torch.autograd.Function):
    """Empirical characteristic functions: means over N of cos and sin of k * angle, k = 1 … K, as (2, K, T, M).

    With a gradient of its own, which computes the cosines and sines anew instead of keeping all 2 K (N, T, M) of them.
    """

    @staticmethod
    def forward(ctx: Any, angle: Tensor, knots: int) -> Tensor:
        ctx.save_for_backward(angle)
        ctx.knots = knots
        means = [torch.stack([cos.mean(1), sin.mean(1)]) for cos, sin in _multiples(angle, knots)]
        return torch.cat(means, dim=1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (angle,) = ctx.saved_tensors
        k = torch.arange(1, ctx.knots + 1, device=angle.device)[:, None, None, None]
        of_cos, of_sin = (gradients[0] / len(angle)).unsqueeze(2) * k  # (K, 1, T, M)
        total, at = torch.zeros_like(angle), 0
        for cos, sin in _multiples(angle, ctx.knots):
            part = slice(at, at + len(cos))
            total += (of_sin[part] * cos).sub_(of_cos[part] * sin).sum(0)
            at += len(cos)
        return total, None


def _multiples(angle: Tensor, knots: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Cosines and sines of k * angle for k = 1 … `knots`, stacked along a new first dimension, some at a time.

    One at a time on a processor, each from the one before by the angle-addition recurrence: two transcendental
    functions in all, and the cache is enough. All at once elsewhere: a GPU computes faster than it is told what to do.
    """
    if angle.device.type != "cpu":
        angles = angle * torch.arange(1, knots + 1, device=angle.device)[:, None, None, None]
        yield angles.cos(), angles.sin()
        return
    cos1, sin1 = angle.cos()[None], angle.sin()[None]
    cos, sin = cos1, sin1
    for k in range(knots):
        if k:
            cos, sin = cos * cos1 - sin * sin1, sin * cos1 + cos * sin1
        yield cos, sin


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
