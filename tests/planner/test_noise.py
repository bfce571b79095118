"""Coloured noise: the spectrum it is named after, and unit variance at any horizon."""

import numpy as np
import pytest
import torch

from planner.noise import batch_noise, batch_uniform, coloured_noise
from tests.planner.toys import streams


@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0, 2.0, 3.5])
def test_the_spectrum_falls_as_a_power_of_frequency(beta):
    noise = coloured_noise(streams(1)[0], 4000, 64, 1, beta, torch.float64)[..., 0].numpy()
    power = (np.abs(np.fft.rfft(noise, axis=1)) ** 2).mean(axis=0)[1:-1]
    slope = np.polyfit(np.log(np.arange(1, 32)), np.log(power), 1)[0]
    assert slope == pytest.approx(-beta, abs=0.05)


@pytest.mark.parametrize("beta", [0.0, 1.0, 2.0, 4.0])
@pytest.mark.parametrize("steps", [1, 2, 3, 4, 5, 10, 31])
def test_every_step_has_unit_variance_and_no_mean(steps, beta):
    noise = coloured_noise(streams(1)[0], 20000, steps, 2, beta)
    assert noise.shape == (20000, steps, 2)
    assert noise.mean(0).abs().max() < 0.04
    assert (noise.var(0) - 1).abs().max() < 0.06
    # Dimensions and samples have nothing to do with each other.
    assert abs(float((noise[:, :, 0] * noise[:, :, 1]).mean())) < 0.03
    assert abs(float((noise[1:] * noise[:-1]).mean())) < 0.03


def test_redder_noise_changes_more_slowly():
    steps = [coloured_noise(streams(1)[0], 500, 20, 1, beta).diff(dim=1).square().mean() for beta in (0, 1, 2, 3)]
    assert steps == sorted(steps, reverse=True)


@pytest.mark.parametrize("beta", [0.0, 2.0])
def test_each_row_comes_from_its_own_stream(beta):
    like = torch.zeros(1, dtype=torch.float64)
    together = batch_noise(streams(3), 7, 6, 2, beta, like)
    assert together.dtype == torch.float64
    for b in range(3):
        assert torch.equal(batch_noise(streams(3)[b : b + 1], 7, 6, 2, beta, like)[0], together[b])
    assert torch.equal(batch_uniform(streams(3), (4, 2), like)[1], batch_uniform(streams(3)[1:2], (4, 2), like)[0])


def test_half_precision_is_drawn_in_single():
    noise = batch_noise(streams(1), 3, 8, 2, 2.0, torch.zeros(1, dtype=torch.bfloat16))
    assert noise.dtype == torch.bfloat16 and torch.isfinite(noise).all()
