"""The training loop that all heads share: AdamW down a cosine, from a seed of its own."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Generator, Tensor, nn

from forearm.common import checks

POSITIVE = checks.worded(checks.real, "{name} must be positive, got {value}")
M = TypeVar("M", bound=nn.Module)
OnStep = Callable[[int], None]
"""Called after each step with how many are done."""


@dataclass(frozen=True)
class Fitting:
    """Settings of AdamW.

    Attributes:
        steps: of the training.
        batch: examples per step.
        rate: the peak of the learning rate.
    """

    steps: int = checks.setting(4000, checks.integer, least=1)
    batch: int = checks.setting(256, checks.integer, least=1)
    rate: float = checks.setting(1e-3, POSITIVE, above=0.0)

    def __post_init__(self) -> None:
        """Raise ValueError for a setting that cannot be."""
        checks.settings(self)


def fit(
    make: Callable[[], M],
    loss: Callable[[M, Generator], Tensor],
    config: Fitting,
    seed: int,
    on_step: OnStep = lambda step: None,
) -> tuple[M, list[float]]:
    """The module that `make` returns, trained on `loss(module, draw)`, in evaluation mode; and the losses.

    Initial weights and the stream `draw` depend on `seed` alone, and torch's own stream is left as it was.
    Raises FloatingPointError when the loss is no longer finite.
    """
    draw = Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = make()
    optimizer = torch.optim.AdamW(module.parameters(), lr=config.rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, config.steps)
    losses = []
    for step in range(config.steps):
        value = loss(module, draw)
        if not bool(torch.isfinite(value)):
            raise FloatingPointError(f"the loss is not finite at step {step}: lower rate")
        optimizer.zero_grad(set_to_none=True)
        value.backward()
        nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        losses.append(float(value.detach()))
        on_step(step + 1)
    return module.eval().requires_grad_(False), losses
