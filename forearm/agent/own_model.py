"""A world model of the user's own, `module:function`, in the place of a checkpoint.

It gives what planning asks of a trained model: latents of frames, and where commands lead from them.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from forearm.agent.action_spec import ActionSpec
from forearm.common.dotted import named
from forearm.errors import ForearmError, InputError, one_line
from forearm.planner import by_problem
from forearm.world_model.runtime.latent_dynamics import LatentState

if TYPE_CHECKING:
    from forearm.world_model.model.jepa import JEPA


class WorldModel(Protocol):
    """What a world model of one's own must have; `forearm.check_model` tells whether it keeps to it.

    A latent has any shape, (...); B problems are planned with K candidates of H control steps of A numbers each.
    More may be said by attributes:

    - `frameskip`: control steps in one step of the model, s; 1 unless it is there.
    - `history`: frames that it looks back on, T, s control steps apart, the present one among them; 1.
    - `resolution`: side of its frames in pixels, R; that of the task.
    - `action_dim`, `control_period`: A, and s from one command to the next; those of the task's simulator.
    - `action_low`, `action_high`: (A,), between which commands are searched where there is no simulator; -1 and 1.
    - `fingerprint`: what tells its weights from others; a hash of its `state_dict()`, or of those of its attributes.
    """

    def encode(self, frames: NDArray[np.uint8]) -> Tensor:
        """Latents (N, ...) of frames (N, R, R, 3) uint8; a row depends on its own frame alone."""
        ...

    def rollout(self, state: LatentState, actions: Tensor) -> Tensor:
        """Latents (B, K, H / s, ...) after each s of the commands `actions` (B, K, H, A), in the task's own units.

        `state.states` (B, T, ...) are the latents of the last T frames, the present one last, and `state.actions`
        (B, (T-1)·s, A) the commands between them.
        """
        ...


@dataclass(frozen=True)
class OwnConfig:
    """What planning asks of a model's config: see `WorldModel`; `latent_dim` counts the numbers of a latent."""

    action_dim: int
    frameskip: int
    history: int
    latent_dim: int
    resolution: int
    proprio_dim: int = 0
    encoder: ClassVar[str] = "own"


