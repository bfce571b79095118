"""The training loop that all heads share: AdamW down a cosine, from a seed of its own."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Generator, Tensor, nn

from forearm.errors import InputError

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

    steps: int = 4000
    batch: int = 256
    rate: float = 1e-3


def check_fitting(config: Fitting, *sizes: str) -> None:
    """Raise ValueError for settings of a training that cannot be, and for a field of `sizes` below 1."""
    for name in (*sizes, "steps", "batch"):
        if getattr(config, name) < 1:
            raise InputError(f"{name} must be at least 1, got {getattr(config, name)}")
    if config.rate <= 0:
        raise InputError(f"rate must be positive, got {config.rate}")


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
