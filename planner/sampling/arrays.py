"""Arithmetic on candidates, written once for the CPU and for accelerators.

With a few hundred candidates, arithmetic takes as long as the calls take, and a call of numpy takes less time than one
of torch. So on the CPU a formula gets the numbers of one problem as numpy arrays, which share the tensors' memory;
seeing no other problem, it cannot round by what is beside it. An accelerator, only quick with all rows at once, gets
tensors with a leading batch. Formulas are written in operators and the few functions below, on the last axes of

    samples (..., K, N)    costs (..., K)    a mean or a spread (..., N)    N = V A search variables

where `...` is nothing on the host; on an accelerator it is B, followed by 1 for what has only one more axis.
"""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Rows = Any
"""What formulas calculate with: an array of numpy or a tensor; a number, where that is all a row comes to."""

FLOATS = (torch.float32, torch.float64)


def on_host(values: Tensor) -> bool:
    """Whether numpy does the arithmetic: on the CPU, with types that it has."""
    return values.is_cpu and values.dtype in FLOATS


def fit(
    formula: Callable[..., tuple[Rows, ...]], samples: Tensor, costs: Tensor, old: tuple[Tensor, ...], *shared: Rows
) -> list[Tensor]:
    """What a formula makes of samples (B, K, V, A), their costs (B, K), and the `old` values of what it renews.

    Those, and what comes back for them, are (B,), (B, E), (B, V, A) or (B, E, V, A). `shared` are rows that all
    problems have in common, handed on as they are.
    """
    values = (samples, costs, *old)
    if not on_host(samples):
        new = formula(*[_device_rows(value) for value in values], *shared)
        return [row.reshape(value.shape) for row, value in zip(new, old, strict=True)]
    if torch.is_grad_enabled():
        values = tuple(value.detach() for value in values)
    arrays = [value.numpy() for value in values]
    if len(arrays[0]) == 1:
        new = formula(*[_host_rows(array[0]) for array in arrays], *shared)
    else:
        parts = [formula(*map(_host_rows, problem), *shared) for problem in zip(*arrays, strict=True)]
        new = tuple(np.stack(rows) for rows in zip(*parts, strict=True))
    return [torch.from_numpy(row.reshape(was.shape)) for row, was in zip(new, arrays[2:], strict=True)]


def _host_rows(array: NDArray[Any]) -> NDArray[Any]:
    axes = array.ndim
    if axes < 2:
        return array
    return array.ravel() if axes == 2 else array.reshape(len(array), array.shape[1] * array.shape[2])


def _device_rows(value: Tensor) -> Tensor:
    flat = value if value.ndim < 3 else value.flatten(-2)
    return flat if flat.ndim == 3 else flat.unsqueeze(1) if flat.ndim == 2 else flat[:, None, None]


def row(values: Tensor, times: int) -> Rows:
    """Values (A,) of every action dimension, `times` in a row, as formulas want it."""
    repeated = values.repeat(times)
    return repeated.numpy() if on_host(values) else repeated


@lru_cache(maxsize=64)
def ones(count: int) -> NDArray[np.float64]:
    """A product with these is a sum, and sooner done than one."""
    return np.ones(count)


def at_least(values: Rows, bound: Rows) -> Rows:
    """Each of them, or the bound where it is below."""
    if isinstance(values, np.ndarray):
        return np.maximum(values, bound)
    return torch.maximum(values, bound) if isinstance(bound, Tensor) else values.clamp(min=bound)


def above_lowest(costs: Rows) -> tuple[Rows, Rows]:
    """How far each cost (..., K) lies above the lowest, and the standard deviation (..., 1) of the costs, which is at
    least what rounding may make of equal ones. In double precision, where the squares of single precision's largest
    numbers are finite.
    """
    # The lowest being zero, the variance is no small difference of the two terms.
    if isinstance(costs, np.ndarray):
        if costs.dtype == np.float64:
            costs = costs.clip(-1e150, 1e150)
        lowest, count = costs.item(costs.argmin()), len(costs)
        above = np.subtract(costs, lowest, dtype=np.float64)
        variance = float(above.dot(above)) / count - (float(above.dot(ones(count))) / count) ** 2
        rounding = abs(lowest) * 8.0 * float(np.finfo(costs.dtype).eps) + 1e-300
        return above, max(math.sqrt(max(variance, 0.0)), rounding)
    wide = costs.double().clamp(-1e150, 1e150)
    low = wide.amin(dim=-1, keepdim=True)
    away = wide - low
    rounding_ = low.abs() * (8.0 * torch.finfo(costs.dtype).eps) + 1e-300
    return away, torch.maximum(away.std(dim=-1, correction=0, keepdim=True), rounding_)


def softmax(values: Rows, like: Rows) -> Rows:
    """E to the power of each of (..., K), none far above zero, over their sum, in the type of `like`."""
    if isinstance(values, np.ndarray):
        powers = np.exp(values)
        powers /= powers.dot(ones(len(powers)))
        return powers.astype(like.dtype)
    return torch.softmax(values, dim=-1).to(like.dtype)


def lowest_first(samples: Rows, costs: Rows, count: int) -> tuple[Rows, Rows]:
    """The `count` candidates (..., count, N) with the lowest costs (..., count), and those; the lowest first."""
    if isinstance(costs, np.ndarray):
        first = costs.argsort()[:count] if len(costs) < 1024 else costs.argpartition(count - 1)[:count]
        if len(costs) >= 1024:
            first = first[costs[first].argsort()]
        return samples.take(first, 0), costs.take(first)
    best = costs.topk(count, dim=-1, largest=False)
    return samples.take_along_dim(best.indices.mT, -2), best.values


def lower(samples: Rows, costs: Rows, best: Rows, cost: Rows) -> tuple[Rows, Rows]:
    """The best of samples (..., K, N) and its cost, where that is below the `cost` of the `best` (..., N) so far."""
    if isinstance(costs, np.ndarray):
        index = costs.argmin()
        now = cost.dtype.type(costs[index])
        return (samples[index].copy(), now) if now < cost else (best, cost)
    now, index = costs.min(dim=-1, keepdim=True)
    now = now.to(cost.dtype)
    better = now < cost
    return torch.where(better, samples.take_along_dim(index, -2), best), torch.where(better, now, cost)


def joined(first: tuple[Rows, Rows], second: tuple[Rows, Rows]) -> tuple[Rows, Rows]:
    """Candidates (..., E, N) with their costs (..., E), and others with theirs behind them."""
    (samples, costs), (more, more_costs) = first, second
    if isinstance(costs, np.ndarray):
        return np.concatenate((samples, more)), np.concatenate((costs, more_costs))
    return torch.cat((samples, more), dim=-2), torch.cat((costs, more_costs), dim=-1)


def moments(samples: Rows, weights: Rows) -> tuple[Rows, Rows]:
    """Mean and standard deviation (..., N) of samples (..., K, N) by weights (..., K) that sum to one."""
    mean = weights @ samples
    away = samples - mean
    away *= away
    return mean, (weights @ away) ** 0.5


def equal_weights(samples: Rows) -> Rows:
    """The same weight (..., K) for each of samples (..., K, N)."""
    if isinstance(samples, np.ndarray):
        return _equal(len(samples), samples.dtype.type)
    return samples.new_full((*samples.shape[:-2], 1, samples.shape[-2]), 1.0 / samples.shape[-2])


@lru_cache(maxsize=64)
def _equal(count: int, kind: type) -> NDArray[Any]:
    return np.full(count, 1.0 / count, kind)
