"""Gradient descent on the commands, through the model.

Several starts descend at once, each along the gradient of its own predicted cost, with Adam (Kingma and Ba, ICLR
2015). As a planner in a latent space: Srinivas et al., "Universal Planning Networks", ICML 2018; among samplers:
Zhou et al., "DINO-WM", arXiv 2411.04983, app. A. Every iteration rolls out before it steps, and the last one does
not step: whatever is returned was rolled out and has the cost that is told.
"""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from forearm.common import checks
from forearm.planner.sampling.action_space import ActionSpace
from forearm.planner.sampling.apart import by_problem
from forearm.planner.sampling.candidates import choose
from forearm.planner.sampling.noise import Noise
from forearm.planner.search.config import SearchConfig
from forearm.planner.search.distribution import BestSeen, best_of_both, nothing_seen
from forearm.planner.search.planner import Planner


@dataclass(frozen=True, kw_only=True)
class GradientConfig(SearchConfig):
    """Settings of gradient descent.

    The betas have a shorter memory than in training: on a quadratic with 40 variables, 31 steps then leave less than a
    hundredth of the cost that 0.9 and 0.999 leave.

    Attributes:
        samples: the best sequence so far, and the starts: the proposal, and perturbations of it.
        iterations: rollouts, which leave time for one step fewer.
        halve_every: iterations after which the worse half of the starts is given up, again and again, as in successive
            halving (Jamieson and Talwalkar, AISTATS 2016): many find a good valley, few are needed in it. None: never.
        halve_to: starts that are never given up.
        learning_rate: Adam's, in halves of a command's range.
        final_rate: share of it that is left in the last step, at the end of a cosine.
        beta1: decay of Adam's memory of gradients.
        beta2: decay of Adam's memory of their squares.
        bounds: `project` onto them after each step, or `tanh`: descend on what a hyperbolic tangent squashes between.
        initial_std: of the starts, in halves of a command's range; a number, or one per action dimension.
        noise_beta: exponent of the starts' spectrum along time; 0 is white.
    """

    samples: int = 33
    iterations: int = 32
    halve_every: int | None = checks.setting(3, checks.integer, none=True, least=1)
    halve_to: int = checks.setting(2, checks.integer, least=1)
    learning_rate: float = checks.setting(0.2, checks.real, above=0.0)
    final_rate: float = checks.setting(0.1, checks.real, above=0.0, most=1.0)
    beta1: float = checks.setting(0.7, checks.real, least=0.0, below=1.0)
    beta2: float = checks.setting(0.95, checks.real, least=0.0, below=1.0)
    bounds: str = checks.setting("project", checks.choice, known=("project", "tanh"))
    initial_std: float | tuple[float, ...] = checks.setting(0.5, checks.reals, least=0.0)
    noise_beta: float = checks.setting(2.0, checks.real, least=0.0, most=10.0)

    def rate(self, step: int) -> float:
        """The learning rate of a step, counted from 0."""
        done = step / max(self.iterations - 2, 1)
        cosine = 0.5 * (1.0 + math.cos(math.pi * min(done, 1.0)))
        return self.learning_rate * (self.final_rate + (1.0 - self.final_rate) * cosine)


@dataclass(frozen=True)
class Descent(BestSeen):
    """The best seen, and where the descents stand: `points` (B, K - 1, V, A), Adam's running means of gradients and
    of their squares, of the same shape, and how many steps were taken. `moved` (B,): the last step's length.
    """

    points: Tensor
    first: Tensor
    second: Tensor
    moved: Tensor
    steps: int


