"""Holding still: by a command of zero, or by one and the same command."""

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


class Same:
    """One and the same action for ever: holds still where it says where the arm is."""

    def __init__(self, action: Array) -> None:
        self._action = action

    def act(self) -> Array:
        """(A,) the action."""
        return self._action
