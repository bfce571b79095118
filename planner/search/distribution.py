"""What a search believes, from one iteration to the next."""

from dataclasses import dataclass, fields, replace
from typing import TypeVar

import torch
from torch import Tensor


@dataclass(frozen=True)
class Distribution:
    """What a search believes. `mean` (B, V, A) is its proposal; subclasses add fields, tensors with
    leading B.
    """

    mean: Tensor

    def where(self: "D", learned: Tensor, old: "D") -> "D":
        """Self in the problems where `learned` (B,) holds, and the `old` distribution in the others."""
        rows = {}
        for field in fields(self):
            new, before = getattr(self, field.name), getattr(old, field.name)
            if isinstance(new, Tensor) and isinstance(before, Tensor) and new.shape == before.shape:
                rows[field.name] = torch.where(learned.view(-1, *[1] * (new.ndim - 1)), new, before)
        return replace(self, **rows)


D = TypeVar("D", bound=Distribution)
