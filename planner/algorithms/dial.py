"""Diffusion-inspired annealing.

Xue et al., "Full-Order Sampling-Based MPC for Torque-Level Locomotion Control via Diffusion-Style Annealing"
(DIAL-MPC), arXiv 2409.15610: an MPPI update is one step of denoising, so the noise is annealed, as in a diffusion
model, over the iterations of a plan (trajectory level) and over its horizon (action level), where what comes soon
has been refined by earlier plans and needs the least.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from forearm.common import checks
from forearm.planner.algorithms.gaussian import Gaussian, GaussianConfig, draw, initial_gaussian
from forearm.planner.algorithms.mppi import softmin
from forearm.planner.sampling import arrays
from forearm.planner.sampling.action_space import ActionSpace
from forearm.planner.sampling.arrays import Rows
from forearm.planner.sampling.noise import Noise
from forearm.planner.search.planner import Planner


@dataclass(frozen=True, kw_only=True)
class DIALConfig(GaussianConfig):
    """Settings of DIAL.

    In iteration i of N and variable v of V the spread is `initial_std` times
    exp(-i / (`beta_iterations` N) - (V - 1 - v) / (`beta_horizon` V)), at least `min_std`: small betas anneal
    hard, large ones hardly.

    Attributes:
        temperature: in standard deviations of the candidates' costs; small follows the few best.
        beta_iterations: how slowly the noise shrinks over the iterations.
        beta_horizon: how slowly it shrinks from the end of the horizon to its beginning.
    """

    min_std: float | tuple[float, ...] = 0.0
    noise_beta: float = 2.0
    temperature: float = checks.setting(0.1, checks.real, above=0.0)
    beta_iterations: float = checks.setting(1.0, checks.real, above=0.0)
    beta_horizon: float = checks.setting(4.0, checks.real, above=0.0)


class DIAL(Planner[Gaussian, DIALConfig]):
    """MPPI's average under a schedule of shrinking noise. A schedule ends when it ends: it does not converge."""

    name = "dial"
    config_type = DIALConfig

    def initial(self, space: ActionSpace, mean: Tensor) -> Gaussian:
        """The configured spread around the proposal."""
        return initial_gaussian(self.config, space, mean)

    def sample(self, dist: Gaussian, space: ActionSpace, noise: Noise, iteration: int) -> Tensor:
        """Draw x = mean + (annealed std) * noise."""
        config = self.config
        least = space.std("min_std", config.min_std)
        std = torch.maximum(dist.std * self.schedule(space, iteration).to(dist.std), least)
        return draw(Gaussian(dist.mean, std), noise, config.samples, config.noise_beta)

    def schedule(self, space: ActionSpace, iteration: int) -> Tensor:
        """Factors (V, 1) on the spread in an iteration, counted from 0."""
        config, variables = self.config, space.variables
        to_come = torch.arange(variables - 1, -1, -1, dtype=torch.float64) / (config.beta_horizon * variables)
        over_iterations = math.exp(-iteration / (config.beta_iterations * config.iterations))
        return (over_iterations * torch.exp(-to_come))[:, None]

    def update(self, dist: Gaussian, space: ActionSpace, samples: Tensor, costs: Tensor) -> Gaussian:
        """The mean moves to the average weighted by exp(-cost / temperature)."""
        (mean,) = arrays.fit(self._fit, samples, costs, (dist.mean,))
        return Gaussian(mean, dist.std)

    def _fit(self, samples: Rows, costs: Rows, mean: Rows) -> tuple[Rows]:
        """The weighted mean (..., N)."""
        return (softmin(costs, self.config.temperature, like=samples) @ samples,)
