"""Says what to do where drawing would hang: in a process that was forked from one that has drawn.

GL libraries keep threads and locks of their own, which a fork does not copy. What waits for them waits for ever, so
that a worker of Gymnasium's `AsyncVectorEnv` or of `multiprocessing` with `fork` would stand still without a word.
"""

import os
from typing import Any

REMEDY = (
    "this process was forked from one that had already drawn a frame, and GL does not survive a fork: "
    'start the workers with context="spawn" (or "forkserver"), or fork before the first frame is drawn'
)


class RenderingUnavailable(RuntimeError):
    """No frame can be drawn here; the message says what to do about it."""


_drawing: int | None = None
"""The process that made the first GL context, or None for none so far."""
_left: list[Any] = []


def drawn() -> None:
    """Note that this process has made a GL context."""
    global _drawing
    _drawing = os.getpid()


def inherited() -> bool:
    """Whether this process was forked from one that had made a GL context."""
    return _drawing is not None and _drawing != os.getpid()


def check() -> None:
    """Raise `RenderingUnavailable` in a process that has inherited a GL context."""
    if inherited():
        raise RenderingUnavailable(REMEDY)
