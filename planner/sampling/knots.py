"""Few numbers for many commands: curves through knots in time.

A command is a weighted sum of at most four knots, so a curve costs a few element-wise products whatever its
kind. Cubic pieces are Hermite's with slopes from the neighbouring knots (Catmull and Rom, "A class of local
interpolating splines", 1974, for knots at any times): smooth to the first derivative, and a knot moves the
curve only near itself. Splines as a planner's variables: Howell et al., "Predictive Sampling", arXiv
2212.00541, sec. 3.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from forearm.errors import InputError

INTERPOLATIONS = ("zero", "linear", "cubic")


@dataclass(frozen=True, eq=False)
class Knots:
    """Curves through V knots, read at S slots of time.

    `weights` (S, V): slot s is `weights[s] @ knots`; each row sums to one. `index` and `weight`, both (S, T),
    are its T <= 4 columns that are not zero.
    """

    weights: NDArray[np.float64]
    index: NDArray[np.int64]
    weight: NDArray[np.float64]

    def curve(self, knots: Tensor) -> Tensor:
        """Curves (..., S, A) through knots (..., V, A); a cubic one may leave the knots' range.

        Element-wise products added in a fixed order: no row's rounding depends on the others.
        """
        index = torch.as_tensor(self.index, device=knots.device)
        weight = torch.as_tensor(self.weight, dtype=knots.dtype, device=knots.device)
        total = knots.index_select(-2, index[:, 0]) * weight[:, 0, None]
        for tap in range(1, index.shape[1]):
            total = total + knots.index_select(-2, index[:, tap]) * weight[:, tap, None]
        return total


def make_knots(knots: int | tuple[float, ...], interpolation: str, slots: int, period: float) -> Knots:
    """Curves read at `slots` times, `period` seconds apart, the first at 0.

    `knots` holds their times in seconds, or says how many there are, evenly spaced: each then holds an equal
    share of the slots (`zero`), or the first lies on the first slot and the last on the last (`linear`,
    `cubic`). Before the first knot and after the last the curve is level.

    Raises `ValueError` for a knot after the last slot, which nothing would show.
    """
    reads = np.arange(slots) * period
    if isinstance(knots, int):
        # In whole slots, so that a slot at a knot's very time does not fall before it by rounding.
        last = slots - 1 if interpolation != "zero" else slots * (knots - 1) / knots
        times = np.asarray(np.linspace(0.0, last, knots), dtype=np.float64)
        reads = np.arange(slots, dtype=np.float64)
    else:
        times = np.asarray(knots, dtype=np.float64)
        if times[-1] > reads[-1] + 1e-9 * period:
            raise InputError(
                f"knots[{len(times) - 1}] is at {times[-1]:g} s, but the last step begins at {reads[-1]:g} s"
            )
    return _sparse(weights_at(np.asarray(reads, dtype=np.float64), times, interpolation))


def weights_at(reads: NDArray[np.float64], times: NDArray[np.float64], interpolation: str) -> NDArray[np.float64]:
    """Weights (S, V) of knots at `times` (V,), in rising order, in the curve at `reads` (S,)."""
    count = len(times)
    here = np.clip(np.searchsorted(times, reads + 1e-9, side="right") - 1, 0, count - 1)
    unit = np.eye(count)
    if interpolation == "zero" or count == 1:
        return unit[here]
    left = np.minimum(here, count - 2)
    width = np.diff(times)[left]
    u = np.clip((reads - times[left]) / width, 0.0, 1.0)[:, None]
    start, end = unit[left], unit[left + 1]
    if interpolation == "linear":
        return start * (1.0 - u) + end * u
    before, after = np.maximum(np.arange(count) - 1, 0), np.minimum(np.arange(count) + 1, count - 1)
    slopes = (unit[after] - unit[before]) / (times[after] - times[before])[:, None]
    bend_start, bend_end = slopes[left] * width[:, None], slopes[left + 1] * width[:, None]
    return (
        start * (2 * u**3 - 3 * u**2 + 1)
        + bend_start * (u**3 - 2 * u**2 + u)
        + end * (3 * u**2 - 2 * u**3)
        + bend_end * (u**3 - u**2)
    )


def _sparse(weights: NDArray[np.float64]) -> Knots:
    taps = max(int((weights != 0).sum(axis=1).max()), 1)
    # The columns in use first, in their order; unused taps weigh nothing.
    index = np.argsort(weights == 0, axis=1, kind="stable")[:, :taps]
    return Knots(weights, index, np.take_along_axis(weights, index, axis=1))
