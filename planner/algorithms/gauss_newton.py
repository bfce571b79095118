"""Gauss-Newton on the commands, with finite differences: no gradients asked of the model, and few evaluations.

A distance in latent space is a sum of squares of residuals, and each residual is far closer to linear in the commands
than the cost is. So an iteration measures how the residuals answer to small changes of the commands, one candidate
per direction, all in one batch, and solves for the commands at which they would vanish: Levenberg, Quarterly of
Applied Mathematics 2, 1944, and Marquardt, SIAM Journal 11, 1963; on trajectories of a simulator with finite
differences, Tassa et al., "Synthesis and Stabilization of Complex Behaviors through Online Trajectory Optimization",
IROS 2012. Bounds by projected Newton steps: Bertsekas, SIAM Journal on Control and Optimization 20, 1982, eqs. 32-36.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from forearm.common import checks
from forearm.errors import InputError
from forearm.planner.sampling.action_space import ActionSpace
from forearm.planner.sampling.apart import by_problem
from forearm.planner.sampling.candidates import chosen
from forearm.planner.sampling.noise import Noise
from forearm.planner.search.config import SearchConfig
from forearm.planner.search.distribution import BestSeen, nothing_seen
from forearm.planner.search.evaluation import Scores
from forearm.planner.search.planner import Planner

DAMPINGS = (1e-4, 1e-2, 1e-1, 1.0)
"""Damping of the steps that are tried, as shares of the curvature's mean diagonal: from Newton's to a gradient's."""
PASSES = 3
"""Projected Newton steps on the quadratic model; each finds out more of the bounds that hold."""


@dataclass(frozen=True, kw_only=True)
class GaussNewtonConfig(SearchConfig):
    """Settings of Gauss-Newton.

    Attributes:
        samples: per iteration: the best sequence so far, a step for each of `DAMPINGS`, small changes, and random
            sequences around the best for the rest.
        directions: small changes, one per variable at most; fewer are the smoothest along time, among which the step is
            then sought.
        perturbation: size of a change, in halves of a command's range.
        initial_std: of the random sequences, in halves of a command's range; a number, or one per action dimension.
        noise_beta: exponent of their spectrum along time; 0 is white.
    """

    samples: int = 64
    iterations: int = 5
    directions: int = checks.setting(16, checks.integer, least=1)
    perturbation: float = checks.setting(0.15, checks.real, above=0.0, most=1.0)
    initial_std: float | tuple[float, ...] = checks.setting(0.5, checks.reals, least=0.0)
    noise_beta: float = checks.setting(2.0, checks.real, least=0.0, most=10.0)

    def __post_init__(self) -> None:
        """Check the settings; raises `ValueError`."""
        super().__post_init__()
        least = len(DAMPINGS) + 2
        if self.samples < least:
            raise InputError(f"samples must be at least {least} for gauss_newton, got {self.samples}")


@dataclass(frozen=True)
class Linearised(BestSeen):
    """The best seen, the steps (B, T, V, A) to try next, and around which candidate to measure: `centre` (B,), 0 for
    the best seen or 1 + t for step t. `damping` (B,): the number of the damping that did best.
    """

    steps: Tensor
    centre: Tensor
    damping: Tensor


class GaussNewton(Planner[Linearised, GaussNewtonConfig]):
    """Solve for the commands at which the linearised residuals vanish."""

    name = "gauss_newton"
    config_type = GaussNewtonConfig
    uses_residuals = True
    proposals_last = False

    def initial(self, space: ActionSpace, mean: Tensor) -> Linearised:
        """Only the proposal, in place of the steps too."""
        start = nothing_seen(mean)
        zero = torch.zeros(len(mean), dtype=torch.long, device=mean.device)
        steps = mean[:, None].expand(-1, len(DAMPINGS), -1, -1)
        return Linearised(start.mean, start.cost, steps, zero, zero)

    def sample(self, dist: Linearised, space: ActionSpace, noise: Noise, iteration: int) -> Tensor:
        """The best, the steps, and small changes of the centre."""
        config, tried = self.config, torch.cat((dist.mean[:, None], dist.steps), dim=1)
        centre = chosen(tried, dist.centre)[:, None]
        count = self._directions(space)
        changes = smooth_directions(count, space.variables, space.dims).to(centre) * space.half_range
        # Away from the nearer bounds, on the whole.
        inward = ((space.middle - centre) * changes).sum(dim=(2, 3), keepdim=True) >= 0
        around = centre + config.perturbation * torch.where(inward, changes, -changes)
        if others := config.samples - tried.shape[1] - count:
            std = space.std("initial_std", config.initial_std)
            numbers = noise.normal(others, space.variables, space.dims, config.noise_beta, like=space.low)
            return torch.cat((tried, around, dist.mean[:, None] + numbers * std), dim=1)
        return torch.cat((tried, around), dim=1)

    def learn(self, dist: Linearised, space: ActionSpace, samples: Tensor, scores: Scores) -> Linearised:
        """Linearise at the centre; step from the best."""
        costs, first, last = scores.finite, 1 + len(DAMPINGS), 1 + len(DAMPINGS) + self._directions(space)
        residuals = roots(costs) if scores.residuals is None else scores.residuals
        best = scores.ranked.argmin(dim=1)
        stepped = (best > 0) & (best < first)
        failed = (best == 0) & (dist.centre != 0)
        damping = torch.where(stepped, best - 1, (dist.damping + failed.long()).clamp(max=len(DAMPINGS) - 1))
        mean = chosen(samples, best)
        [steps] = by_problem(
            lambda *rows: (newton_steps(space, *rows),),
            mean, chosen(residuals, best), chosen(samples, dist.centre), chosen(residuals, dist.centre),
            samples[:, first:last], residuals[:, first:last],
        )  # fmt: skip
        # Where the best is far from where the residuals were measured, they are measured again before another step.
        centre = torch.where(failed | (best >= last), 0, 1 + damping)
        return Linearised(mean, chosen(costs, best).to(dist.cost.dtype), steps, centre, damping)

    def _directions(self, space: ActionSpace) -> int:
        config = self.config
        return min(config.directions, space.variables * space.dims, config.samples - 1 - len(DAMPINGS))

    def update(self, dist: Linearised, space: ActionSpace, samples: Tensor, costs: Tensor) -> Linearised:
        """From costs alone."""
        return self.learn(dist, space, samples, Scores(costs, costs))

    def spread(self, dist: Linearised, space: ActionSpace) -> Tensor:
        """The longest change that the next step makes: a search narrows by having nowhere to go."""
        half = space.half_range.clamp(min=torch.finfo(dist.mean.dtype).tiny)
        return ((chosen(dist.steps, dist.damping) - dist.mean) / half).abs().amax(dim=(1, 2))


