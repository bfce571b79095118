"""How many control steps it takes from a latent to a goal latent, learned from unlabelled episodes.

A distance in latent space says how alike two frames look; this says how soon one can become the other, also where the
way leads round something, as round a puck to its far side. Three heads that answer the same call:

- `ReachabilityDistance` classifies, by hindsight, how many steps later a goal was seen, or that it was not, and takes
  the discounted chance of arriving as a distance. Steps as labels: Hartikainen et al., "Dynamical Distance Learning",
  ICLR 2020; as classes: Eysenbach et al., "Search on the Replay Buffer", NeurIPS 2019; discounted chance of a future
  state: Eysenbach et al., "C-Learning", ICLR 2021.
- `QuasimetricDistance` is the largest quasimetric in which no single step is longer than 1: Wang et al., "Optimal
  Goal-Reaching Reinforcement Learning via Quasimetric Learning", ICML 2023, on the embedding of Wang and Isola,
  "Interval Quasimetric Embeddings", 2022.
- `ValueDistance`, in `value.py`, is the value of the best ways that parts of episodes make together.

Shown the whole of a goal, they learn above all how soon the arm can be where the arm is in it, which is what most
moments of a recording differ by; a search then takes the arm there and leaves the object alone. `ReachabilityDistance`
can be shown only what is slow, the object's place, see `slow_features.py`.
"""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn

from forearm.common import checks
from forearm.errors import InputError
from forearm.world_model.config import ONE_OF
from forearm.world_model.heads.action_prior import network
from forearm.world_model.heads.fitting import POSITIVE, Fitting
from forearm.world_model.heads.slow_features import SlowFeatures
from forearm.world_model.heads.trajectories import Trajectories, noisy

KINDS = ("reachability", "quasimetric", "value")
SHARE = checks.worded(checks.real, "{name} must be a share between {above:g} and {below:g}, got {value}")
BETWEEN = checks.worded(checks.real, "{name} must lie between {least:g} and {below:g}, got {value}")
NOT_NEGATIVE = checks.worded(checks.real, "{name} must not be negative, got {value}")
FROM_0 = "slow and moved must be numbers from 0 up, got {value}"


@dataclass(frozen=True)
class DistanceConfig(Fitting):
    """Sizes of a distance, control steps from a latent to a goal latent, and of its training.

    Attributes:
        kind: `reachability`, `quasimetric` or `value`.
        farthest: control steps beyond which everything is far.
        width: units of a layer of the network.
        depth: layers of the network.
        elsewhere: share of goals from other episodes.
        noise: added to latents in training, as a standard deviation: planning asks about predicted ones.
        patience: control steps after which the chance of arriving (reachability) or a step (value) counts for 1/e.
        stride: control steps from one moment to the next, in value.
        expectile: how much the better of what followed counts, in value: 0.5 for all alike, below 1.
        slow: slow features that reachability sees of a goal, as in the prior; 0: the whole latent.
        moved: with slow: a goal whose features are no further than this, in standard deviations, is reached.
    """

    kind: str = checks.setting("reachability", ONE_OF, known=KINDS)
    farthest: int = checks.setting(40, checks.integer, least=1)
    width: int = checks.setting(256, checks.integer, least=1)
    depth: int = checks.setting(2, checks.integer, least=1)
    elsewhere: float = checks.setting(0.3, SHARE, above=0.0, below=1.0)
    noise: float = checks.setting(0.15, NOT_NEGATIVE, least=0.0)
    patience: float = checks.setting(5.0, POSITIVE, above=0.0)
    stride: int = checks.setting(1, checks.integer, least=1)
    expectile: float = checks.setting(0.9, BETWEEN, least=0.5, below=1.0)
    slow: int = checks.setting(0, checks.worded(checks.integer, FROM_0), least=0)
    moved: float = checks.setting(0.5, checks.worded(checks.real, FROM_0), least=0.0)

    def __post_init__(self) -> None:
        """Raise ValueError for a setting that cannot be."""
        super().__post_init__()
        if self.slow and self.kind != "reachability":
            raise InputError(
                f"distance.slow={self.slow} is for distance.kind=reachability; '{self.kind}' sees whole goals: set "
                "distance.slow=0"
            )


class Distance(nn.Module):
    """What every learned distance answers."""

    def __init__(self, config: DistanceConfig) -> None:
        super().__init__()
        self.config = config

    def forward(self, latents: Tensor, goals: Tensor) -> Tensor:
        """Control steps (N,) from latents (N, D) to goals (N, D)."""
        raise NotImplementedError

    def loss(self, data: Trajectories, draw: Generator) -> Tensor:
        """What training lowers, on one random batch."""
        raise NotImplementedError

    def prepare(self, data: Trajectories, stride: int) -> None:
        """Whatever is to be found out of the data before the training; `stride` as for `train_distance`."""


