"""Coloured noise: the spectrum it is named after, unit variance at any horizon, and a stream for each problem."""

import numpy as np
import pytest
import torch

from forearm.planner.sampling.noise import LEAST_ROWS, Noise, coloured_noise, rows_for
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
    like = torch.zeros(1)
    for noise in (
        coloured_noise(streams(1)[0], 20000, steps, 2, beta),
        Noise(streams(1)).normal(4000, steps, 2, beta, like)[0],
    ):
        assert noise.shape[1:] == (steps, 2)
        few = (20000 / len(noise)) ** 0.5
        assert noise.mean(0).abs().max() < 0.04 * few
        assert (noise.var(0) - 1).abs().max() < 0.06 * few
        # Dimensions and samples have nothing to do with each other.
        assert abs(float((noise[:, :, 0] * noise[:, :, 1]).mean())) < 0.03 * few
        assert abs(float((noise[1:] * noise[:-1]).mean())) < 0.03 * few


def test_redder_noise_changes_more_slowly():
    steps = [coloured_noise(streams(1)[0], 500, 20, 1, beta).diff(dim=1).square().mean() for beta in (0, 1, 2, 3)]
    assert steps == sorted(steps, reverse=True)


@pytest.mark.parametrize("beta", [0.0, 2.0])
def test_each_row_comes_from_its_own_stream(beta):
    like = torch.zeros(1, dtype=torch.float64)
    together = Noise(streams(3)).normal(7, 6, 2, beta, like)
    assert together.dtype == torch.float64
    for b in range(3):
        assert torch.equal(Noise(streams(3)[b : b + 1]).normal(7, 6, 2, beta, like)[0], together[b])
    assert not torch.equal(together[0], together[1])
    uniform, alone = Noise(streams(3)).uniform((4, 2), like), Noise(streams(3)[1:2]).uniform((4, 2), like)
    assert torch.equal(uniform[1], alone[0]) and (uniform >= 0).all() and (uniform < 1).all()


def test_a_plan_takes_one_number_from_its_stream_whatever_it_reads():
    like, [little, much] = torch.zeros(1), streams(1) + streams(1)
    Noise([little]).normal(2, 3, 4, 0.0, like)
    greedy = Noise([much])
    for _ in range(5):
        greedy.normal(50, 3, 4, 2.0, like)
        greedy.uniform((9,), like)
    assert torch.equal(torch.rand(3, generator=little), torch.rand(3, generator=much))


def test_no_row_comes_twice_before_the_table_has_been_read():
    noise, like = Noise(streams(1)), torch.zeros(1)
    rows = torch.cat([noise.normal(LEAST_ROWS // 16, 2, 1, 1.0, like)[0] for _ in range(16)])
    assert len(rows.unique(dim=0)) == LEAST_ROWS
    assert torch.equal(noise.normal(5, 2, 1, 1.0, like)[0], rows[:5])
    assert [rows_for(n) for n in (1, 1024, 1025, 4000)] == [LEAST_ROWS, LEAST_ROWS, 2 * LEAST_ROWS, 65536]


def test_half_precision_is_drawn_in_double():
    noise = Noise(streams(1)).normal(3, 8, 2, 2.0, torch.zeros(1, dtype=torch.bfloat16))
    assert noise.dtype == torch.bfloat16 and torch.isfinite(noise).all()
