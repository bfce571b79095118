"""How long the best way to a goal takes, where no episode has gone all of it: a value function on latents.

A step costs 1 until the goal is reached. What is to come after a stride is the value of where it led, so that a way may
be put together from parts of several episodes; an expectile above the mean leaves out the strides that led astray,
without ever asking about a command that was not given: implicit Q-learning (Kostrikov et al., ICLR 2022), without
commands and with hindsight goals as in HIQL (Park et al., NeurIPS 2023, eq. 4) and OGBench's GCIVL (Park et al.,
ICLR 2025, app. C).
"""

import copy
import math

import torch
from torch import Generator, Tensor, nn

from forearm.world_model.heads.action_prior import network
from forearm.world_model.heads.distance import Distance, DistanceConfig
from forearm.world_model.heads.trajectories import Trajectories, noisy

HERE = 0.2
"""Share of goals that are where one is: what is reached costs nothing."""
FOLLOWED = 0.005
"""How much nearer the slow copy comes to the network in each step."""


class ValueDistance(Distance):
    """Two networks, of which the one that sees the longer way is believed, and slow copies that give the targets."""

    def __init__(self, latent_dim: int, config: DistanceConfig) -> None:
        super().__init__(config)
        self.body = nn.ModuleList(network(3 * latent_dim, 1, config.width, config.depth) for _ in range(2))
        self.slow: nn.ModuleList = copy.deepcopy(self.body).requires_grad_(False)

    def forward(self, latents: Tensor, goals: Tensor) -> Tensor:
        """Discounted control steps (N,): n of them count for about n as long as n is well below `patience`."""
        return self.config.stride * torch.stack(self._strides(self.slow, latents, goals)).amax(dim=0)

    def loss(self, data: Trajectories, draw: Generator) -> Tensor:
        """Expectile regression of both networks on a stride and what the slow copies say of where it led."""
        config = self.config
        self._follow()
        rows = data.moments(config.batch, config.stride, draw)
        goals = self._goals(data, rows, draw)
        there = ((goals - rows >= 0) & (goals - rows < config.stride)).to(data.latents)
        here = noisy(data.latents[rows], config.noise, draw)
        after, wanted = data.latents[rows + config.stride], data.latents[goals]
        with torch.no_grad():
            going = 1.0 - there
            following = [going * (1.0 + self._discount * ahead) for ahead in self._strides(self.slow, after, wanted)]
            usual = torch.stack(self._strides(self.slow, here, wanted)).mean(dim=0)
            better = torch.stack(following).amax(dim=0) <= usual
            weight = torch.where(better, config.expectile, 1.0 - config.expectile)
        found = self._strides(self.body, here, wanted)
        losses = [(weight * (f - aim).square()).mean() for f, aim in zip(found, following, strict=True)]
        return torch.stack(losses).sum()

    @property
    def _discount(self) -> float:
        """Of one stride."""
        return math.exp(-self.config.stride / self.config.patience)

    @staticmethod
    def _strides(networks: nn.ModuleList, latents: Tensor, goals: Tensor) -> list[Tensor]:
        """Discounted strides (N,), as each of the networks sees it."""
        seen = torch.cat([latents, goals, goals - latents], dim=-1)
        return [one(seen)[:, 0] for one in networks]

    def _goals(self, data: Trajectories, rows: Tensor, draw: Generator) -> Tensor:
        """Where one is, later moments of the same episode, the nearer the likelier, and moments from anywhere."""
        count, config = len(rows), self.config
        kind = torch.rand(count, generator=draw)
        ahead = torch.rand(count, generator=draw).clamp_min(1e-9).log().mul(-config.patience).long() + 1
        later = rows + torch.minimum(ahead, data.left[rows])
        anywhere = torch.randint(len(data.latents), (count,), generator=draw)
        return torch.where(kind < HERE, rows, torch.where(kind < 1.0 - config.elsewhere, later, anywhere))

    @torch.no_grad()
    def _follow(self) -> None:
        for slow, fast in zip(self.slow.parameters(), self.body.parameters(), strict=True):
            slow.lerp_(fast, FOLLOWED)
