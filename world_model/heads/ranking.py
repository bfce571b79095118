"""A ranking head: which of several predicted ways really comes nearer to the goal, learned from executed pools.

A cost of predicted latents believes in predictions. This head has seen where they were wrong: it is trained to put the
candidates of a pool into the order in which what they really came to lies, most of all those that the planner's own
cost had in the wrong order. Executed outcomes as labels: D-JEPA (arXiv 2609.24749); a planner's own failures as
negatives: Traj-LeWM (arXiv 2608.14125).
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor, nn

from forearm.common import checks
from forearm.errors import InputError
from forearm.world_model.config import ONE_OF
from forearm.world_model.heads.action_prior import network
from forearm.world_model.heads.fitting import Fitting, OnStep, fit
from forearm.world_model.heads.pools import LABELS, Pools
from forearm.world_model.heads.trajectories import noisy

FROM_0 = "{name} must be a number from 0 up, got {value}"


@dataclass(frozen=True)
class RankingConfig(Fitting):
    """Sizes of the ranking, and of its training.

    Attributes:
        label: what says which candidate came nearer: `distance`, the learned one, or `slow` features.
        apart: pairs count whose labels differ by this share of their pool's standard deviation.
        failures: how much more a pair counts that the planner's own cost has in the wrong order.
        noise: added to latents in training, as a standard deviation.
        width: units of a layer of the network.
        depth: layers of the network.
    """

    steps: int = checks.setting(3000, checks.integer, least=1)
    label: str = checks.setting("distance", ONE_OF, known=LABELS)
    apart: float = checks.setting(0.2, checks.worded(checks.real, FROM_0), least=0.0)
    failures: float = checks.setting(1.0, checks.worded(checks.real, FROM_0), least=0.0)
    noise: float = checks.setting(0.05, checks.worded(checks.real, FROM_0), least=0.0)
    width: int = checks.setting(256, checks.integer, least=1)
    depth: int = checks.setting(2, checks.integer, least=1)


class Ranking(nn.Module):
    """Scores of ways of M predicted latents from a latent toward a goal: lower is better, of spread 1 in a pool.

    Args:
        latent_dim: D.
        steps: M.
        config: sizes.
    """

    scale: Tensor

    def __init__(self, latent_dim: int, steps: int, config: RankingConfig) -> None:
        super().__init__()
        self.latent_dim, self.steps, self.config = latent_dim, steps, config
        self.body = network((steps + 3) * latent_dim, 1, config.width, config.depth)
        self.register_buffer("scale", torch.ones(()))

    def forward(self, ways: Tensor, latents: Tensor, goals: Tensor) -> Tensor:
        """(N,) of ways (N, M, D), from latents (N, D) to goals (N, D)."""
        moved = (ways - latents[:, None]).flatten(1)
        seen = torch.cat([latents, goals, goals - ways[:, -1], moved], dim=-1)
        return self.body(seen)[:, 0] / self.scale

    def of_pools(self, pools: Pools) -> Tensor:
        """Scores (N, K) of all candidates."""
        count = pools.costs.shape[1]
        here, there = (part.repeat_interleave(count, dim=0) for part in (pools.latents, pools.goals))
        return self(pools.predicted.flatten(0, 1), here, there).view(-1, count)


def train_ranking(
    pools: Pools, config: RankingConfig, seed: int = 0, on_step: OnStep = lambda step: None
) -> tuple[Ranking, list[float]]:
    """A ranking fitted to pools by a pairwise logistic loss, in evaluation mode, and the loss of each step.

    Raises ValueError where the pools have no such label, or it does not vary.
    """
    label = getattr(pools, config.label)
    spread = label.std(dim=1, keepdim=True)
    if not bool(torch.isfinite(label).all()):
        raise InputError(f"ranking.label={config.label}: the heads that these pools were drawn with have none")
    rows = torch.nonzero(spread[:, 0] > 0)[:, 0]
    if not len(rows):
        raise InputError(f"ranking.label={config.label} is the same for all candidates of every pool: draw others")
    count, steps = label.shape[1], pools.predicted.shape[2]

    def loss(head: Ranking, draw: Generator) -> Tensor:
        n = rows[torch.randint(len(rows), (config.batch,), generator=draw)]
        i, j = torch.randint(count, (2, config.batch), generator=draw)
        truly = label[n, i] - label[n, j]
        wrongly = (pools.costs[n, i] - pools.costs[n, j]) * truly <= 0
        weights = (1.0 + config.failures * wrongly) * (truly.abs() > config.apart * spread[n, 0])
        here, there = noisy(pools.latents[n], config.noise, draw), pools.goals[n]
        one, other = (head(noisy(pools.predicted[n, k], config.noise, draw), here, there) for k in (i, j))
        wrong = nn.functional.softplus(-(one - other) * truly.sign())
        return (weights * wrong).sum() / weights.sum().clamp_min(1.0)

    head, losses = fit(lambda: Ranking(pools.latents.shape[1], steps, config), loss, config, seed, on_step)
    head.scale.copy_(head.of_pools(pools).std(dim=1).mean().clamp_min(1e-6))
    return head, losses


@torch.no_grad()
def ranking_report(head: Ranking, held_out: Pools) -> dict[str, Any]:
    """What a ranking is worth on pools that it was not trained on.

    `ranking_ordered` and `cost_ordered`: share of pairs of candidates with different labels that ranking, or the
    planner's cost, has in their order. `ranking_m`, `cost_m`, `best_m`: the cost by positions, in m, of the candidate
    that either would choose, and of the best; `prior_m`: of the prior's own plan, where there is one.
    """
    label, scores = getattr(held_out, head.config.label), head.of_pools(held_out)
    found: dict[str, Any] = {
        "ranking_ordered": _ordered(scores, label),
        "cost_ordered": _ordered(held_out.costs, label),
        "ranking_m": _picked(held_out, scores),
        "cost_m": _picked(held_out, held_out.costs),
        "best_m": _picked(held_out, held_out.executed),
    }
    if bool((held_out.own > 0).all()):
        found["prior_m"] = round(float(held_out.executed[:, 1].double().mean()), 4)
    return found


def _ordered(scores: Tensor, label: Tensor) -> float:
    """Share of pairs (N, K, K) in order."""
    truly = label[:, :, None] - label[:, None]
    agree = (scores[:, :, None] - scores[:, None]) * truly > 0
    return round(float(agree[truly != 0].double().mean()), 4)


def _picked(pools: Pools, scores: Tensor) -> float:
    """Mean cost by positions, in m, of the candidates with the lowest scores (N, K)."""
    best = scores.nan_to_num(nan=torch.inf).argmin(dim=1, keepdim=True)
    return round(float(pools.executed.gather(1, best).double().mean()), 4)
