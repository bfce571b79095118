"""The problems of a batch computed apart, so that no number of one depends on those beside it.

Equal numbers can come out different in their last digits for where they lie. Torch computes the last few elements of a
tensor by another routine than the rest, and for some functions (atanh, silu, sigmoid, softplus, elu, exp2, …) the two
round differently. MKL adds up the products of a matrix and a vector in an order that depends on where in memory the
matrix begins. `docs/numerics.md` says which functions and products that is. So a problem gets tensors of its own: of
the same shape, and as well aligned, as if it were alone.
"""

from collections.abc import Callable

import torch
from torch import Tensor


def alone(values: Tensor, b: int) -> Tensor:
    """Problem b of values (B, ...), in memory of its own: (...)."""
    return _copy(values[b])


def together(rows: list[Tensor]) -> Tensor:
    """What was computed of problems apart, (...) each, as one tensor (B, ...).

    Gradients that come back go on in memory of their own, too: those of a stack are views of one tensor.
    """
    for row in rows:
        if row.requires_grad:
            row.register_hook(_copy)
    return torch.stack(rows)


def _copy(values: Tensor) -> Tensor:
    return values.clone(memory_format=torch.contiguous_format)


def products(rows: Tensor, matrix: Tensor) -> Tensor:
    """Rows (B, ..., D) times a matrix (D, K), problem by problem: (B, ..., K)."""
    return together([alone(rows, b) @ matrix for b in range(len(rows))])


def by_problem(function: Callable[..., tuple[Tensor, ...]], *values: Tensor) -> tuple[Tensor, ...]:
    """What a function makes of tensors (1, ...) of one problem, for each of B by itself, together again.

    An accelerator, only quick with all rows at once, gets the batch in one piece.
    """
    if values[0].is_cuda:
        return function(*values)
    parts = [function(*(alone(value, b)[None] for value in values)) for b in range(len(values[0]))]
    return parts[0] if len(parts) == 1 else tuple(torch.cat(rows) for rows in zip(*parts, strict=True))
