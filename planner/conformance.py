"""Does a Dynamics or an Objective of one's own keep the contract? One sentence for each way in which it does not.

    for sentence in check_dynamics(mine, state, low=[-1, -1], high=[1, 1], batch=3):
        print(sentence)

An empty list means that every planner works on it, in batches as well as one by one.
"""

import copy
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from planner.evaluation import as_tensor, residuals_of
from planner.trees import mapped, tensors_in

CANDIDATES = 7


def check_dynamics(
    dynamics: Any,
    state: Any,
    low: ArrayLike | Tensor,
    high: ArrayLike | Tensor,
    *,
    batch: int,
    horizon: int = 6,
    one: Callable[[Any, int], Any] | None = None,
    gradients: bool = False,
) -> list[str]:
    """What is wrong with `dynamics`, one sentence each; nothing, if it keeps the contract.

    `state` describes `batch` problems (two or more show more); `one(state, b)` takes problem b out of it as a state
    of a batch of one, and is only needed where the state is not tensors, arrays, or dataclasses, dicts and sequences
    of them. `low`, `high` (A,) bound the commands, of which `horizon` are tried. `gradients` asks for those too.
    """
    name = f"{type(dynamics).__name__}.rollout"
    if not callable(getattr(dynamics, "rollout", None)):
        return [f"{type(dynamics).__name__} has no method rollout(state, actions)."]
    actions = _commands(low, high, batch, horizon)
    before, kept = actions.clone(), copy.deepcopy(state)
    try:
        first = dynamics.rollout(state, actions)
    except Exception as error:
        return [f"{name} raises {type(error).__name__} for actions of shape (B, K, H, A) = {_shape(actions)}: {error}"]
    wrong = []
    if not torch.equal(before, actions):
        wrong.append(f"{name} changes the actions it is given in place: copy them first.")
        actions = before.clone()
    if not _same(kept, state):
        wrong.append(f"{name} changes the state it is given in place, so a second rollout starts elsewhere.")
        state = copy.deepcopy(kept)
    leaves = tensors_in(first)
    if not leaves:
        return [*wrong, f"{name} returns {type(first).__name__}, which holds no tensor or array: no cost curve then."]
    for path, leaf in leaves:
        if tuple(leaf.shape[:2]) != (batch, CANDIDATES):
            wrong.append(
                f"{name} returns{path} of shape {_shape(leaf)}; its leading dimensions must be "
                f"(B, K) = ({batch}, {CANDIDATES})."
            )
        if leaf.is_floating_point() and not bool(torch.isfinite(leaf).all()):
            wrong.append(f"{name} returns{path} with NaN or infinity for commands within the bounds.")
    if any("leading dimensions" in sentence for sentence in wrong):
        return wrong
    if not _same(first, dynamics.rollout(copy.deepcopy(kept), before.clone())):
        wrong.append(f"{name} returns something else the second time: it must be deterministic.")
        return wrong
    wrong += _rows(name, dynamics, kept, before, first, one)
    if gradients:
        wrong += _gradients(name, dynamics, kept, before)
    return wrong


def check_objective(objective: Any, trajectory: Any, actions: Tensor) -> list[str]:
    """What is wrong with `objective`, one sentence each, tried on a `trajectory` of `actions` (B, K, H, A)."""
    name = f"{type(objective).__name__}.cost"
    if not callable(getattr(objective, "cost", None)):
        return [f"{type(objective).__name__} has no method cost(trajectory, actions)."]
    before, kept = actions.clone(), copy.deepcopy(trajectory)
    try:
        costs = as_tensor(objective.cost(trajectory, actions), actions.device)
    except Exception as error:
        return [f"{name} raises {type(error).__name__} for actions of shape (B, K, H, A) = {_shape(actions)}: {error}"]
    wrong = []
    if not _same(before, actions) or not _same(kept, trajectory):
        wrong.append(f"{name} changes what it is given in place: copy it first.")
    expected = tuple(actions.shape[:2])
    if tuple(costs.shape) != expected:
        return [
            *wrong,
            f"{name} returns shape {_shape(costs)}; it must be (B, K) = {expected}, one cost per candidate.",
        ]
    if costs.is_complex():
        return [*wrong, f"{name} returns complex numbers; costs are real."]
    bad = int((~torch.isfinite(costs.double())).sum())
    if bad:
        wrong.append(f"{name} returns NaN or infinity for {bad} of {costs.numel()} candidates; none of them can win.")
    if not _same(costs, as_tensor(objective.cost(copy.deepcopy(kept), before.clone()), actions.device)):
        return [*wrong, f"{name} returns something else the second time: it must be deterministic."]
    order = torch.arange(actions.shape[1] - 1, -1, -1)
    turned = mapped(kept, lambda leaf: leaf[:, order.to(leaf.device)])
    if turned is not None:
        again = as_tensor(objective.cost(turned, before[:, order]), actions.device)
        if not torch.allclose(again.double(), costs.double()[:, order], rtol=1e-4, atol=1e-6, equal_nan=True):
            wrong.append(f"{name} gives a candidate another cost in another place: it must look at each one by itself.")
    curve = getattr(objective, "curve", None)
    values = None if curve is None else curve(copy.deepcopy(kept), before.clone())
    if values is not None and (np.ndim(values) != 3 or tuple(values.shape[:2]) != expected):
        wrong.append(f"{type(objective).__name__}.curve returns shape {_shape(values)}; it must be (B, K, H').")
    residuals = residuals_of(objective, copy.deepcopy(kept), before.clone())
    if residuals is not None and not torch.allclose(
        residuals.double().square().sum(dim=2), costs.double(), rtol=1e-3, atol=1e-6, equal_nan=True
    ):
        wrong.append(f"{type(objective).__name__}.residuals: their squares must add up to the costs.")
    return wrong


