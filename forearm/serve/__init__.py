"""Plans over a websocket: a server, a client, and the bytes between them (docs/wire.md)."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from forearm.serve.client import Client, Reply, ServerError
    from forearm.serve.remote import RemotePlanSource
    from forearm.serve.running import running

__all__ = ["Client", "RemotePlanSource", "Reply", "ServerError", "running"]

_LAZY = {
    "Client": "client",
    "Reply": "client",
    "ServerError": "client",
    "RemotePlanSource": "remote",
    "running": "running",
}


_RENAMED = {"RemoteMind": "RemotePlanSource"}


def __getattr__(name: str) -> Any:
    if name in _RENAMED:
        import warnings

        new = _RENAMED[name]
        old = f"forearm.serve.{name}"
        warnings.warn(f"{old} is now forearm.serve.{new}; the old name goes with 0.2", DeprecationWarning, stacklevel=2)
        name = new
    if name in _LAZY:
        import importlib

        return getattr(importlib.import_module(f"forearm.serve.{_LAZY[name]}"), name)
    raise AttributeError(f"module 'forearm.serve' has no attribute '{name}'")
