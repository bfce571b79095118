"""Nested values: tensors and arrays in dicts, tuples, lists and dataclasses, as states and trajectories are."""

from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from forearm.planner.problem import as_tensor

CPU = torch.device("cpu")


def tensors_in(value: Any, path: str = "") -> list[tuple[str, Tensor]]:
    """Every tensor and array in `value`, as tensors, with where it was found."""
    if isinstance(value, Tensor | np.ndarray):
        return [(path, as_tensor(value, value.device if isinstance(value, Tensor) else CPU))]
    if isinstance(value, dict):
        items = [(f" [{key!r}]", item) for key, item in value.items()]
    elif isinstance(value, tuple | list):
        items = [(f" [{i}]", item) for i, item in enumerate(value)]
    elif is_dataclass(value):
        items = [(f" .{field.name}", getattr(value, field.name)) for field in fields(value)]
    else:
        return []
    return [leaf for name, item in items for leaf in tensors_in(item, path + name)]


def mapped(value: Any, function: Callable[[Tensor], Tensor]) -> Any:
    """`value` with every tensor and array in it mapped; None where there is something else in it."""
    if isinstance(value, Tensor):
        return function(value)
    if isinstance(value, np.ndarray):
        return function(as_tensor(value, CPU)).numpy()
    if isinstance(value, dict):
        return {key: mapped(item, function) for key, item in value.items()}
    if type(value) in (tuple, list):
        return type(value)(mapped(item, function) for item in value)
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{f.name: mapped(getattr(value, f.name), function) for f in fields(value)})
    return None


def all_tensors(value: Any) -> bool:
    """Whether there is nothing in `value` but tensors, and None."""
    if value is None or isinstance(value, Tensor):
        return True
    if isinstance(value, dict):
        return all(map(all_tensors, value.values()))
    if type(value) in (tuple, list):
        return all(map(all_tensors, value))
    return is_dataclass(value) and all(all_tensors(getattr(value, field.name)) for field in fields(value))


def shape_of(value: Any) -> tuple[int, ...]:
    """Its shape, as a tuple of numbers."""
    return tuple(value.shape if isinstance(value, Tensor) else np.shape(value))


def kind_of(error: Exception) -> str:
    """The name of its class."""
    return type(error).__name__


def same(one: Any, other: Any) -> bool:
    """Whether two values are of one build, type and device, with the same numbers to the bit; NaN is like NaN."""
    pairs = _pairs(one, other)
    return pairs is not None and all(
        a.dtype == b.dtype and bool(((a == b) | ((a != a) & (b != b))).all()) for a, b in pairs
    )


def near(one: Any, other: Any) -> bool:
    """Whether two values are of one build, with about the same numbers."""
    pairs = _pairs(one, other)
    return pairs is not None and all(close(a, b) for a, b in pairs)


def close(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors hold about the same numbers."""
    return torch.allclose(one.double(), other.double(), rtol=1e-3, atol=1e-4, equal_nan=True)


def _pairs(one: Any, other: Any) -> Sequence[tuple[Tensor, Tensor]] | None:
    left, right = tensors_in(one), tensors_in(other)
    if [(path, leaf.shape, leaf.device) for path, leaf in left] != [(p, leaf.shape, leaf.device) for p, leaf in right]:
        return None
    return [(a, b) for (_, a), (_, b) in zip(left, right, strict=True)]
