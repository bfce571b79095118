"""Does a Dynamics tell time as its contract says: a state after each command, or after every s-th, and none before?"""

import copy
from typing import Any

import torch
from torch import Tensor

from forearm.planner.pytree import close, kind_of, shape_of, tensors_in


def check_time(name: str, dynamics: Any, state: Any, actions: Tensor, first: Any) -> list[str]:
    """What is wrong with the horizon of `first`, predicted for `actions` (B, K, H, A), and with what depends on what.

    One sentence each, that begins with `name`.
    """
    horizon = actions.shape[2]
    # Twice as many commands, of which the first half are the same: a multiple of whatever one step takes.
    longer = torch.cat((actions, actions.roll(1, dims=1)), dim=2)
    try:
        second = dynamics.rollout(copy.deepcopy(state), longer)
    except Exception as error:
        return [f"{name} raises {kind_of(error)} for {2 * horizon} commands, after {horizon} were well: {error}"]
    before, after = tensors_in(first), tensors_in(second)
    if [(path, leaf.ndim) for path, leaf in before] != [(path, leaf.ndim) for path, leaf in after]:
        return [f"{name} returns something of another build for {2 * horizon} commands than for {horizon}."]
    wrong, timed = [], []
    for (path, leaf), (_, long) in zip(before, after, strict=True):
        sentence = _horizon(leaf, long, horizon)
        if sentence:
            wrong.append(f"{name} returns{path} {sentence}")
        elif leaf.shape != long.shape:
            timed.append((path, leaf, long))
    if wrong:
        return wrong
    if not timed:
        shapes = ", ".join(str(shape_of(leaf)) for _, leaf in before)
        return [
            f"{name} returns shape {shapes} for {horizon} commands and for {2 * horizon}: it must return "
            "(B, K, H, ...), a state after each command, or after every s-th."
        ]
    for path, leaf, long in timed:
        if any(_same_start(leaf, value) for _, value in tensors_in(state)):
            wrong.append(f"{name} returns{path} the present as its first state: the first is that after a command.")
        elif not close(long[:, :, : leaf.shape[2]], leaf):
            wrong.append(f"{name} predicts{path} something else when other commands follow: states depend on the past.")
    if not wrong and all(bool((leaf == leaf[:, :1]).all()) for _, leaf, _ in timed) and _differ(actions):
        wrong.append(f"{name} predicts the same whatever the commands.")
    return wrong or _causality(name, dynamics, state, actions, first)


def steps_of(first: Any, horizon: int) -> int:
    """Commands per state of a trajectory that `check_time` found nothing wrong with."""
    counts = [leaf.shape[2] for _, leaf in tensors_in(first) if leaf.ndim > 2 and horizon % max(leaf.shape[2], 1) == 0]
    return horizon // max(counts, default=horizon)


def _horizon(leaf: Tensor, long: Tensor, horizon: int) -> str | None:
    """What is wrong with the shapes for `horizon` commands and for twice as many; None also where neither has time."""
    grown = [axis for axis in range(2, leaf.ndim) if leaf.shape[axis] != long.shape[axis]]
    if not grown:
        return None
    if grown != [2]:
        return (
            f"of shape {shape_of(leaf)} for {horizon} commands and {shape_of(long)} for {2 * horizon}: time must be "
            f"the third axis, (B, K, H, ...), not number {grown[-1] + 1}."
        )
    count, twice = leaf.shape[2], long.shape[2]
    if twice == 2 * count and count and horizon % count == 0:
        return None
    over = 2 * count - twice
    reason = {1: ", one too many: the present must not be among them", -1: ", one too few"}.get(over, "")
    return (
        f"{count} states for {horizon} commands and {twice} for {2 * horizon}{reason}. It must be one after each "
        "command, or after every s-th."
    )


def _same_start(leaf: Tensor, value: Tensor) -> bool:
    """Whether the first states of all candidates are what a tensor of the present holds, or the last of its past."""
    if not leaf.is_floating_point() or not value.is_floating_point() or not value.ndim or len(value) != len(leaf):
        return False
    start = leaf[:, :, 0]
    for present in (value, value[:, -1] if value.ndim == leaf.ndim - 1 and value.shape[1] else value):
        if present.ndim != start.ndim - 1 or present.device != start.device:
            continue
        present = present[..., : start.shape[-1]] if present.ndim > 1 else present
        if present.shape == start[:, 0].shape and bool((start == present[:, None]).all()):
            return True
    return False


def _causality(name: str, dynamics: Any, state: Any, actions: Tensor, first: Any) -> list[str]:
    """Other commands from the second state on must leave the first state as it was."""
    skip = steps_of(first, actions.shape[2])
    changed = torch.cat((actions[:, :, :skip], actions[:, :, skip:].roll(1, dims=1)), dim=2)
    again = tensors_in(dynamics.rollout(copy.deepcopy(state), changed))
    for (path, leaf), (_, other) in zip(tensors_in(first), again, strict=True):
        if leaf.ndim > 2 and leaf.shape[2] * skip == actions.shape[2] and not close(leaf[:, :, :1], other[:, :, :1]):
            return [f"{name} predicts{path} something else when other commands follow: states depend on the past."]
    return []


def _differ(actions: Tensor) -> bool:
    return bool((actions != actions[:, :1]).any())
