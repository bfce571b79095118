"""From trajectories to costs that can be trusted, and the best candidate so far."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from forearm.errors import InputError
from forearm.planner.problem import Objective, Problem
from forearm.planner.sampling.arrays import FLOATS


class Scores(NamedTuple):
    """Costs of one iteration (B, K).

    `finite`: the costs, with each one that was NaN or infinite replaced by the worst finite cost of its
    problem (zero where there is none). `ranked`: the same, but infinite where the cost was bad, so that a
    bad candidate cannot win even a tie. `bad` (B,): how many were, and `usable` (B,): whether any was finite; both
    None where it is known that all are good, which only the CPU can tell without stalling a queue. `residuals`
    (B, K, R), where they were asked for and the objective has some: the costs are the sums of their squares. `lowest`:
    which candidate of each problem has the lowest cost, and that, where the CPU has looked already.
    """

    finite: Tensor
    ranked: Tensor
    bad: Tensor | None = None
    usable: Tensor | None = None
    residuals: Tensor | None = None
    lowest: list[tuple[int, float]] | None = None


def as_tensor(values: Any, device: torch.device) -> Tensor:
    """Whatever a model returned, as a tensor on `device`; arrays may be read-only or have negative
    strides.
    """
    if not isinstance(values, Tensor):
        array = np.asarray(values)
        if not array.flags.writeable or min(array.strides, default=0) < 0:
            array = array.copy()
        values = torch.from_numpy(array)
    return values.to(device)


def residuals_of(objective: Objective, trajectory: Any, commands: Tensor) -> Tensor | None:
    """Residuals (B, K, R) whose squares add up to the cost, if the objective can tell; else None.

    Raises `ValueError` when it returns anything else.
    """
    residuals = getattr(objective, "residuals", None)
    values = None if residuals is None else residuals(trajectory, commands)
    if values is None:
        return None
    values = as_tensor(values, commands.device)
    if values.ndim != 3 or values.shape[:2] != commands.shape[:2]:
        raise InputError(
            f"objective.residuals returned shape {tuple(values.shape)}; expected (B, K, R), "
            f"(B, K) = {tuple(commands.shape[:2])}"
        )
    return values


def score(objective: Objective, trajectory: Any, commands: Tensor, residuals: bool = False) -> Scores:
    """Costs of B problems times K candidates whose `commands` are (B, K, H, A), with `residuals` if they are wanted.

    Raises `ValueError` when the objective returns anything but (B, K) numbers.
    """
    if residuals and (values := residuals_of(objective, trajectory, commands)) is not None:
        return _graded(values.square().sum(dim=2), commands)._replace(residuals=values)
    return _graded(objective.cost(trajectory, commands), commands)


def _graded(costs: Any, commands: Tensor) -> Scores:
    if not (isinstance(costs, Tensor) and costs.is_cpu and commands.is_cpu):
        costs = as_tensor(costs, commands.device)
    expected = commands.shape[:2]
    if costs.shape != expected:
        raise InputError(f"objective.cost returned shape {tuple(costs.shape)}; expected (B, K) = {tuple(expected)}")
    if costs.dtype not in FLOATS:
        if costs.is_complex():
            raise InputError("objective.cost returned complex numbers; expected real ones")
        costs = costs.to(torch.float32)
    if costs.is_cpu:
        plain = costs.detach() if costs.requires_grad else costs
        lowest = lowest_of_finite(plain.numpy())
        if lowest is not None:
            return Scores(costs, plain, lowest=lowest)
    finite = torch.isfinite(costs)
    usable = finite.any(dim=1)
    worst = torch.where(finite, costs, -torch.inf).amax(dim=1, keepdim=True)
    worst = torch.where(usable[:, None], worst, 0.0)
    return Scores(
        finite=torch.where(finite, costs, worst),
        ranked=torch.where(finite, costs, torch.inf).detach(),
        bad=(~finite).sum(dim=1),
        usable=usable,
    )


def lowest_of_finite(values: NDArray[Any]) -> list[tuple[int, float]] | None:
    """Where the lowest of each row of (B, K) is, and what; None if any number is not finite, of which the lowest and
    the highest of a row tell, both being NaN if any is.
    """
    found = []
    for row in values:
        index = int(row.argmin())
        cost = float(row[index])
        if not (math.isfinite(cost) and math.isfinite(row[row.argmax()])):
            return None
        found.append((index, cost))
    return found


def evaluate(
    problem: Problem, commands: Tensor, differentiating: str | None, residuals: bool = False
) -> tuple[Any, Scores]:
    """Trajectory and costs of `commands` (B, K, H, A), with residuals if they are wanted.

    `differentiating` names the planner that wants gradients, if one does: then raises `ValueError` where the
    dynamics or the objective does not let them through.
    """
    if differentiating is None:
        trajectory = problem.dynamics.rollout(problem.state, commands)
        return trajectory, score(problem.objective, trajectory, commands, residuals)
    message = (
        f"planner {differentiating!r} follows gradients, but none come back through "
        f"{type(problem.dynamics).__name__}.rollout and {type(problem.objective).__name__}.cost: "
        "both must be torch operations on the commands, outside no_grad and inference_mode"
    )
    try:
        trajectory = problem.dynamics.rollout(problem.state, commands)
        scores = score(problem.objective, trajectory, commands)
    except RuntimeError as error:
        # What torch says of .numpy() on a tensor with a gradient, and of tensors made in inference mode.
        if any(words in str(error).lower() for words in ("requires grad", "require grad", "inference tensor")):
            raise InputError(f"{message} ({str(error).splitlines()[0]})") from error
        raise
    if not scores.finite.requires_grad:
        raise InputError(message)
    return trajectory, scores


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
                    self._trajectories[b] = map_trajectory(lambda x: one(x, b, index), trajectory)  # noqa: B023
            costs.append(cost)
        self._costs.append(costs)

    def costs(self) -> list[list[float]]:
        """What was noted."""
        return self._costs

    def best(self) -> Best:
        """From what was taken out."""
        if len(self._lowest) == 1:
            return Best(self._commands[0], self._trajectories[0])
        trajectory = map_trajectory(lambda *rows: torch.cat(rows), *self._trajectories)
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
        taken = map_trajectory(lambda x: chosen(x, index).unsqueeze(1), trajectory)
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
        return Best(commands, map_trajectory(pick, *(best.trajectory for best in self._found)))


def one(values: Tensor, b: int, index: int) -> Tensor:
    """Of values (B, K, ...), a copy of number `index` of problem b: (1, 1, ...), without a gradient."""
    if values.requires_grad:
        values = values.detach()
    if len(values) > 1:
        values = values.narrow(0, b, 1)
    return values.narrow(1, index, 1).clone()


def chosen(values: Tensor, index: Tensor) -> Tensor:
    """Of values (B, K, ...), number `index[b]` of problem b: (B, ...), without a gradient."""
    rows = row_numbers(values.shape[0], values.device)
    return values.detach()[rows, index.to(values.device)]


@cache
def row_numbers(count: int, device: torch.device) -> Tensor:
    """0, 1, ..., count - 1."""
    with torch.inference_mode(False):
        return torch.arange(count, device=device)


def map_trajectory(function: Callable[..., Tensor], *trajectories: Any) -> Any:
    """Apply `function` to the arrays in trajectories of the same build: tensors, dicts, tuples or lists
    of them.

    Returns None for a trajectory of any other type: its best candidate cannot be taken out, so it has no
    curve.
    """
    first = trajectories[0]
    if isinstance(first, Tensor):
        return function(*trajectories)
    if isinstance(first, dict):
        parts = {key: map_trajectory(function, *(t[key] for t in trajectories)) for key in first}
        return None if any(part is None for part in parts.values()) else parts
    if type(first) in (tuple, list):
        items = [map_trajectory(function, *group) for group in zip(*trajectories, strict=True)]
        return None if any(item is None for item in items) else type(first)(items)
    if isinstance(first, np.ndarray):
        return function(*(as_tensor(t, torch.device("cpu")) for t in trajectories)).numpy()
    return None


def cost_curve(objective: Objective, best: Best) -> NDArray[np.float64] | None:
    """The predicted cost of the best candidates along the horizon (B, H'), if the objective can tell."""
    curve = getattr(objective, "curve", None)
    if curve is None or best.trajectory is None:
        return None
    values = curve(best.trajectory, best.commands)
    return None if values is None else np.asarray(as_tensor(values, torch.device("cpu"))[:, 0].detach().double())
