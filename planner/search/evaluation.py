"""From commands to trajectories, and to costs that can be trusted."""

import math
from typing import Any, NamedTuple

import torch
from numpy.typing import NDArray
from torch import Tensor

from forearm.errors import InputError
from forearm.planner.problem import Objective, Problem, as_tensor, residuals_of
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
        cost = row.item(index)
        if not (math.isfinite(cost) and math.isfinite(row.item(row.argmax()))):
            return None
        found.append((index, cost))
    return found


def evaluate(problem: Problem, commands: Tensor, residuals: bool = False) -> tuple[Any, Scores]:
    """Trajectory and costs of `commands` (B, K, H, A), with residuals if they are wanted; without gradients."""
    if torch.is_grad_enabled():
        with torch.no_grad():
            return evaluate(problem, commands, residuals)
    trajectory = problem.dynamics.rollout(problem.state, commands)
    return trajectory, score(problem.objective, trajectory, commands, residuals)


def evaluate_with_gradients(problem: Problem, commands: Tensor, planner: str) -> tuple[Any, Scores]:
    """The same, with gradients, which the `planner` of that name wants.

    Raises `ValueError` where the dynamics or the objective does not let them through.
    """
    message = (
        f"planner {planner!r} follows gradients, but none come back through "
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
