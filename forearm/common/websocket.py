"""Websockets between processes of ours: no proxy comes between them."""

import inspect
from collections.abc import Callable
from typing import Any


def direct(connect: Callable[..., Any]) -> dict[str, Any]:
    """What keeps `connect` of websockets from a proxy; before release 15 it knows none, and would not know the word."""
    return {"proxy": None} if "proxy" in inspect.signature(connect).parameters else {}
