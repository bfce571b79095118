"""Single precision where half of it would not do."""

import torch
from torch import Tensor


def full_precision(values: Tensor) -> Tensor:
    """The values in single precision at least: halves become singles, doubles stay what they are."""
    return values.to(torch.promote_types(values.dtype, torch.float32))
