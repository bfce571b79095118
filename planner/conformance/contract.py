"""Does a Dynamics or an Objective of one's own keep the contract? One sentence for each way in which it does not.

    for sentence in check_dynamics(mine, state, low=[-1, -1], high=[1, 1], batch=3):
        print(sentence)

An empty list means that every planner works on it, in batches as well as one by one.
"""

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from forearm.planner.conformance.steps import check_time, steps_of
from forearm.planner.problem import as_tensor, residuals_of
from forearm.planner.pytree import CPU, kind_of, near, same, shape_of, tensors_in, tree_map

CANDIDATES = 7
"""At least; as many more as it takes for every axis to have a size of its own."""
DRAWS = 24
"""Of commands, to see whether problems are rounded alike alone and together: one number in twenty may not be."""


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
    of them. `low`, `high` (A,) bound the commands, of which `horizon` are tried, and twice as many; a model that takes
    several to a step needs a multiple of them. `gradients` asks for those too.
    """
    name = f"{type(dynamics).__name__}.rollout"
    if not callable(getattr(dynamics, "rollout", None)):
        return [f"{type(dynamics).__name__} has no method rollout(state, actions)."]
    actions = _commands(low, high, batch, horizon)
    before, kept = actions.clone(), copy.deepcopy(state)
    try:
        first = _kept(dynamics.rollout(state, actions))
    except Exception as error:
        return [f"{name} raises {kind_of(error)} for actions of shape (B, K, H, A) = {shape_of(actions)}: {error}"]
    wrong = []
    if not torch.equal(before, actions):
        wrong.append(f"{name} changes the actions it is given in place: copy them first.")
        actions = before.clone()
    if not same(kept, state):
        wrong.append(f"{name} changes the state it is given in place, so a second rollout starts elsewhere.")
        state = copy.deepcopy(kept)
    leaves = tensors_in(first)
    if not leaves:
        return [*wrong, f"{name} returns {type(first).__name__}, which holds no tensor or array: no cost curve then."]
    unfit = [sentence for path, leaf in leaves for sentence in _leaf(name, path, leaf, actions)]
    if not any(leaf.is_floating_point() for _, leaf in leaves):
        kinds = ", ".join(sorted({str(leaf.dtype).removeprefix("torch.") for _, leaf in leaves}))
        unfit.append(f"{name} returns nothing but {kinds}: states are real numbers, of a floating-point type.")
    if unfit:
        return [*wrong, *unfit]
    if any(leaf.is_floating_point() and not bool(torch.isfinite(leaf).all()) for _, leaf in leaves):
        paths = [path for path, x in leaves if x.is_floating_point() and not bool(torch.isfinite(x).all())]
        wrong += [f"{name} returns{path} with NaN or infinity for commands within the bounds." for path in paths]
    if not same(first, _kept(dynamics.rollout(copy.deepcopy(kept), before.clone()))):
        wrong.append(f"{name} returns something else the second time: it must be deterministic.")
        return wrong
    if late := check_time(name, dynamics, kept, before, first):
        return [*wrong, *late]
    wrong += _rows(name, dynamics, kept, before, first, one)
    if not same(first, dynamics.rollout(copy.deepcopy(kept), before.clone())):
        wrong.append(f"{name} returns something else after other rollouts: it must keep nothing from one to the next.")
    if gradients:
        wrong += _gradients(name, dynamics, kept, before, one)
    return wrong


def _leaf(name: str, path: str, leaf: Tensor, actions: Tensor) -> list[str]:
    """What is wrong with the place, type or shape of a tensor of the trajectory."""
    expected = tuple(actions.shape[:2])
    if leaf.device not in (actions.device, CPU):
        return [f"{name} returns{path} on {leaf.device} for actions on {actions.device}; leave it where they are."]
    if leaf.is_complex():
        return [f"{name} returns{path} of complex numbers; states are real."]
    if tuple(leaf.shape[:2]) != expected:
        return [
            f"{name} returns{path} of shape {shape_of(leaf)}; its leading dimensions must be (B, K) = "
            f"({expected[0]}, {expected[1]})."
        ]
    return []


def check_objective(objective: Any, trajectory: Any, actions: Tensor) -> list[str]:
    """What is wrong with `objective`, one sentence each, tried on a `trajectory` of `actions` (B, K, H, A)."""
    name = f"{type(objective).__name__}.cost"
    if not callable(getattr(objective, "cost", None)):
        return [f"{type(objective).__name__} has no method cost(trajectory, actions)."]
    before, kept = actions.clone(), copy.deepcopy(trajectory)
    try:
        costs = as_tensor(objective.cost(trajectory, actions), actions.device)
    except Exception as error:
        return [f"{name} raises {kind_of(error)} for actions of shape (B, K, H, A) = {shape_of(actions)}: {error}"]
    wrong = []
    if not same(before, actions) or not same(kept, trajectory):
        wrong.append(f"{name} changes what it is given in place: copy it first.")
    expected = tuple(actions.shape[:2])
    if tuple(costs.shape) != expected:
        return [
            *wrong,
            f"{name} returns shape {shape_of(costs)}; it must be (B, K) = {expected}, one cost per candidate.",
        ]
    if costs.is_complex():
        return [*wrong, f"{name} returns complex numbers; costs are real."]
    bad = int((~torch.isfinite(costs.double())).sum())
    if bad:
        wrong.append(f"{name} returns NaN or infinity for {bad} of {costs.numel()} candidates; none of them can win.")
    if not same(costs, as_tensor(objective.cost(copy.deepcopy(kept), before.clone()), actions.device)):
        return [*wrong, f"{name} returns something else the second time: it must be deterministic."]
    order = torch.arange(actions.shape[1] - 1, -1, -1)
    if tensors_in(kept):
        turned = tree_map(lambda leaf: leaf[:, order.to(leaf.device)], kept)
        again = as_tensor(objective.cost(turned, before[:, order]), actions.device)
        if not torch.allclose(again.double(), costs.double()[:, order], rtol=1e-4, atol=1e-6, equal_nan=True):
            wrong.append(f"{name} gives a candidate another cost in another place: it must look at each one by itself.")
    curve = getattr(objective, "curve", None)
    values = None if curve is None else curve(copy.deepcopy(kept), before.clone())
    if values is not None and (np.ndim(values) != 3 or tuple(values.shape[:2]) != expected):
        wrong.append(f"{type(objective).__name__}.curve returns shape {shape_of(values)}; it must be (B, K, H').")
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
    if not near(tree_map(lambda leaf: leaf.flip(1), turned), first):
        wrong.append(f"{name} predicts something else for a candidate in another place: candidates must not mix.")
    else:
        wrong += _one_candidate(name, dynamics, state, actions, first)
    draws = [(actions, first)]
    for b in range(len(actions) if len(actions) > 1 else 0):
        try:
            single = one(copy.deepcopy(state), b) if one else _take(copy.deepcopy(state), b, len(actions))
            if sentence := _alone(name, dynamics, single, b, draws):
                return [*wrong, sentence]
            if b == 0:  # a second look, at more of them
                draws += _more(dynamics, state, actions, first)
                if sentence := _alone(name, dynamics, single, b, draws):
                    return [*wrong, sentence]
        except Exception as error:
            return [*wrong, f"{name} raises {kind_of(error)} for problem {b} alone: {error}"]
    return wrong


def _one_candidate(name: str, dynamics: Any, state: Any, actions: Tensor, first: Any) -> list[str]:
    """Whether the first candidate comes out the same without the others."""
    try:
        found = dynamics.rollout(copy.deepcopy(state), actions[:, :1].clone())
    except Exception as error:
        return [f"{name} raises {kind_of(error)} for a single candidate: {error}"]
    if near(found, tree_map(lambda leaf: leaf[:, :1], first)):
        return []
    return [f"{name} predicts something else for a single candidate: candidates must not mix."]


def _more(dynamics: Any, state: Any, actions: Tensor, first: Any) -> list[tuple[Tensor, Any]]:
    """Other commands with what they lead to, some of fewer steps, some of fewer candidates."""
    skip = steps_of(first, actions.shape[2])
    shorter = actions.shape[2] - skip if actions.shape[2] > skip else actions.shape[2]
    low, high = actions.amin(dim=(0, 1, 2)), actions.amax(dim=(0, 1, 2))
    found = []
    for draw in range(DRAWS):
        numbers = torch.rand(actions.shape, generator=torch.Generator().manual_seed(1 + draw)).to(actions)
        chosen = (numbers * (high - low) + low)[:, draw // 2 % 2 * 2 :, : shorter if draw % 2 else None]
        found.append((chosen, _kept(dynamics.rollout(copy.deepcopy(state), chosen.clone()))))
    return found


def _alone(name: str, dynamics: Any, single: Any, b: int, draws: list[tuple[Tensor, Any]]) -> str | None:
    """What becomes different when problem b, of state `single`, is rolled out alone."""
    rounded = False
    for actions, found in draws:
        alone = dynamics.rollout(copy.deepcopy(single), actions[b : b + 1].clone())
        together = tree_map(partial(_row, b), found)
        if not near(alone, together):
            return f"{name} predicts something else for problem {b} alone: problems of a batch must not mix."
        rounded |= not same(alone, together)
    if not rounded:
        return None
    return (
        f"{name} rounds differently for problem {b} alone: plans will depend on the batch size in the last "
        "digits; roll out each problem by itself, from a copy of its rows, to avoid that."
    )


def _kept(trajectory: Any) -> Any:
    """A copy, which no later rollout overwrites."""
    return tree_map(lambda leaf: leaf.detach().clone(), trajectory)


def _gradients(name: str, dynamics: Any, state: Any, actions: Tensor, one: Any) -> list[str]:
    """Whether gradients come back, and those of a problem alone as of it among others."""
    missing = f"{name} lets no gradient through, which planner 'gradient' and polish need"
    try:
        slope = _slope(dynamics, state, actions)
        if slope is None:
            return [f"{missing}."]
        if not bool(torch.isfinite(slope).all()):
            return [f"{name} has gradients that are NaN or infinite."]
        for b in range(len(actions) if len(actions) > 1 else 0):
            single = one(copy.deepcopy(state), b) if one else _take(copy.deepcopy(state), b, len(actions))
            alone = _slope(dynamics, single, actions[b : b + 1])
            if alone is None or not same(alone, slope[b : b + 1]):
                return [
                    f"{name} rounds gradients differently for problem {b} alone: plans that follow them will depend on "
                    "the batch size in the last digits; copy a problem's gradient where problems are put together."
                ]
    except RuntimeError as error:
        return [f"{missing}: {error}"]
    return []


def _slope(dynamics: Any, state: Any, actions: Tensor) -> Tensor | None:
    """How the sum of squares of a trajectory changes with the actions, (B, K, H, A)."""
    leaf = actions.clone().requires_grad_()
    with torch.inference_mode(False), torch.enable_grad():
        leaves = [x for _, x in tensors_in(dynamics.rollout(copy.deepcopy(state), leaf)) if x.requires_grad]
        if not leaves:
            return None
        [slope] = torch.autograd.grad(leaves[0].double().square().sum(), leaf)
        return slope


def _commands(low: Any, high: Any, batch: int, horizon: int) -> Tensor:
    """Random commands (B, K, H, A), of the type and on the device of bounds that are tensors."""
    least = low if isinstance(low, Tensor) and low.is_floating_point() else torch.as_tensor(low, dtype=torch.float32)
    most = torch.as_tensor(high).to(least)
    taken = {batch, horizon, 2 * horizon, len(least)}
    candidates = next(count for count in range(CANDIDATES, CANDIDATES + 9, 2) if count not in taken)
    shape = (batch, candidates, horizon, len(least))
    numbers = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    return numbers.to(least) * (most - least) + least


def _row(b: int, leaf: Tensor) -> Tensor:
    return leaf[b : b + 1]


def _take(state: Any, b: int, batch: int) -> Any:
    """Problem b of a state, as a batch of one: row b of whatever has `batch` rows; None of a state without tensors."""
    if not tensors_in(state):
        return None
    return tree_map(lambda leaf: leaf[b : b + 1] if leaf.ndim and len(leaf) == batch else leaf, state)
