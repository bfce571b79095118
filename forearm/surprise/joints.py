"""What joint readings are expected to do under a command: a linear map, fitted on normal motion; no frames, no physics.

It is also what one has without a world model: the baseline of the joints alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from forearm.surprise.prediction import Array

RIDGE = 1e-3
"""Of the mean square of the features: what keeps the fit from following noise."""


@dataclass(frozen=True, eq=False)
class JointModel:
    """The change of readings (P,) in one control step, in the readings' standard deviations.

    mean, std (P,); weights (F, P), F = 1 + P + 2 A + P A: of 1, the readings, this command and the one before, and
    products of readings and command.
    """

    mean: Array
    std: Array
    weights: Array

    @classmethod
    def fit(cls, episodes: Sequence[tuple[Array, Array]]) -> "JointModel":
        """From episodes of readings (L, P) and commands (L - 1, A) between them."""
        every = np.concatenate([readings for readings, _ in episodes])
        found = cls(every.mean(axis=0), np.maximum(every.std(axis=0), 1e-6), np.zeros((0, 0)))
        features, changes = (
            np.concatenate(rows) for rows in zip(*(found._rows(*episode) for episode in episodes), strict=True)
        )
        ridge = RIDGE * len(features) * np.eye(features.shape[1])
        return cls(found.mean, found.std, np.linalg.solve(features.T @ features + ridge, features.T @ changes))

    def error(self, before: Array, after: Array, action: Array, last: Array) -> Array:
        """(P,) how far readings `after` a command (A,) are from what was expected; `last` is the command before it."""
        there, here = (after - self.mean) / self.std, (before - self.mean) / self.std
        return np.asarray(there - here - _features(here[None], action[None], last[None])[0] @ self.weights)

    def errors(self, readings: Array, actions: Array) -> Array:
        """(L - 2, P) errors of an episode: of all but its first step, before which no command is known."""
        features, changes = self._rows(readings, actions)
        return np.asarray(changes - features @ self.weights)

    def _rows(self, readings: Array, actions: Array) -> tuple[Array, Array]:
        scaled = (readings - self.mean) / self.std
        return _features(scaled[1:-1], actions[1:], actions[:-1]), np.diff(scaled[1:], axis=0)


def _features(readings: Array, actions: Array, last: Array) -> Array:
    products = (readings[:, :, None] * actions[:, None, :]).reshape(len(readings), -1)
    return np.concatenate([np.ones((len(readings), 1)), readings, actions, last, products], axis=1)
