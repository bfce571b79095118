"""Says what to do where drawing would hang: in a process that was forked from one that has drawn.

GL libraries keep threads and locks of their own, which a fork does not copy. What waits for them waits for ever, so
that a worker of Gymnasium's `AsyncVectorEnv` or of `multiprocessing` with `fork` would stand still without a word.
"""

import atexit
import os
import sys
from collections.abc import Iterator
from typing import Any

from forearm.errors import ForearmError

REMEDY = (
    "this process was forked from one that had already drawn a frame, and GL does not survive a fork: "
    'start the workers with context="spawn" (or "forkserver"), or fork before the first frame is drawn'
)
ASKED = (
    ("mujoco.egl", "EGL", "eglGetCurrentContext", "eglTerminate"),
    ("mujoco.glfw", "glfw", "get_current_context", "terminate"),
    ("mujoco.osmesa", "osmesa", "OSMesaGetCurrentContext", None),
)
"""MuJoCo's back ends: module, the library in it, and of that what tells the context in use and what ends it all."""


class RenderingUnavailable(ForearmError, RuntimeError):
    """No frame can be drawn here; the message says what to do about it."""


_drawing: int | None = None
"""The process that made the first GL context; None: no context has been made."""


def drawn() -> None:
    """Note that this process makes a GL context."""
    global _drawing
    _drawing = os.getpid()


def inherited() -> bool:
    """Whether this process was forked from one that had made a GL context."""
    return _drawing is not None and _drawing != os.getpid()


def check() -> None:
    """Raise `RenderingUnavailable` in a process that has inherited a GL context."""
    if inherited():
        raise RenderingUnavailable(REMEDY)


def _loaded() -> Iterator[tuple[Any, str, str | None]]:
    """The GL libraries that MuJoCo has loaded in this process, with the names of the two functions."""
    for module, name, current, closer in ASKED:
        library = getattr(sys.modules.get(module), name, None)
        if library is not None:
            yield library, current, closer


def _note_others() -> None:
    """Before a fork: whoever has drawn here, `mujoco.Renderer` say, has left its context in use."""
    for library, current, _ in _loaded():
        try:
            if getattr(library, current)():
                drawn()
        except Exception:  # no fork may fail for this
            continue


def _leave_to_parent() -> None:
    """After a fork: the child must not close its parent's display at its end, for which it would wait for ever."""
    if _drawing is None:
        return
    for library, _, closer in _loaded():
        if closer is not None:
            atexit.unregister(getattr(library, closer))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_note_others, after_in_child=_leave_to_parent)
