"""Candidates taken out of a batch by their numbers."""

from functools import cache

import torch
from torch import Tensor


def one(values: Tensor, b: int, index: int) -> Tensor:
    """Of values (B, K, ...), a copy of number `index` of problem b: (1, 1, ...), without a gradient."""
    if values.requires_grad:
        values = values.detach()
    if len(values) > 1:
        values = values.narrow(0, b, 1)
    return values.narrow(1, index, 1).clone()


def chosen(values: Tensor, index: Tensor) -> Tensor:
    """Of values (B, K, ...), number `index[b]` of problem b: (B, ...), without a gradient."""
    rows = row_numbers(values.shape[0], values.device)
    return values.detach()[rows, index.to(values.device)]


def choose(values: Tensor, index: Tensor) -> Tensor:
    """Of values (B, N, ...), those with numbers `index` (B, E): (B, E, ...)."""
    if values.shape[0] == 1:
        return values.index_select(1, index.view(-1))
    return values[row_numbers(values.shape[0], values.device)[:, None], index]


@cache
def row_numbers(count: int, device: torch.device) -> Tensor:
    """0, 1, ..., count - 1."""
    with torch.inference_mode(False):
        return torch.arange(count, device=device)
