"""How far ahead a world model still ranks commands better than chance."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from forearm.diagnosis.pools import plain, spearman

if TYPE_CHECKING:
    from forearm.diagnosis.costs import PositionCost
    from forearm.diagnosis.futures import Explored, Eyes

Array = NDArray[np.float64]
RESAMPLES = 2000


@dataclass(frozen=True)
class Ranking:
    """Rank correlation by control steps ahead, with a bootstrap interval over the starts.

    Attributes:
        steps: (T,) control steps ahead.
        spearman: (T,) mean over starts; NaN where nothing moved differently.
        low, high: (T,) 95 % interval of that mean.
        range_steps: the farthest of `steps` up to which every lower bound that is known lies above 0; else 0.
    """

    steps: list[int]
    spearman: list[float | None]
    low: list[float | None]
    high: list[float | None]
    range_steps: int


def rank_targets(eyes: "Eyes", explored: "Explored", geometry: "PositionCost") -> list[float | None]:
    """How well predictions rank commands for targets 1, 2, … latent steps ahead, from one start.

    Each way that the explorer went makes a target: where it was after t steps. All ways are ranked by the task's own
    cost towards it, as the model predicts them, and by how near they came. The rank correlation is averaged over the
    targets.

    Args:
        eyes: the world model, which has been shown the start as episode 0.
        explored: K ways (K, T, …) from that start.
        geometry: says which things count.
    """
    problem = eyes.problem([0])
    ways = len(explored.actions)
    commands = torch.as_tensor(explored.actions, dtype=torch.float32)[None]
    before = [np.zeros(commands.shape[-1])] * ways
    found: list[float | None] = []
    with torch.inference_mode():
        predicted = problem.dynamics.rollout(problem.state, commands)[0]
        for t in range(predicted.shape[1]):
            objective = eyes.toward(explored.latents[:, t + 1].to(predicted), before)
            led = predicted[None, :, t : t + 1].expand(ways, -1, -1, -1)
            so_far = commands[:, :, : (t + 1) * eyes.frameskip].expand(ways, -1, -1, -1)
            guess, true = plain(objective.cost(led, so_far)), geometry.between(explored.positions[:, t + 1])
            values = [spearman(np.delete(guess[j], j), np.delete(true[j], j)) for j in range(ways)]
            known = [value for value in values if value is not None]
            found.append(float(np.mean(known)) if known else None)
    return found


def summary(found: list[list[float | None]], frameskip: int, seed: int = 0) -> Ranking:
    """Of the curves (T,) of several starts."""
    rng = np.random.default_rng(seed)
    table = np.array([[np.nan if x is None else x for x in row] for row in found], dtype=np.float64)
    means: list[float | None] = []
    low: list[float | None] = []
    high: list[float | None] = []
    for column in table.T:
        known = column[np.isfinite(column)]
        if len(known) < 2:
            for curve in (means, low, high):
                curve.append(None)
            continue
        drawn = rng.choice(known, (RESAMPLES, len(known))).mean(1)
        means.append(float(known.mean()))
        low.append(float(np.quantile(drawn, 0.025)))
        high.append(float(np.quantile(drawn, 0.975)))
    steps = [frameskip * (t + 1) for t in range(table.shape[1])]
    reached = 0
    for step, bound in zip(steps, low, strict=True):
        if bound is not None and bound <= 0:
            break
        reached = step if bound is not None else reached  # where nothing moved there was nothing to rank
    return Ranking(steps, means, low, high, reached)