class OwnModel:
    """A `WorldModel` as what plans wants it, like a trained JEPA: latents are flat, (D,).

    Raises `ForearmError` unless it does with a frame and with commands what it should.
    """

    step_covariance = None
    """How its latents change is not known, so they are compared as they are."""
    absolute = None
    """It takes commands as they are given."""

    def __init__(self, model: WorldModel, name: str, resolution: int, actions: ActionSpec) -> None:
        self.name, self.own = name, model
        self._expect(getattr(model, "action_dim", None) in (None, len(actions.low)), "action_dim", len(actions.low))
        steps = {key: getattr(model, key, 1) for key in ("frameskip", "history")}
        for key, value in steps.items():
            self._expect(isinstance(value, int) and value >= 1, key, "a whole number from 1 up")
        self.shape: tuple[int, ...] = ()
        first = self._encoded(np.zeros((1, resolution, resolution, 3), np.uint8))
        self.shape, self.device = tuple(first.shape[1:]), first.device
        self.config = OwnConfig(len(actions.low), **steps, latent_dim=first[0].numel(), resolution=resolution)
        self.action_rest = torch.zeros(len(actions.low))
        past = torch.zeros(1, (self.config.history - 1) * self.config.frameskip, len(actions.low))
        still = torch.zeros(1, 2, 2 * self.config.frameskip, len(actions.low))
        with torch.inference_mode():
            self._rollout(first.flatten(1)[:, None].expand(-1, self.config.history, -1), past, still)

    def _expect(self, right: bool, key: str, what: object) -> None:
        if not right:
            raise ForearmError(f"model {self.name} has {key}={getattr(self.own, key)}: expected {what}")

    def encode(self, frames: ArrayLike) -> Tensor:
        """Latents (N, D) of frames (N, R, R, 3) uint8; raises ValueError for frames of another size."""
        pixels, side = np.asarray(frames), self.config.resolution
        if pixels.dtype != np.uint8 or pixels.shape[1:] != (side, side, 3):
            raise InputError(
                f"frames are {pixels.dtype} {pixels.shape}: model {self.name} expects uint8 (N, {side}, {side}, 3)"
            )
        return self._encoded(pixels).flatten(1)

    def blocks(self, actions: Tensor) -> Tensor:
        """Action blocks (..., M, s·A) of actions (..., M·s, A)."""
        skip, size = self.config.frameskip, self.config.frameskip * self.config.action_dim
        return actions.reshape(*actions.shape[:-2], actions.shape[-2] // skip, size)

    def rollout(self, states: Tensor, past_blocks: Tensor, blocks: Tensor) -> Tensor:
        """See `JEPA.rollout`: (N, M, D) after states (N, T, D), the blocks between them and those that follow."""
        past, actions = (one.reshape(len(one), -1, self.config.action_dim) for one in (past_blocks, blocks))
        return self.dynamics().rollout(LatentState(states, past), actions[:, None])[:, 0]

    def dynamics(self) -> "OwnDynamics":
        """What a planner rolls out."""
        return OwnDynamics(self)

    def _encoded(self, pixels: NDArray[np.uint8]) -> Tensor:
        try:
            latents = torch.as_tensor(self.own.encode(pixels))
        except Exception as error:
            raise ForearmError(f"{self._failing('encode')} for frames uint8 {pixels.shape}: {_said(error)}") from error
        expected = f"({len(pixels)}, {', '.join(map(str, self.shape)) or '...'})"
        fits = latents.ndim > 1 and len(latents) == len(pixels) and self.shape in ((), tuple(latents.shape[1:]))
        if not (fits and latents.is_floating_point()):
            raise ForearmError(self._wrong("encode", latents, expected))
        return latents.detach().float().cpu()

    def _rollout(self, states: Tensor, past: Tensor, actions: Tensor) -> tuple[Tensor]:
        """Flat latents (B, K, H / s, D)."""
        state = LatentState(states.unflatten(-1, self.shape), past)
        try:
            found = torch.as_tensor(self.own.rollout(state, actions))
        except Exception as error:
            given = f"states {tuple(state.states.shape)} and actions {tuple(actions.shape)}"
            raise ForearmError(f"{self._failing('rollout')} for {given}: {_said(error)}") from error
        expected = (*actions.shape[:2], actions.shape[2] // self.config.frameskip, *self.shape)
        if tuple(found.shape) != expected or not found.is_floating_point():
            raise ForearmError(self._wrong("rollout", found, expected))
        return (found.flatten(3).to(actions),)

    def _failing(self, method: str) -> str:
        return f"model {self.name} fails in {method}"

    def _wrong(self, method: str, found: Tensor, expected: object) -> str:
        kind = str(found.dtype).removeprefix("torch.")
        return f"model {self.name}: {method} returned {kind} {tuple(found.shape)}, expected real numbers {expected}"


class OwnDynamics:
    """Rolls out each problem on its own, so that results do not depend on how many are planned together."""

    def __init__(self, model: OwnModel) -> None:
        self.model = model

    def rollout(self, state: LatentState, actions: Tensor) -> Tensor:
        """(B, K, H / s, D) latents of candidate commands (B, K, H, A); raises ValueError where s does not divide H."""
        if actions.shape[2] % (skip := self.model.config.frameskip):
            raise InputError(f"horizon is {actions.shape[2]} control steps: expected a multiple of frameskip={skip}")
        [found] = by_problem(self.model._rollout, state.states, state.actions, actions)
        return found


def read_own(name: str, task: Mapping[str, Any]) -> "tuple[JEPA, dict[str, Any]]":
    """The model that `module:function` gives, as planning wants it, and its description, like a checkpoint's.

    Raises `ForearmError` that says what it lacks.
    """
    own = made(name)
    side = int(getattr(own, "resolution", None) or task["resolution"])
    actions, names = _commands(own, name, task)
    model: Any = OwnModel(own, name, side, actions)
    document = {
        "weights_sha256": weights_sha256(own, name),
        "task": task["name"],
        "camera": task["camera"] or "",
        "control_period": actions.period,
        "action_low": actions.low.tolist(),
        "action_high": actions.high.tolist(),
        "action_names": names,
    }
    return model, document


def as_own(task: Mapping[str, Any]) -> dict[str, Any]:
    """A task's config for the model of one's own that it names: with its resolution."""
    side = getattr(made(str(task["checkpoint"])), "resolution", None) or task["resolution"]
    return {**task, "resolution": int(side)}


def made(name: str) -> WorldModel:
    """What the function that `name` names returns, once in a process; raises `ForearmError` if it is no model."""
    return _made(named(name, f"model {name}"), name)


@cache
def _made(function: Any, name: str) -> WorldModel:
    if not callable(function):
        raise ForearmError(f"model {name} is {type(function).__name__}: name a function that returns a model")
    try:
        model = function()
    except ForearmError:
        raise
    except Exception as error:
        raise ForearmError(f"model {name} fails, {_said(error)}") from error
    lacking = [key for key in ("encode", "rollout") if not callable(getattr(model, key, None))]
    if lacking:
        raise ForearmError(
            f"model {name} returned {type(model).__name__}, which has no {' and no '.join(lacking)}: "
            "expected encode(frames) and rollout(state, actions)"
        )
    return model


def weights_sha256(model: Any, name: str) -> str:
    """Of its `fingerprint`, or of the weights in it and in its attributes; of `name` where there are none."""
    digest = hashlib.sha256(str(getattr(model, "fingerprint", "")).encode())
    if not getattr(model, "fingerprint", None):
        holders = {"": model} if hasattr(model, "state_dict") else getattr(model, "__dict__", {})
        dicts = {key: part.state_dict() for key, part in holders.items() if hasattr(part, "state_dict")}
        for key in sorted(dicts):
            for entry, tensor in sorted(dicts[key].items()):
                if isinstance(tensor, Tensor):
                    content = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
                    digest.update(f"{key}.{entry}{tensor.dtype}{tuple(tensor.shape)}".encode() + content)
        if not dicts:
            digest.update(name.encode())
    return digest.hexdigest()


def _commands(model: Any, name: str, task: Mapping[str, Any]) -> tuple[ActionSpec, list[str]]:
    """What commands are: as the model says, or else as the task's simulator takes them; and names for them."""
    dims, period = (getattr(model, key, None) for key in ("action_dim", "control_period"))
    if dims and period:
        low, high = (
            np.broadcast_to(np.asarray(getattr(model, key, usual), np.float64), (int(dims),))
            for key, usual in (("action_low", -1.0), ("action_high", 1.0))
        )
        return ActionSpec(low, high, float(period)), []
    simulated = _simulated(str(task["name"]), task["camera"])
    if simulated is None:
        raise ForearmError(
            f"model {name} has no action_dim or no control_period, and task '{task['name']}' has no simulator that "
            "tells them: give it both"
        )
    return simulated


@cache
def _simulated(task: str, camera: str | None) -> tuple[ActionSpec, list[str]] | None:
    from forearm import envs

    envs.check_installed(task)
    if task not in envs.names():
        return None
    envs.working_backend()
    env = envs.make(task, camera)
    try:
        return ActionSpec.of_env(env), list(env.action_names)
    finally:
        env.close()


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {one_line(error)}"