class GradientDescent(Planner[Descent, GradientConfig]):
    """Adam on the commands."""

    name = "gradient"
    config_type = GradientConfig
    differentiable = True
    differentiable_last = False  # no step follows
    proposals_last = False

    def initial(self, space: ActionSpace, mean: Tensor) -> Descent:
        """Only the proposal; the starts are drawn with the first sample."""
        start = nothing_seen(mean)
        points = mean[:, None].expand(-1, self.config.samples - 1, -1, -1)
        zeros = torch.zeros_like(points)
        return Descent(start.mean, start.cost, points, zeros, zeros, start.cost, steps=0)

    def sample(self, dist: Descent, space: ActionSpace, noise: Noise, iteration: int) -> Tensor:
        """Where the descents stand, behind the best so far."""
        points = dist.points
        if iteration == 0:
            config = self.config
            std = space.std("initial_std", config.initial_std)
            numbers = noise.normal(config.samples - 1, space.variables, space.dims, config.noise_beta, like=space.low)
            points = torch.cat((points[:, :1], points[:, 1:] + numbers[:, 1:] * std), dim=1)
        return torch.cat((dist.mean[:, None], points), dim=1)

    def update(self, dist: Descent, space: ActionSpace, samples: Tensor, costs: Tensor) -> Descent:
        """Remember the best, and take one step of Adam from every point; no step where there are no gradients."""
        if not samples.requires_grad:
            best = best_of_both(dist, samples, costs)
            return replace(dist, mean=best.mean, cost=best.cost)
        [slope] = torch.autograd.grad(costs.sum(), samples)
        with torch.no_grad():
            samples = samples.detach()
            best = best_of_both(dist, samples, costs.detach())
            # The gradient of a cost that is not finite leads nowhere.
            slope = torch.nan_to_num(slope[:, 1:], nan=0.0, posinf=0.0, neginf=0.0)
            points = samples[:, 1:]
            if (left := self._left(dist.steps + 1)) < points.shape[1]:
                going = costs.detach()[:, 1:].topk(left, dim=1, largest=False).indices
                points, slope, first, second = (choose(x, going) for x in (points, slope, dist.first, dist.second))
                dist = replace(dist, first=first, second=second)
            return self._step(space, dist, best, points, slope * space.half_range)

    def _left(self, iteration: int) -> int:
        """How many descents take part in an iteration, counted from 0."""
        config = self.config
        starts = config.samples - 1
        halvings = 0 if config.halve_every is None else iteration // config.halve_every
        return max(min(config.halve_to, starts), starts >> halvings)

    def _step(self, space: ActionSpace, dist: Descent, best: BestSeen, points: Tensor, slope: Tensor) -> Descent:
        """Adam's step from points (B, K - 1, V, A), given slopes by variables of half a range each."""

        def step(*rows: Tensor) -> tuple[Tensor, ...]:
            return self._step_of_one(space, dist.steps, *rows)

        after, first, second, length = by_problem(step, points, slope, dist.first, dist.second)
        return Descent(best.mean, best.cost, after, first, second, length, dist.steps + 1)

    def _step_of_one(
        self, space: ActionSpace, taken: int, points: Tensor, slope: Tensor, first: Tensor, second: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Points, Adam's means and the step's length (B,), after one more step than were `taken`."""
        config, steps = self.config, taken + 1
        middle, half = space.middle, space.half_range.clamp(min=torch.finfo(points.dtype).tiny)
        unit = (points - middle) / half
        if config.bounds == "tanh":
            # Short of the ends, where a tangent is flat and a descent would never come back.
            unit = torch.atanh(unit.clamp(-0.999, 0.999))
            slope = slope * (1.0 - torch.tanh(unit).square())
        first = config.beta1 * first + (1.0 - config.beta1) * slope
        second = config.beta2 * second + (1.0 - config.beta2) * slope.square()
        scale = (second / (1.0 - config.beta2**steps)).sqrt_().clamp_(min=torch.finfo(points.dtype).tiny)
        unit = unit - config.rate(taken) / (1.0 - config.beta1**steps) * first / scale
        if config.bounds == "tanh":
            unit = torch.tanh(unit)
        after = space.clip(middle + space.half_range * unit)
        length = ((after - points) / half).abs().amax(dim=(1, 2, 3))
        return after, first, second, length

    def spread(self, dist: Descent, space: ActionSpace) -> Tensor:
        """The longest step just taken: a descent narrows by slowing down."""
        return dist.moved