def newton_steps(
    space: ActionSpace,
    start: Tensor,
    residuals: Tensor,
    centre: Tensor,
    there: Tensor,
    changed: Tensor,
    answers: Tensor,
) -> Tensor:
    """Where steps from `start` lead, one per damping, within the bounds: (B, T, V, A).

    At `start` (B, V, A) the residuals are (B, R); their slopes are told from candidates `changed` (B, M, V, A) with
    residuals `answers` (B, M, R) around `centre` (B, V, A) with residuals `there` (B, R). A candidate with a residual
    that is not finite says nothing.
    """
    half = space.half_range.clamp(min=torch.finfo(start.dtype).tiny)
    moves = ((changed - centre[:, None]) / half).flatten(2).double()  # (B, M, N), N = V A
    slopes = (answers - there[:, None]).nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)  # (B, M, R)
    residual = residuals.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)
    # Least change of the commands that explains the moves: J = slopes' (moves moves')^-1 moves, ridge against ties.
    gram = moves @ moves.mT
    lift = torch.cholesky_solve(moves, torch.linalg.cholesky(ridge(gram, 1e-6)))  # (B, M, N)
    curvature = lift.mT @ (slopes @ slopes.mT).double() @ lift
    slope = (lift.mT @ (slopes @ residual[..., None]).double()).squeeze(-1)
    low, high = (((bound - start) / half).flatten(1).double() for bound in (space.low, space.high))
    units = bounded_minima(torch.stack([ridge(curvature, share) for share in DAMPINGS], dim=1), slope, low, high)
    return space.clip(start[:, None] + half * units.to(start.dtype).view(len(start), -1, *start.shape[1:]))


def ridge(matrices: Tensor, share: float) -> Tensor:
    """Matrices (B, N, N) with `share` of their mean diagonal added to the diagonal."""
    size = matrices.shape[-1]
    mean = matrices.diagonal(dim1=-2, dim2=-1).mean(dim=-1).clamp(min=1e-30)
    eye = torch.eye(size, dtype=matrices.dtype, device=matrices.device)
    return matrices + (share * mean)[:, None, None] * eye


def bounded_minima(curvatures: Tensor, slope: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Nearly the minima (B, T, N) of slope' x + x' curvature x / 2 between `low` <= 0 and `high` >= 0, all (B, N), for
    each of the curvatures (B, T, N, N).
    """
    slope, low, high = slope[:, None], low[:, None], high[:, None]
    diagonal = torch.diag_embed(curvatures.diagonal(dim1=-2, dim2=-1))
    x = torch.zeros_like(slope).expand(curvatures.shape[:-1])
    for _ in range(PASSES):
        downhill = -(slope + (curvatures @ x[..., None]).squeeze(-1))
        free = ~(((x <= low) & (downhill < 0)) | ((x >= high) & (downhill > 0)))
        # What is held at a bound keeps only its diagonal, and has nowhere to go.
        reduced = torch.where(free[..., :, None] & free[..., None, :], curvatures, diagonal)
        step = torch.cholesky_solve((downhill * free)[..., None], torch.linalg.cholesky(reduced)).squeeze(-1)
        x = (x + step).clamp(low, high)
    return x


def roots(costs: Tensor) -> Tensor:
    """Costs (B, K) of unknown making as squares of one residual each, (B, K, 1).

    A linearised root vanishes where Polyak's step leads (Introduction to Optimization, 1987, sec. 5.3). Costs below
    zero count from as far below the lowest as the highest lies above it.
    """
    costs = costs.double()
    lowest, highest = costs.amin(dim=1, keepdim=True), costs.amax(dim=1, keepdim=True)
    floor = torch.where(lowest < 0, 2.0 * lowest - highest, 0.0)
    return (costs - floor).clamp(min=0.0).sqrt()[..., None]


@lru_cache(maxsize=64)
@torch.inference_mode(False)
def smooth_directions(count: int, variables: int, dims: int) -> Tensor:
    """`count` cosines along time, (1, count, variables, dims), the slowest of every dimension first; all of them
    span everything.
    """
    time = (torch.arange(variables, dtype=torch.float64) + 0.5) * (math.pi / variables)
    waves = torch.cos(torch.arange(variables, dtype=torch.float64)[:, None] * time)
    every = torch.einsum("kv,ad->kavd", waves, torch.eye(dims, dtype=torch.float64))
    return every.reshape(variables * dims, variables, dims)[None, :count].float()
