"""Code of the user's own, named as `module:name` or by its module alone."""

import importlib
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from forearm.errors import ForearmError

_DOTTED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")


def is_dotted(text: str) -> bool:
    """Whether `text` is meant as `module:name`, such as `mine:load` or `package.module:Class`."""
    return _DOTTED.fullmatch(text) is not None


def module_of(text: str) -> str:
    """The module of `module:name`."""
    return text.partition(":")[0]


def look_here() -> None:
    """Look for modules in the current folder, last: what lies there takes the place of none that is installed."""
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))


def import_own(name: str, what: str) -> ModuleType:
    """A module of the user's own; `what` names it in a message. Raises `ForearmError` if it is missing or fails.

    The current folder is looked through last, see `look_here`.
    """
    look_here()
    try:
        if not all(part.isidentifier() for part in name.split(".")):
            raise ModuleNotFoundError("is no name of a module")
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise ForearmError(f"{what}: {error}; it must be on PYTHONPATH or in the current folder") from None
    except Exception as error:
        raise ForearmError(f"{what}: fails when it is imported, {type(error).__name__}: {error}") from error


def named(text: str, what: str) -> Any:
    """What `module:name` names. Raises `ForearmError`, beginning with `what`, if there is no such thing."""
    module, _, path = text.partition(":")
    found: Any = import_own(module, what)
    for part in path.split("."):
        if not hasattr(found, part):
            raise ForearmError(f"{what}: {module} has no '{path}'; write module:name")
        found = getattr(found, part)
    return found
