"""A prior over commands: what was usually done between a latent and a goal latent, p(actions | latent, goal latent).

Trained on the data that the world model was trained on, by hindsight: whatever an episode came to was a goal that its
commands led to (Andrychowicz et al., "Hindsight Experience Replay", NeurIPS 2017; goal-conditioned imitation: Lynch et
al., "Learning Latent Plans from Play", CoRL 2019). A planner that draws a share of its candidates from it searches
where behaviour is plausible: PRISM, arXiv 2606.07974.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Generator, Tensor, nn


@dataclass(frozen=True)
class PriorConfig:
    """Sizes of the prior and of its training.

    `horizon`: H, control steps of commands that it proposes. `frameskip`: control steps per latent step. `width`,
    `depth`: of the network. `least_std`: no command is ever predicted more surely than this, in command units.
    `steps`, `batch`, `rate`: of AdamW.
    """

    horizon: int = 20
    frameskip: int = 2
    width: int = 256
    depth: int = 2
    least_std: float = 0.02
    steps: int = 2000
    batch: int = 256
    rate: float = 1e-3

    def __post_init__(self) -> None:
        """Raise ValueError for a size that cannot be."""
        for name in ("horizon", "frameskip", "width", "depth", "steps", "batch"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.least_std <= 0 or self.rate <= 0:
            raise ValueError(f"least_std and rate must be positive, got {self.least_std} and {self.rate}")


class ActionPrior(nn.Module):
    """A diagonal Gaussian over the next H commands, given a latent and a goal latent (D)."""

    def __init__(self, latent_dim: int, action_dim: int, config: PriorConfig) -> None:
        super().__init__()
        self.config, self.action_dim = config, action_dim
        sizes = [2 * latent_dim] + [config.width] * config.depth
        layers: list[nn.Module] = []
        for before, after in pairwise(sizes):
            layers += [nn.Linear(before, after), nn.LayerNorm(after), nn.SiLU()]
        self.body = nn.Sequential(*layers, nn.Linear(sizes[-1], 2 * config.horizon * action_dim))

    def forward(self, latents: Tensor, goals: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation, both (N, H, A), of latents (N, D) and goals (N, D)."""
        out = self.body(torch.cat([latents, goals], dim=-1)).view(len(latents), 2, self.config.horizon, self.action_dim)
        return out[:, 0], self.config.least_std + nn.functional.softplus(out[:, 1])

    @torch.no_grad()
    def sample(self, latents: Tensor, goals: Tensor, generators: Sequence[Generator], count: int) -> Tensor:
        """`count` command sequences for each of B problems, (B, count, H, A); not clipped to any bounds.

        Noise for problem b comes from `generators[b]` only, and each problem is computed by itself, so that results do
        not depend on the batch.
        """
        rows = []
        for b, generator in enumerate(generators):
            mean, std = self(latents[b : b + 1], goals[b : b + 1])
            noise = torch.randn(
                (count, *mean.shape[1:]), generator=generator, dtype=mean.dtype, device=generator.device
            )
            rows.append(noise.to(mean.device) * std + mean)
        return torch.stack(rows)


def train_prior(
    latents: Tensor, actions: Tensor, config: PriorConfig, seed: int = 0
) -> tuple[ActionPrior, list[float]]:
    """A prior fitted to cached latents by maximum likelihood.

    Args:
        latents: (N, T, D), of N episodes of T latent steps.
        actions: (N, (T-1)·frameskip, A), the commands between them, one a control step.
        config: sizes.
        seed: of the initial weights and of which windows are seen.

    Returns:
        The prior, in evaluation mode, and the loss of each step: the mean negative log-likelihood of one dimension of
        a command, in nats.

    Raises:
        ValueError: shapes that do not fit each other, or episodes shorter than the horizon.
    """
    episodes, length, dims = latents.shape
    if actions.ndim != 3 or actions.shape[:2] != (episodes, (length - 1) * config.frameskip):
        raise ValueError(
            f"latents {tuple(latents.shape)} and frameskip {config.frameskip} ask for actions "
            f"({episodes}, {(length - 1) * config.frameskip}, A), got {tuple(actions.shape)}"
        )
    latent_steps = -(-config.horizon // config.frameskip)
    if length <= latent_steps:
        raise ValueError(f"episodes of {length} latent steps are too short for a horizon of {latent_steps}")
    draw = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        prior = ActionPrior(dims, actions.shape[-1], config).to(latents.device)
    optimizer = torch.optim.AdamW(prior.parameters(), lr=config.rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, config.steps)
    windows = actions.unfold(1, config.horizon, config.frameskip).transpose(-1, -2)  # (N, starts, H, A)
    losses = []
    for _ in range(config.steps):
        episode = torch.randint(episodes, (config.batch,), generator=draw)
        start = torch.randint(windows.shape[1], (config.batch,), generator=draw)
        # Goals from the next latent step to the end of the horizon; what comes after a goal is not its way there.
        ahead = torch.randint(1, latent_steps + 1, (config.batch,), generator=draw)
        mean, std = prior(latents[episode, start], latents[episode, start + ahead])
        error = (windows[episode, start] - mean) / std
        nats = 0.5 * error.square() + std.log() + 0.5 * math.log(2 * math.pi)
        counts = (torch.arange(config.horizon) < config.frameskip * ahead[:, None]).to(nats)[..., None]
        loss = (nats * counts).sum() / (counts.sum() * actions.shape[-1])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(prior.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        losses.append(loss.detach())
    return prior.eval().requires_grad_(False), torch.stack(losses).tolist()