def _rows(name: str, dynamics: Any, state: Any, actions: Tensor, first: Any, one: Any) -> list[str]:
    """Whether a row depends on the other candidates, or on the other problems."""
    wrong = []
    turned = dynamics.rollout(copy.deepcopy(state), actions.flip(1))
    if not _near(mapped(turned, lambda leaf: leaf.flip(1)), first):
        wrong.append(f"{name} predicts something else for a candidate in another place: candidates must not mix.")
    for b in range(len(actions) if len(actions) > 1 else 0):
        try:
            single = one(copy.deepcopy(state), b) if one else _take(copy.deepcopy(state), b, len(actions))
            alone = dynamics.rollout(single, actions[b : b + 1].clone())
        except Exception as error:
            wrong.append(f"{name} raises {type(error).__name__} for problem {b} alone: {error}")
            break
        together = mapped(first, partial(_row, b))
        if not _near(alone, together):
            wrong.append(f"{name} predicts something else for problem {b} alone: problems of a batch must not mix.")
            break
        if not _same(alone, together):
            wrong.append(
                f"{name} rounds differently for problem {b} alone: plans will depend on the batch size in the last "
                "digits; roll out each problem by itself to avoid that."
            )
            break
    return wrong


def _gradients(name: str, dynamics: Any, state: Any, actions: Tensor) -> list[str]:
    leaf = actions.clone().requires_grad_()
    try:
        with torch.inference_mode(False), torch.enable_grad():
            leaves = [x for _, x in tensors_in(dynamics.rollout(copy.deepcopy(state), leaf)) if x.requires_grad]
            if leaves:
                [slope] = torch.autograd.grad(leaves[0].double().square().sum(), leaf)
                if bool(torch.isfinite(slope).all()):
                    return []
                return [f"{name} has gradients that are NaN or infinite."]
    except RuntimeError as error:
        return [f"{name} lets no gradient through, which planner 'gradient' and polish need: {error}"]
    return [f"{name} lets no gradient through, which planner 'gradient' and polish need."]


def _commands(low: Any, high: Any, batch: int, horizon: int) -> Tensor:
    bounds = [torch.as_tensor(bound, dtype=torch.float32) for bound in (low, high)]
    shape = (batch, CANDIDATES, horizon, len(bounds[0]))
    return torch.rand(shape, generator=torch.Generator().manual_seed(0)) * (bounds[1] - bounds[0]) + bounds[0]


def _shape(value: Any) -> tuple[int, ...]:
    return tuple(np.shape(value) if not isinstance(value, Tensor) else value.shape)


def _row(b: int, leaf: Tensor) -> Tensor:
    return leaf[b : b + 1]


def _take(state: Any, b: int, batch: int) -> Any:
    """Problem b of a state, as a batch of one: row b of whatever has `batch` rows."""
    if state is None:
        return None
    return mapped(state, lambda leaf: leaf[b : b + 1] if leaf.ndim and len(leaf) == batch else leaf)


def _pairs(one: Any, other: Any) -> Sequence[tuple[Tensor, Tensor]] | None:
    left, right = tensors_in(one), tensors_in(other)
    if [(path, leaf.shape) for path, leaf in left] != [(path, leaf.shape) for path, leaf in right]:
        return None
    return [(a, b) for (_, a), (_, b) in zip(left, right, strict=True)]


def _same(one: Any, other: Any) -> bool:
    pairs = _pairs(one, other)
    return pairs is not None and all(bool(((a == b) | ((a != a) & (b != b))).all()) for a, b in pairs)


def _near(one: Any, other: Any) -> bool:
    pairs = _pairs(one, other)
    close = {"rtol": 1e-3, "atol": 1e-4, "equal_nan": True}
    return pairs is not None and all(torch.allclose(a.double(), b.double(), **close) for a, b in pairs)  # type: ignore[arg-type]
