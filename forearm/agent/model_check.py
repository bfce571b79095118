"""Does a world model of one's own keep to `WorldModel`? One sentence for each way in which it does not."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from forearm.errors import InputError
from forearm.planner import by_problem, check_dynamics
from forearm.world_model.runtime.latent_dynamics import LatentState

FRAMES = 5


def check_model(
    model: Any, action_dim: int | None = None, resolution: int | None = None, *, gradients: bool = False
) -> list[str]:
    """What is wrong with a model of one's own, one sentence each; nothing, if it keeps to `forearm.WorldModel`.

    Args:
        model: has `encode` and `rollout`.
        action_dim: A; that of the model, if it says so.
        resolution: side of its frames in pixels; that of the model, or else 64.
        gradients: whether planners that follow gradients shall work on it.

    Raises ValueError if neither the model nor the caller says how many numbers a command has.
    """
    name = type(model).__name__
    lacking = [method for method in ("encode", "rollout") if not callable(getattr(model, method, None))]
    if lacking:
        return [f"{name} has no method {method}." for method in lacking]
    dims = action_dim or getattr(model, "action_dim", None)
    if not dims:
        raise InputError("say how many numbers a command has: action_dim=4, here or as an attribute of the model")
    steps = {key: getattr(model, key, 1) for key in ("frameskip", "history")}
    if odd := [key for key, value in steps.items() if not isinstance(value, int) or value < 1]:
        return [f"{name}.{key} is {steps[key]!r}; it must be a whole number from 1 up." for key in odd]
    side = resolution or getattr(model, "resolution", None) or 64
    frames = np.random.default_rng(0).integers(0, 256, (FRAMES, side, side, 3), dtype=np.uint8)
    with torch.inference_mode():
        wrong, latents = _check_encode(f"{name}.encode", model, frames)
    if wrong or latents is None:
        return wrong
    low, high = (
        np.broadcast_to(getattr(model, key, usual), (dims,)).tolist()
        for key, usual in (("action_low", -1.0), ("action_high", 1.0))
    )
    skip, history = steps["frameskip"], steps["history"]
    states = torch.stack([latents[np.arange(b, b + history) % FRAMES] for b in range(3)])
    past = torch.as_tensor([low, high]).repeat(skip * history, 1)[: skip * (history - 1)].expand(3, -1, -1)
    state = LatentState(states.clone(), past.float().clone())
    horizon = skip * max(3, -(-6 // skip))
    apart = type(name, (_Apart,), {})(model)  # its name begins the sentences
    wrong += check_dynamics(apart, state, low, high, batch=3, horizon=horizon, gradients=gradients)
    return wrong or _check_shape(f"{name}.rollout", model, state, horizon, dims)


class _Apart:
    """Rolls out each problem on its own, as planning does, so how a batch is rounded does not matter."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def rollout(self, state: LatentState, actions: Tensor) -> Tensor:
        """See `forearm.WorldModel`."""

        def one(states: Tensor, past: Tensor, commands: Tensor) -> tuple[Tensor]:
            return (torch.as_tensor(self.model.rollout(LatentState(states, past), commands)),)

        return by_problem(one, state.states, state.actions, actions)[0]


def _check_encode(name: str, model: Any, frames: np.ndarray) -> tuple[list[str], Tensor | None]:
    """What is wrong, and the latents of the frames."""
    before = frames.copy()
    try:
        latents = torch.as_tensor(model.encode(frames)).detach().cpu()
        again, alone = (torch.as_tensor(model.encode(part.copy())).detach().cpu() for part in (before, before[:1]))
    except Exception as error:
        return [f"{name} raises {type(error).__name__} for frames uint8 {_axes(before.shape)}: {error}"], None
    if latents.ndim < 2 or len(latents) != len(before) or alone.shape != latents[:1].shape:
        return [f"{name} returns {_axes(latents.shape)} for {len(before)} frames; it must be (N, ...), N first."], None
    if not latents.is_floating_point():
        kind = str(latents.dtype).removeprefix("torch.")
        return [f"{name} returns {kind}; latents are real numbers, of a floating-point type."], None
    wrong = []
    if not np.array_equal(before, frames):
        wrong.append(f"{name} changes the frames it is given in place: copy them first.")
    if not bool(torch.isfinite(latents).all()):
        wrong.append(f"{name} returns NaN or infinity.")
    elif not torch.equal(latents, again):
        wrong.append(f"{name} returns something else the second time: it must be deterministic, in evaluation mode.")
    elif not torch.allclose(alone, latents[:1], rtol=1e-3, atol=1e-4):
        wrong.append(f"{name} gives a frame another latent beside others: put batch norm into evaluation mode.")
    return wrong, latents.float()


def _check_shape(name: str, model: Any, state: LatentState, horizon: int, dims: int) -> list[str]:
    """Whether latents that are rolled out have the shape of those that are encoded."""
    with torch.inference_mode():
        found = torch.as_tensor(model.rollout(state, torch.zeros(3, 7, horizon, dims)))
    expected = (3, 7, horizon // getattr(model, "frameskip", 1), *state.states.shape[2:])
    if tuple(found.shape) == expected:
        return []
    return [f"{name} returns {_axes(found.shape)}; (B, K, H / frameskip, latent) must be {_axes(expected)}."]


def _axes(shape: Sequence[int]) -> str:
    return str(tuple(shape))
