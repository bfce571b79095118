"""How large errors are, measured against how they usually vary."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from forearm.surprise.joints import JointModel
from forearm.surprise.prediction import Array, Predictions, errors_of

if TYPE_CHECKING:
    from forearm.world_model.model.jepa import JEPA

FLOOR = 1e-2
"""Of the largest variance of errors: the least that a direction is taken to vary."""


@dataclass(frozen=True, eq=False)
class Usual:
    """latent_map (D, D): under which the mean square of an error one step ahead is 1. horizons: K. joints, joints_map
    (P, P): what readings do, and the same map of its errors; both None where nobody looks at readings.
    """

    latent_map: Array
    horizons: int
    joints: JointModel | None = None
    joints_map: Array | None = None


class Sizes:
    """The sizes of a frame's errors, of one stream.

    Args:
        model: what predicts.
        usual: what its errors are measured against.
    """

    def __init__(self, model: "JEPA", usual: Usual) -> None:
        self.usual = usual
        self.predictions = Predictions(model, usual.horizons)
        self.begin()

    def begin(self) -> None:
        """Nothing was seen."""
        self.predictions.begin()
        self._readings: Array | None = None
        self._action: Array | None = None
        self.of_readings: Array | None = None
        """(P,) the errors of the newest readings, each in its own usual size; None where nothing was expected."""

    def see(self, latent: torch.Tensor, readings: Any = None, action: Any = None) -> Array:
        """(K + 1,) mean squares of a frame's errors: of its latent (D,) predicted from 1 to K latent steps before, and
        of the readings (P,). NaN where nothing was predicted. `action` (A,) is the command since the frame before.
        """
        errors = self.predictions.see(latent, readings, action)
        found, self.of_readings = np.append(self.of_latent(errors), np.nan), None
        given = None if readings is None else np.asarray(readings, np.float64)
        command = None if action is None else np.asarray(action, np.float64)
        before, last = self._readings, self._action
        if given is not None and command is not None and before is not None and last is not None:
            found[-1] = self._of_joints(before, given, command, last)
        self._readings, self._action = given, command
        return found

    def _of_joints(self, before: Array, after: Array, action: Array, last: Array) -> float:
        joints, weights = self.usual.joints, self.usual.joints_map
        if joints is None or weights is None:
            return np.nan
        error = joints.error(before, after, action, last)
        # The map is that under which errors vary alike, so its square is the inverse of their covariance.
        self.of_readings = error / np.sqrt(np.diag(np.linalg.inv(weights @ weights)))
        return float(np.square(error @ weights).mean())

    def of_latent(self, errors: Array) -> Array:
        """(N,) mean squares of errors (N, D) of latents."""
        return np.asarray(np.square(errors @ self.usual.latent_map).mean(axis=-1))


def whitening(errors: Array) -> Array:
    """The symmetric map (D, D) under which errors (N, D) vary alike in all directions."""
    values, vectors = np.linalg.eigh(errors.T @ errors / len(errors))
    scales = 1.0 / np.sqrt(np.maximum(values, FLOOR * values.max()))
    return np.asarray((vectors * scales) @ vectors.T)


def sizes_of(model: "JEPA", usual: Usual, latents: Array, readings: Array | None, actions: Array) -> Array:
    """(L, K + 1) what `Sizes` says of each frame of a stream that is known whole, see `errors_of`."""
    return of_errors(usual, errors_of(model, latents, readings, actions, usual.horizons), readings, actions)


def of_errors(usual: Usual, errors: Array, readings: Array | None, actions: Array) -> Array:
    """The same where the errors (L, K, D) of latents are known."""
    found = np.full((len(errors), usual.horizons + 1), np.nan)
    found[:, :-1] = np.square(errors @ usual.latent_map).mean(axis=-1)
    if usual.joints is not None and usual.joints_map is not None and readings is not None:
        found[2:, -1] = np.square(usual.joints.errors(readings, actions) @ usual.joints_map).mean(axis=1)
    return found
