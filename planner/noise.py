"""White and coloured Gaussian noise along time, one random stream per problem.

Coloured noise has a power spectrum proportional to 1 / f**beta: 0 is white, 1 is pink, 2 is red (a random
walk's). Smooth candidates move an arm further than white ones, whose steps cancel, and so need fewer
samples: Pinneri et al., "Sample-efficient Cross-Entropy Method for Real-time Planning", CoRL 2020, sec.
3.1. Synthesis in the frequency domain after Timmer and Koenig, Astronomy and Astrophysics 300, 1995.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor


@lru_cache(maxsize=64)
def spectrum(steps: int, beta: float) -> NDArray[np.float64]:
    """Amplitudes (F, 2) of the real and imaginary Fourier coefficients, F = steps // 2 + 1.

    Scaled so that every step has variance one exactly, at any number of steps: the constant term, which
    takes the amplitude of the lowest frequency, and the Nyquist term are counted like all others.
    """
    frequency = np.maximum(np.arange(steps // 2 + 1), 1.0)
    amplitude = np.repeat((frequency ** (-beta / 2.0))[:, None], 2, axis=1)
    amplitude[0] *= (np.sqrt(2.0), 0.0)
    if steps % 2 == 0:
        amplitude[-1] *= (np.sqrt(2.0), 0.0)
    power = (amplitude**2).sum(axis=1)
    # The one-sided spectrum stands for two coefficients, except where there is only one.
    power[1 : (steps + 1) // 2] *= 2.0
    return np.asarray(amplitude * (steps / np.sqrt(power.sum())))


def coloured_noise(
    generator: Generator, samples: int, steps: int, dims: int, beta: float, dtype: torch.dtype = torch.float32
) -> Tensor:
    """Standard normal noise (samples, steps, dims), coloured along `steps`, on the generator's device.

    Samples and dimensions are independent of each other. The noise is periodic in `steps`, as in the paper.
    """
    working = dtype if dtype in (torch.float32, torch.float64) else torch.float32
    device = generator.device
    if beta == 0.0 or steps == 1:
        white = torch.randn((samples, steps, dims), generator=generator, dtype=working, device=device)
        return white.to(dtype)
    amplitude = torch.as_tensor(spectrum(steps, beta), dtype=working, device=device)
    shape = (samples, dims, steps // 2 + 1, 2)
    coefficients = torch.randn(shape, generator=generator, dtype=working, device=device).mul_(amplitude)
    series = torch.fft.irfft(torch.view_as_complex(coefficients), n=steps, dim=-1)
    return series.transpose(1, 2).to(dtype)


def batch_noise(
    generators: Sequence[Generator], samples: int, steps: int, dims: int, beta: float, like: Tensor
) -> Tensor:
    """Noise (B, samples, steps, dims) with the dtype and device of `like`; row b comes from
    `generators[b]` only.
    """
    rows = [coloured_noise(g, samples, steps, dims, beta, like.dtype) for g in generators]
    return together(rows).to(like.device)


def together(rows: Sequence[Tensor]) -> Tensor:
    """The rows as one tensor (B, ...); a single one is not copied."""
    return torch.stack(tuple(rows)) if len(rows) > 1 else rows[0][None]


def batch_uniform(generators: Sequence[Generator], shape: tuple[int, ...], like: Tensor) -> Tensor:
    """Uniform numbers (B, *shape) in [0, 1); row b comes from `generators[b]` only."""
    rows = [torch.rand(shape, generator=g, dtype=like.dtype, device=g.device) for g in generators]
    return together(rows).to(like.device)
