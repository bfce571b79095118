"""White and coloured Gaussian noise along time, for each problem of a plan its own.

Coloured noise has a power spectrum proportional to 1 / f**beta: 0 is white, 1 is pink, 2 is red (a random
walk's). Smooth candidates move an arm further than white ones, whose steps cancel, and so need fewer
samples: Pinneri et al., "Sample-efficient Cross-Entropy Method for Real-time Planning", CoRL 2020, sec.
3.1. Synthesis in the frequency domain after Timmer and Koenig, Astronomy and Astrophysics 300, 1995.

Drawing normal numbers takes longer than everything else a search does, so they are drawn once, into a table, and a
plan reads on from a random place in it: Salimans et al., "Evolution Strategies as a Scalable Alternative to
Reinforcement Learning", arXiv 1703.03864, sec. 2.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

LEAST_ROWS = 1 << 14


class Noise:
    """The random numbers of one plan of B problems.

    A plan takes a single number from each problem's generator, whatever it does with it: the next plan of a problem
    depends neither on how many iterations this one had time for, nor on the problems planned beside it.
    """

    def __init__(self, generators: Sequence[Generator]) -> None:
        self.keys = [key_from(generator) for generator in generators]
        self._read = 0
        self._tables: dict[tuple[int, int, int, float, torch.dtype], tuple[Tensor, int]] = {}
        self._generators: list[Generator] | None = None

    @property
    def generators(self) -> list[Generator]:
        """A fresh stream per problem, on the CPU, for what no table holds."""
        if self._generators is None:
            self._generators = [Generator().manual_seed(key) for key in self.keys]
        return self._generators

    def normal(self, count: int, steps: int, dims: int, beta: float, like: Tensor) -> Tensor:
        """Standard normal noise (B, count, steps, dims), coloured along `steps`, with the dtype and device of `like`.

        Not to be changed in place: it may be the table itself. No row comes twice in a plan before 16 times `count`
        have been read.
        """
        kind = count, steps, dims, beta, like.dtype
        found = self._tables.get(kind)
        if found is None:
            rows = rows_for(count)
            found = self._tables[kind] = table(rows, *kind, like.device), rows
        numbers, rows = found
        parts = [numbers.narrow(1, (key + self._read) % rows, count) for key in self.keys]
        self._read += count
        return torch.cat(parts) if len(parts) > 1 else parts[0]

    def uniform(self, shape: tuple[int, ...], like: Tensor) -> Tensor:
        """Uniform numbers (B, *shape) in [0, 1), drawn afresh."""
        rows = [torch.rand(shape, generator=g, dtype=like.dtype) for g in self.generators]
        return (torch.stack(rows) if len(rows) > 1 else rows[0].unsqueeze(0)).to(like.device)


def key_from(generator: Generator) -> int:
    """A number below 2**53."""
    return int(torch.empty(1, dtype=torch.int64, device=generator.device).random_(1 << 53, generator=generator).item())


def rows_for(count: int) -> int:
    """Rows in the table that `count` are read from: a power of two, as the same count must find the same table."""
    return max(LEAST_ROWS, 1 << (16 * count - 1).bit_length())


@lru_cache(maxsize=16)
@torch.inference_mode(False)  # a search that wants gradients may read it too
def table(
    rows: int, count: int, steps: int, dims: int, beta: float, dtype: torch.dtype, device: torch.device
) -> Tensor:
    """Noise (1, rows + count, steps, dims) whose last `count` rows are the first ones again.

    Every step and dimension has mean zero and variance one over the rows, exactly but for rounding.
    """
    if count > 1:  # larger pieces are read from the same numbers
        whole = table(rows, 1, steps, dims, beta, dtype, device)[:, :rows]
        return torch.cat((whole, whole[:, :count]), dim=1)
    numbers = coloured_noise(Generator().manual_seed(rows), rows, steps, dims, beta, torch.float64)
    numbers = (numbers - numbers.mean(dim=0)) / numbers.std(dim=0, correction=0)
    return torch.cat((numbers, numbers[:1]))[None].to(dtype).to(device)


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
    device = generator.device
    if beta == 0.0 or steps == 1:
        return torch.randn((samples, steps, dims), generator=generator, dtype=dtype, device=device)
    amplitude = torch.as_tensor(spectrum(steps, beta), dtype=dtype, device=device)
    shape = (samples, dims, steps // 2 + 1, 2)
    coefficients = torch.randn(shape, generator=generator, dtype=dtype, device=device).mul_(amplitude)
    series = torch.fft.irfft(torch.view_as_complex(coefficients), n=steps, dim=-1)
    return series.transpose(1, 2).contiguous()
