"""The latent world model as what an agent thinks with: frames in, dynamics and goal distance out."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from forearm.errors import ForearmError

if TYPE_CHECKING:
    from world_model.jepa import JEPA
    from world_model.tracker import LatentTracker


class LatentImagination:
    """Encodes every frame once, alone, so that latents do not depend on how many episodes run together.

    Args:
        model: the world model, in evaluation mode.
        objective: `weights` and `decay` of the latent distance over the horizon, its `slowness`, and the weights
            `action` and `smoothness` of the action cost, as in configs/task.
        fingerprint: of the model's checkpoint, if it has one.
    """

    def __init__(self, model: "JEPA", objective: Mapping[str, Any], fingerprint: str | None = None) -> None:
        from world_model.latent_dynamics import LatentDynamics
        from world_model.metric import slow_map

        self.fingerprint = fingerprint
        self._model, self._objective = model, objective
        self._dynamics = LatentDynamics(model)
        self._metric = slow_map(model.step_covariance, float(objective["slowness"]))
        self._goals: list[torch.Tensor] = []
        self._trackers: list[LatentTracker] = []
        self._last_actions: list[np.ndarray] = []

    @torch.inference_mode()
    def begin(self, goals: Sequence[np.ndarray]) -> None:
        """Encode the goal frames (H, W, 3) uint8; raises ValueError for frames of another size than the
        model's.
        """
        from world_model.tracker import LatentTracker

        self._goals = [self._model.encode(np.ascontiguousarray(goal)[None])[0] for goal in goals]
        self._trackers = [LatentTracker(self._model) for _ in goals]
        self._last_actions = [np.zeros(self._model.config.action_dim) for _ in goals]

    def observe(self, episode: int, observation: dict[str, Any], action: np.ndarray | None) -> None:
        """Encode the frame that `episode` shows now."""
        tracker, pixels, proprio = self._trackers[episode], observation["pixels"], observation.get("proprio")
        if action is None:
            tracker.begin(pixels, proprio)
        else:
            tracker.advance(action, pixels, proprio)
            self._last_actions[episode] = action

    def problem(self, episodes: Sequence[int]) -> tuple[Any, Any, Any]:
        """Latent dynamics, distance to the goal latents plus action cost, and the states to start from."""
        from planner import ActionCost, LatentDistance, WeightedSum
        from world_model.latent_dynamics import LatentState

        states = [self._trackers[b].state() for b in episodes]
        state = LatentState(torch.cat([s.states for s in states]), torch.cat([s.actions for s in states]))
        wanted = self._objective
        goals = torch.stack([self._goals[b] for b in episodes])
        distance = LatentDistance(goals, wanted["weights"], wanted["decay"], self._metric)
        if not wanted["action"] and not wanted["smoothness"]:
            return self._dynamics, distance, state
        last = torch.as_tensor(np.stack([self._last_actions[b] for b in episodes]), dtype=torch.float32)
        effort = ActionCost(wanted["action"], wanted["smoothness"], last)
        return self._dynamics, WeightedSum([(1.0, distance), (1.0, effort)]), state


def imagination_for(task: Mapping[str, Any]) -> LatentImagination:
    """The world model that a task's config names; raises `CheckpointError`, or `ForearmError` if it does
    not fit.
    """
    model, document = load_for(task)
    return LatentImagination(model, task["objective"], fingerprint(document))


def load_for(task: Mapping[str, Any]) -> "tuple[JEPA, dict[str, Any]]":
    """Model and description of a task's checkpoint, after checking that it was made for this task and camera.

    Raises `CheckpointError` for one that cannot be read, `ForearmError` that says what differs for a wrong
    one.
    """
    model, document = _load(str(task["checkpoint"]))
    found = {
        "task": document.get("task"),
        "camera": str(document.get("camera", "")).rpartition(".")[2],
        "resolution": model.config.resolution,
    }
    wanted = {"task": task["name"], "camera": task["camera"], "resolution": task["resolution"]}
    differing = [f"{key} {found[key]}, not {wanted[key]}" for key in wanted if found[key] != wanted[key]]
    if differing:
        raise ForearmError(
            f"checkpoint '{task['checkpoint']}' was made for {'; '.join(differing)}: "
            f"give another {task['name']}.checkpoint="
        )
    return model, document


def check_horizon(task: Mapping[str, Any], horizon: int) -> None:
    """Raise `ForearmError` unless the model's steps divide `horizon`, in control steps."""
    frameskip = load_for(task)[0].config.frameskip
    if horizon % frameskip:
        raise ForearmError(
            f"horizon={horizon} is no multiple of {frameskip}, the control steps in one step of "
            f"checkpoint '{task['checkpoint']}'; try horizon={-(-horizon // frameskip) * frameskip}"
        )


def fingerprint_of(task: Mapping[str, Any]) -> str:
    """Fingerprint of a task's checkpoint; raises like `load_for`."""
    return fingerprint(load_for(task)[1])


def fingerprint(document: Mapping[str, Any]) -> str:
    """What tells one checkpoint from another: the hash of its weights, shortened."""
    return str(document["weights_sha256"])[:16]


@cache
def _load(name: str) -> "tuple[JEPA, dict[str, Any]]":
    from pathlib import Path

    from world_model.checkpoint import load_checkpoint

    return load_checkpoint(Path(name).expanduser() if "/" in name else name)
