"""Candidates carried out: was there a good one among them, and did the search choose it?"""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from forearm.diagnosis.cells import Moment

if TYPE_CHECKING:
    from forearm.diagnosis.costs import PositionCost
    from forearm.diagnosis.futures import TrueFutures

Array = NDArray[np.float64]
ELITES = 0.125
"""Share of an iteration's candidates that count as its elites where a planner does not say."""


@dataclass(frozen=True)
class PoolFigures:
    """Of one plan, whose candidates were carried out from its very start.

    Attributes:
        solved: whether any candidate brought success.
        nearer_m: how much nearer to the goal the best one ended than the plan began.
        chosen_nearer_m: the same of the one that was chosen.
        regret_m: executed cost of the chosen one less that of the best, by positions.
        spearman: rank correlation of predicted and executed cost over all; None where one of them does not vary.
        spearman_elites: the same within the elites of the last iteration.
        spearman_iterations: the same within each iteration.
        predicted, realised: (H',) the task's own cost along the chosen candidate, on the model and as it came.
        optimism: how much dearer the chosen candidate came than predicted, less the mean of that over all candidates,
            in standard deviations of the predicted costs. Above 0 where a search picks what the model is wrong about.
    """

    solved: bool
    nearer_m: float
    chosen_nearer_m: float
    regret_m: float
    spearman: float | None
    spearman_elites: float | None
    spearman_iterations: list[float | None]
    predicted: list[float]
    realised: list[float]
    optimism: float | None

    def numbers(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def carry_out(
    moment: Moment, futures: "TrueFutures", geometry: "PositionCost", elites: int | None, most: int
) -> tuple[PoolFigures, dict[str, Any]]:
    """Carry out the candidates of a plan, at most `most`, spread evenly over the ranks of each iteration.

    `futures` draws what comes, which is returned too; `elites` of an iteration is the planner's own number, if it has
    one.
    """
    record = moment.recorded
    share = max(2, most // len(record.costs))
    kept = [evenly(costs, share) for costs in record.costs]
    iteration = np.repeat(np.arange(len(kept)), [len(k) for k in kept])
    actions = np.concatenate([a[k] for a, k in zip(record.actions, kept, strict=True)])
    predicted = np.concatenate([c[k] for c, k in zip(record.costs, kept, strict=True)])
    commands = torch.as_tensor(actions, dtype=torch.float32)[None]
    came = futures.rollout(moment.state, commands)
    executed = geometry.total(came["positions"][0])
    realised = plain(record.inner.cost(came, commands))[0]
    ends = came["distances"][0, :, -1]
    chosen = int(np.where(np.isfinite(predicted), predicted, np.inf).argmin())
    last = np.flatnonzero(iteration == iteration[-1])
    among = last[np.argsort(predicted[last], kind="stable")][: elites or max(3, round(ELITES * len(last)))]
    best = commands[:, chosen : chosen + 1]
    gap = realised - predicted
    scale = float(predicted.std())
    figures = PoolFigures(
        solved=bool(came["solved"][0].any()),
        nearer_m=float(moment.distance_m - ends.min()),
        chosen_nearer_m=float(moment.distance_m - ends[chosen]),
        regret_m=float(executed[chosen] - executed.min()),
        spearman=spearman(predicted, executed),
        spearman_elites=spearman(predicted[among], executed[among]),
        spearman_iterations=[spearman(predicted[iteration == i], executed[iteration == i]) for i in range(len(kept))],
        predicted=curve(record.inner, moment.dynamics.rollout(moment.state, best), best),
        realised=curve(record.inner, {"latents": came["latents"][:, chosen : chosen + 1]}, best),
        optimism=float(gap[chosen] - gap.mean()) / scale if scale > 0 and np.isfinite(gap).all() else None,
    )
    return figures, came


def pool_positions(came: dict[str, Any], frameskip: int) -> tuple[torch.Tensor, Array]:
    """Latents (N, D) of what came, and where things were then, (N, P, 3) in m."""
    where = came["positions"][:, :, frameskip - 1 :: frameskip]
    return came["latents"].flatten(0, 2), where.reshape(-1, *where.shape[3:])


def evenly(costs: Array, most: int) -> NDArray[np.int64]:
    """Indices of at most `most` of the costs (K,), the lowest first, then evenly down the ranks."""
    order = np.argsort(np.where(np.isfinite(costs), costs, np.inf), kind="stable")
    return order[np.unique(np.linspace(0, len(order) - 1, min(most, len(order))).round().astype(int))]


def spearman(one: Array, other: Array) -> float | None:
    """Rank correlation of two (N,); None where either does not vary or fewer than three are finite."""
    from scipy.stats import spearmanr

    fine = np.isfinite(one) & np.isfinite(other)
    if fine.sum() < 3 or np.ptp(one[fine]) == 0 or np.ptp(other[fine]) == 0:
        return None
    return float(spearmanr(one[fine], other[fine]).statistic)


def curve(objective: Any, trajectory: Any, commands: torch.Tensor) -> list[float]:
    """(H',) of the only candidate; empty where the cost has no curve."""
    values = objective.curve(trajectory, commands)
    return [] if values is None else [float(x) for x in plain(values)[0, 0]]


def plain(values: Any) -> Array:
    """An array of doubles."""
    return np.asarray(values.detach().cpu() if isinstance(values, torch.Tensor) else values, dtype=np.float64)