class ReachabilityDistance(Distance):
    """A distribution over steps 0 to `farthest` and "beyond", turned into -patience · log E[exp(-steps / patience)].

    That is a soft minimum over the ways seen: detours of an exploring behaviour count for less than its short ways.
    """

    def __init__(self, latent_dim: int, config: DistanceConfig) -> None:
        super().__init__(config)
        self.slow = SlowFeatures(latent_dim, config.slow) if config.slow else None
        inputs = latent_dim + 2 * (config.slow or latent_dim)
        self.body = network(inputs, config.farthest + 2, config.width, config.depth)

    def prepare(self, data: Trajectories, stride: int) -> None:
        """Find the slow features."""
        if self.slow is not None:
            self.slow.fit(data, stride)

    def logits(self, latents: Tensor, goals: Tensor) -> Tensor:
        """Of 0, 1, … `farthest` steps, and beyond: (N, farthest + 2)."""
        if self.slow is None:
            seen = torch.cat([goals, goals - latents], dim=-1)
        else:
            seen = self.slow.towards(latents, goals)
        return self.body(torch.cat([latents, seen], dim=-1))

    def forward(self, latents: Tensor, goals: Tensor) -> Tensor:
        """Control steps (N,), at most those that "beyond" stands for."""
        chances = torch.log_softmax(self.logits(latents, goals), dim=-1)
        # "Beyond" counts as twice the farthest.
        steps = torch.arange(chances.shape[-1], device=chances.device, dtype=chances.dtype)
        steps[-1] = 2.0 * self.config.farthest
        return -self.config.patience * torch.logsumexp(chances - steps / self.config.patience, dim=-1)

    def loss(self, data: Trajectories, draw: Generator) -> Tensor:
        """Cross-entropy in nats."""
        config = self.config
        rows, ahead = data.pairs(config.batch, config.farthest, draw)
        ahead = torch.where(torch.rand(config.batch, generator=draw) < 1.0 / config.farthest, 0, ahead)
        goals = rows + ahead
        other = torch.rand(config.batch, generator=draw) < config.elsewhere
        anywhere = torch.randint(len(data.latents), (config.batch,), generator=draw)
        goals = torch.where(other, anywhere, goals)
        classes = torch.where(other, config.farthest + 1, ahead)
        if self.slow is not None:
            there = self.slow.moved(data.latents[rows], data.latents[goals]) <= config.moved
            classes = torch.where(there, 0, classes)
        latents = noisy(data.latents[rows], config.noise, draw)
        return nn.functional.cross_entropy(self.logits(latents, data.latents[goals]), classes)


class QuasimetricDistance(Distance):
    """An interval quasimetric embedding: zero to itself, keeps the triangle inequality, need not be symmetric."""

    components, intervals = 8, 8

    def __init__(self, latent_dim: int, config: DistanceConfig) -> None:
        super().__init__(config)
        self.body = network(latent_dim, self.components * self.intervals, config.width, config.depth)
        self.mixture = nn.Parameter(torch.zeros(()))
        self.multiplier = nn.Parameter(torch.tensor(1.0))

    def embed(self, latents: Tensor) -> Tensor:
        """(…, D) to (…, components, intervals)."""
        return self.body(latents).unflatten(-1, (self.components, self.intervals))

    def between(self, start: Tensor, end: Tensor) -> Tensor:
        """Distances (N,) of embeddings: by component, how much the intervals [start, max(start, end)] cover together.

        Components are put together by a learned mixture of their maximum and their mean.
        """
        lows, order = start.sort(dim=-1)
        highs = torch.maximum(start, end).gather(-1, order)
        covered = torch.cat([lows[..., :1], highs.cummax(dim=-1).values[..., :-1]], dim=-1)
        lengths = (highs - torch.maximum(lows, covered)).clamp(min=0.0).sum(dim=-1)
        share = torch.sigmoid(self.mixture)
        return share * lengths.amax(dim=-1) + (1.0 - share) * lengths.mean(dim=-1)

    def forward(self, latents: Tensor, goals: Tensor) -> Tensor:
        """Control steps (N,)."""
        return self.between(self.embed(latents), self.embed(goals))

    def loss(self, data: Trajectories, draw: Generator) -> Tensor:
        """Pushes random pairs apart, up to `farthest`, while single steps stay at most 1: QRL, eq. 10 and 11."""
        config = self.config
        rows, _ = data.pairs(config.batch, 1, draw)
        here, following = self.embed(data.latents[rows]), self.embed(data.latents[rows + 1])
        goals = self.embed(data.latents[torch.randint(len(data.latents), (config.batch,), generator=draw)])
        apart = nn.functional.softplus(config.farthest - self.between(here, goals), beta=0.2).mean()
        too_long = (self.between(here, following) - 1.0).clamp(min=0.0).square().mean() - 0.25**2
        weight = nn.functional.softplus(self.multiplier)
        return apart + weight.detach() * too_long - weight * too_long.detach()
