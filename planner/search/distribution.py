"""What a search believes, from one iteration to the next; of many, no more than the best sequence seen."""

from dataclasses import dataclass, fields, replace
from typing import TypeVar

import torch
from torch import Tensor

from forearm.planner.sampling import arrays


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


@dataclass(frozen=True)
class BestSeen(Distribution):
    """`mean` (B, V, A) is the best sequence seen; `cost` (B,) is its cost."""

    cost: Tensor


def nothing_seen(mean: Tensor) -> BestSeen:
    """Only a proposal (B, V, A), of unknown cost."""
    return BestSeen(mean, mean.new_full((len(mean),), torch.inf))


def best_of_both(dist: BestSeen, samples: Tensor, costs: Tensor) -> BestSeen:
    """The best of `samples` (B, K, V, A) where it is better than the best seen before."""
    return BestSeen(*arrays.fit(arrays.lower, samples, costs, (dist.mean, dist.cost)))
