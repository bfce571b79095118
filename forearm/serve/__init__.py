"""Plans over a websocket: a server, a client, and the bytes between them (docs/wire.md)."""

from typing import TYPE_CHECKING

from forearm.common.lazy import attach

if TYPE_CHECKING:
    from forearm.serve.client import Client, Reply, ServerError
    from forearm.serve.remote import RemotePlanSource
    from forearm.serve.running import running

__all__ = ["Client", "RemotePlanSource", "Reply", "ServerError", "running"]

__getattr__, __dir__ = attach(
    __name__,
    {"client": ["Client", "Reply", "ServerError"], "remote": ["RemotePlanSource"], "running": ["running"]},
    {"RemoteMind": "RemotePlanSource"},
)
