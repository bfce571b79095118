"""What a search has found: the best candidates, and the lowest cost of every iteration."""

import math
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from forearm.planner.problem import Objective, as_tensor
from forearm.planner.pytree import tree_map
from forearm.planner.sampling.candidates import chosen, one
from forearm.planner.search.evaluation import Scores


@dataclass(frozen=True)
class Best:
    """The best candidate of each problem: `commands` (B, 1, H, A), `trajectory` (B, 1, ...)."""

    commands: Tensor
    trajectory: Any


class Record:
    """The best candidate of each of B problems so far, and the lowest cost of every iteration."""

    def add(self, scores: Scores, commands: Tensor, trajectory: Any, running: list[bool] | None) -> None:
        """An iteration's costs (B, K), commands (B, K, H, A) and trajectory; only `running` problems (B,) count, all of
        them if None. Of the first iteration, candidate 0 stands for a problem where no cost is finite.
        """
        raise NotImplementedError

    def costs(self) -> list[list[float]]:
        """The lowest costs of the iterations (N, B), infinite where there was none or the problem did not count."""
        raise NotImplementedError

    def so_far(self) -> list[list[float]]:
        """The lowest cost of each problem up to each iteration (B, N)."""
        return [list(accumulate(costs, min)) for costs in zip(*self.costs(), strict=True)]

    def best(self) -> Best:
        """The first of the lowest in each problem."""
        raise NotImplementedError


class HostRecord(Record):
    """On the CPU, which sees at once whether an iteration has found anything, and else has nothing to take out."""

    def __init__(self, batch: int) -> None:
        self._costs: list[list[float]] = []
        self._lowest = [math.inf] * batch
        self._commands: list[Any] = [None] * batch
        self._trajectories: list[Any] = [None] * batch

    def add(self, scores: Scores, commands: Tensor, trajectory: Any, running: list[bool] | None) -> None:
        """Take out what is better than all before."""
        costs = []
        found = scores.lowest or [(int(row.argmin()), float(row.min())) for row in scores.ranked.numpy()]
        for b, (index, cost) in enumerate(found):
            if running is not None and not running[b]:
                cost = math.inf
            if cost < self._lowest[b] or not self._costs:
                self._lowest[b] = cost
                self._commands[b] = one(commands, b, index)
                if trajectory is not None:
                    self._trajectories[b] = tree_map(lambda x: one(x, b, index), trajectory)  # noqa: B023
            costs.append(cost)
        self._costs.append(costs)

    def costs(self) -> list[list[float]]:
        """What was noted."""
        return self._costs

    def best(self) -> Best:
        """From what was taken out."""
        if len(self._lowest) == 1:
            return Best(self._commands[0], self._trajectories[0])
        trajectory = tree_map(lambda *rows: torch.cat(rows), *self._trajectories)
        return Best(torch.cat(self._commands), trajectory)


class DeviceRecord(Record):
    """On an accelerator, where to look at a cost is to wait for it: the best of each iteration is kept to the end."""

    def __init__(self) -> None:
        self._lowest: list[Tensor] = []
        self._found: list[Best] = []

    def add(self, scores: Scores, commands: Tensor, trajectory: Any, running: list[bool] | None) -> None:
        """Take out the best of this iteration."""
        cost, index = scores.ranked.min(dim=1)
        if running is not None:
            cost = torch.where(torch.tensor(running, device=cost.device), cost, torch.inf)
        taken = tree_map(lambda x: chosen(x, index).unsqueeze(1), trajectory)
        self._lowest.append(cost)
        self._found.append(Best(chosen(commands, index).unsqueeze(1), taken))

    def costs(self) -> list[list[float]]:
        """Fetched from the accelerator."""
        costs: list[list[float]] = torch.stack(self._lowest).double().tolist()
        return costs

    def best(self) -> Best:
        """The best of the best."""
        first = torch.stack(self._lowest).cpu().numpy().argmin(axis=0).tolist()

        def pick(*values: Tensor) -> Tensor:
            return torch.stack([values[i][b] for b, i in enumerate(first)])

        commands = pick(*(best.commands for best in self._found))
        return Best(commands, tree_map(pick, *(best.trajectory for best in self._found)))


def cost_curve(objective: Objective, best: Best) -> NDArray[np.float64] | None:
    """The predicted cost of the best candidates along the horizon (B, H'), if the objective can tell."""
    curve = getattr(objective, "curve", None)
    if curve is None or best.trajectory is None:
        return None
    values = curve(best.trajectory, best.commands)
    return None if values is None else np.asarray(as_tensor(values, torch.device("cpu"))[:, 0].detach().double())
