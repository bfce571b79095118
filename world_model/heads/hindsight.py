"""Which moments of recordings make examples: whatever an episode came to was a goal that its way led to."""

import torch
from torch import Generator, Tensor

from forearm.errors import InputError
from forearm.world_model.heads.slow_features import SlowFeatures
from forearm.world_model.heads.trajectories import Trajectories

OVERDRAWN = 5
"""Pairs of moments that are drawn for one that is used, where some are not."""


def goal_pairs(
    data: Trajectories,
    count: int,
    draw: Generator,
    farthest: int,
    slow: SlowFeatures | None = None,
    moved: float = 0.0,
    named: str = "prior",
) -> tuple[Tensor, Tensor]:
    """`count` moments or fewer, and how far ahead their goals are, up to `farthest` control steps.

    Only those whose `slow` features are `moved` standard deviations apart at least: where an object did move.

    Returns:
        Rows (N,) of the latents, and control steps (N,).

    Raises ValueError, which speaks of the setting `named`.moved, where nothing moves as far as that.
    """
    if slow is None or not moved:
        return data.pairs(count, farthest, draw)
    rows, ahead = data.pairs(OVERDRAWN * count, farthest, draw)
    change = slow.moved(data.latents[rows], data.latents[rows + ahead])
    kept = torch.nonzero(change >= moved)[:count, 0]
    if not len(kept):
        raise InputError(
            f"{named}.moved={moved}: of {len(rows)} pairs of moments none is that far apart in its slow "
            f"features, up to {farthest} control steps later: lower {named}.moved or raise {named}.farthest"
        )
    return rows[kept], ahead[kept]
