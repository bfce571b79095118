"""The margin of a gate, from pools in which what the search chose and what the prior would do were both carried out."""

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from forearm.evaluation.statistics import exact_paired_p

if TYPE_CHECKING:
    from forearm.world_model.heads.pools import Pools

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Margin:
    """By how much a plan must be predicted to be cheaper than the prior's own to be carried out in place of it.

    Attributes:
        margin: in units of the planner's cost, such as `task.guided.gate` takes; infinite where nothing pays.
        pools: from which it was calibrated, and as many again, or one fewer, on which it was tested.
        overruled: share of those tested in which the search overrules the prior.
        nearer_m: how much nearer the goal it then comes, on average, by positions.
        always_nearer_m: the same of overruling always.
        p: of an exact paired test on those in which it overrules: nearer against further.
    """

    margin: float
    pools: int
    overruled: float
    nearer_m: float
    always_nearer_m: float
    p: float

    def numbers(self) -> dict[str, Any]:
        """Plain values for JSON; an infinite margin as the word that the setting takes."""
        return asdict(self) | {"margin": "inf" if math.isinf(self.margin) else self.margin}


def margin_of(pools: "Pools") -> Margin | None:
    """Calibrated on every other episode and tested on those between; None without plans of the prior's own, or with
    one episode alone.

    The margin is that beyond which overruling brought most in all; where it brings nothing on the episodes between,
    nothing is overruled.
    """
    own = pools.own.numpy() > 0
    numbers = np.unique(pools.episodes.numpy()[own])
    if len(numbers) < 2:
        return None
    costs, executed = (values.double().numpy()[own] for values in (pools.costs, pools.executed))
    promised, brought = costs[:, 1] - costs[:, 0], executed[:, 1] - executed[:, 0]
    first = np.isin(pools.episodes.numpy()[own], numbers[::2])
    found = best_margin(promised[first], brought[first])
    tested = promised[~first] > found
    gains = brought[~first][tested]
    p = exact_paired_p(int((gains > 0).sum()), int((gains < 0).sum()))
    nearer = float(gains.mean()) if len(gains) else 0.0
    margin = found if nearer > 0 else math.inf
    return Margin(margin, int(first.sum()), float(tested.mean()), nearer, float(brought[~first].mean()), p)


def best_margin(promised: Array, brought: Array) -> float:
    """The least margin from 0 up with the largest sum of what was `brought` (N,) beyond it; infinite where none is
    above 0.

    Half way between two promises, so that it does not hang on one.
    """
    order = np.argsort(-promised, kind="stable")
    order = order[promised[order] > 0]
    total = np.cumsum(brought[order])
    if not len(total) or total.max() <= 0:
        return math.inf
    last = len(total) - 1 - int(total[::-1].argmax())
    if last == len(total) - 1:
        return 0.0
    return float(promised[order[last : last + 2]].mean())
