"""Nested values, as states and trajectories are: tensors and arrays in dicts, (named) tuples, lists and dataclasses."""

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from forearm.planner.problem import as_tensor

CPU = torch.device("cpu")


def tree_map(function: Callable[..., Tensor], *trees: Any) -> Any:
    """Apply `function` to the tensors of values of the same build, one of each; arrays come and go as arrays.

    What is neither a tensor nor an array stays as it is in the first of them. A dataclass is copied without its
    `__post_init__`.
    """
    first = trees[0]
    if isinstance(first, Tensor):
        return function(*trees)
    if isinstance(first, np.ndarray):
        return function(*(as_tensor(tree, CPU) for tree in trees)).numpy()
    parts = _parts(first)
    if parts is None:
        return first
    others = [_parts(tree) or {} for tree in trees[1:]]
    return _like(first, [tree_map(function, part, *(o[label] for o in others)) for label, part in parts.items()])


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Everything in `value` that holds nothing else, with where it was found."""
    parts = None if isinstance(value, Tensor) else _parts(value)
    if parts is None:
        yield path, value
    else:
        for label, part in parts.items():
            yield from leaves(part, path + label)


def tensors_in(value: Any) -> list[tuple[str, Tensor]]:
    """Every tensor and array in `value`, as tensors, with where it was found."""
    found = [(path, leaf) for path, leaf in leaves(value) if isinstance(leaf, Tensor | np.ndarray)]
    return [(path, as_tensor(leaf, leaf.device if isinstance(leaf, Tensor) else CPU)) for path, leaf in found]


def all_tensors(value: Any) -> bool:
    """Whether there is nothing in `value` but tensors, and None."""
    return all(leaf is None or isinstance(leaf, Tensor) for _, leaf in leaves(value))


def all_arrays(value: Any) -> bool:
    """Whether there is nothing in `value` but tensors and arrays."""
    return isinstance(value, Tensor) or all(isinstance(leaf, Tensor | np.ndarray) for _, leaf in leaves(value))


def _parts(value: Any) -> dict[str, Any] | None:
    """What a value is made of, by where that is; None if it holds nothing else."""
    if isinstance(value, dict):
        return {f" [{key!r}]": item for key, item in value.items()}
    if isinstance(value, tuple | list):
        return {f" [{i}]": item for i, item in enumerate(value)}
    if is_dataclass(value) and not isinstance(value, type):
        return {f" .{field.name}": getattr(value, field.name) for field in fields(value)}
    return None


def _like(value: Any, parts: Iterable[Any]) -> Any:
    """A value of the same build, made of other parts."""
    if isinstance(value, dict):
        return dict(zip(value, parts, strict=True))
    if isinstance(value, tuple | list):
        return getattr(value, "_make", type(value))(parts)  # the class of a named tuple wants its fields one by one
    other = copy.copy(value)
    for field, part in zip(fields(value), parts, strict=True):
        object.__setattr__(other, field.name, part)
    return other


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
