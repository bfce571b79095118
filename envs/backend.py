"""Imports MuJoCo even where no GL back end is installed, and says what to do where it cannot be imported at all.

MuJoCo loads the back end that `MUJOCO_GL` names, or GLFW, while it is imported, and fails with whatever the GL wrappers
raise. Here such a failure waits until the first frame is drawn, where it can be explained (see `rendering.py`).
"""

import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from forearm.errors import ForearmError, one_line

INSTALL = "install it again: pip install --force-reinstall 'mujoco>=3.3,!=4.0.0'"
GL = ("mujoco.gl_context", "mujoco.egl", "mujoco.osmesa", "mujoco.glfw")
"""Modules of MuJoCo that load a GL back end."""


class MuJoCoUnavailable(ForearmError, ImportError):
    """MuJoCo cannot be imported.

    Attributes:
        reason: what it said itself, one line.
        remedy: what to do about it, one line.
    """

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(f"mujoco cannot be imported: {reason}; {remedy}")
        self.reason, self.remedy = reason, remedy

    def __reduce__(self) -> tuple[Any, ...]:
        """So that a worker process can tell of it."""
        return type(self), (self.reason, self.remedy)


def load() -> Any:
    """The module `mujoco`.

    Raises:
        MuJoCoUnavailable: it cannot be imported, whatever draws.
    """
    try:
        module = importlib.import_module("mujoco")
    except Exception as error:  # a GL wrapper raises anything; so do a lacking library and another numpy
        module = _without_gl(error)
    if not hasattr(module, "MjModel"):
        raise MuJoCoUnavailable(*_not_it(module))
    return module


def _without_gl(first: Exception) -> Any:
    try:
        with _no_back_end():
            return importlib.import_module("mujoco")
    except Exception as second:
        # A second try may fail for having been tried before; what GL said first is not what is wrong now.
        error = second if _is_of_gl(first) else first
        said = one_line(error) or type(error).__name__
        said = said if isinstance(error, ImportError) else f"{type(error).__name__}: {said}"
        raise MuJoCoUnavailable(said, _remedy(error)) from error


@contextmanager
def _no_back_end() -> Iterator[None]:
    """Inside, MuJoCo loads no GL back end."""
    chosen = os.environ.get("MUJOCO_GL")
    os.environ["MUJOCO_GL"] = "disable"
    try:
        yield
    finally:
        os.environ.pop("MUJOCO_GL")
        if chosen is not None:
            os.environ["MUJOCO_GL"] = chosen


def _is_of_gl(error: Exception) -> bool:
    """Whether an error came up while MuJoCo loaded its GL back end."""
    trace = error.__traceback__
    while trace is not None:
        if str(trace.tb_frame.f_globals.get("__name__", "")).startswith(GL):
            return True
        trace = trace.tb_next
    return False


def _remedy(error: Exception) -> str:
    """What helps, beside what MuJoCo says itself."""
    lacking = str(error.name or "").partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""
    if lacking and lacking != "mujoco":
        return f"install '{lacking}' or {INSTALL}"
    if "numpy" in str(error).lower() or "_ARRAY_API" in str(error):
        return f"it was built for another numpy, {INSTALL} numpy"
    return INSTALL


def _not_it(module: Any) -> tuple[str, str]:
    """Reason and remedy for a module of that name that is not MuJoCo."""
    file = getattr(module, "__file__", None)
    if file is not None:
        return f"{file} is another module of that name", "rename it or take it off the path"
    where = ", ".join(getattr(module, "__path__", [])) or "an unknown place"
    return f"only remains of it are in {where}", INSTALL


mujoco: Any = load()

__all__ = ["MuJoCoUnavailable", "load", "mujoco"]
