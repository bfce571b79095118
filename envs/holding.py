"""Holding still, for environments in which a command of zero does it."""

import numpy as np

from forearm.envs.contract import Array


class Still:
    """Zero for ever: holds still where a command is a displacement from what was commanded last.

    Args:
        size: numbers in an action.
    """

    def __init__(self, size: int) -> None:
        self._size = size

    def act(self) -> Array:
        """(A,) zeros."""
        return np.zeros(self._size)
