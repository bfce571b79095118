"""Streamable HTTP: who may connect, and how a server listens and ends."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import uvicorn
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from forearm.common.signals import told_to_stop
from forearm.serve.config import ServeConfig

if TYPE_CHECKING:
    from forearm.serve.mcp.server import AgentServer

PATH = "/mcp"
ENDING = 5
"""s in which open streams may end, once the server is told to."""


class Gate:
    """Lets nobody in without the token, and no page of a browser at all.

    Args:
        app: what is behind.
        config: who is trusted.
    """

    def __init__(self, app: ASGIApp, config: ServeConfig) -> None:
        self._app, self._config = app, config

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer what may not come in."""
        if scope["type"] == "http":
            headers = [(name.lower(), value) for name, value in scope["headers"]]
            refused = None
            if any(name == b"origin" for name, _ in headers):
                refused = PlainTextResponse("pages in a browser are not answered here\n", 403)
            elif not self._config.trusts([value for name, value in headers if name == b"authorization"]):
                told = {"WWW-Authenticate": "Bearer"}
                refused = PlainTextResponse("a token is needed: Authorization: Bearer TOKEN\n", 401, told)
            if refused is not None:
                await refused(scope, receive, send)
                return
        await self._app(scope, receive, send)


def serve(server: "AgentServer", config: ServeConfig, say: Callable[[str], Any]) -> None:
    """Listen until SIGINT or SIGTERM; `say` is told the address once it is known.

    Raises OSError for an address that is taken, ForearmError for TLS files that cannot be used.
    """
    config.tls()
    app = server.streamable_http_app(
        streamable_http_path=PATH,
        host=config.host,
        max_request_body_size=config.max_message_bytes,
        max_sessions=config.max_clients,
        session_idle_timeout=config.idle_timeout,
    )
    listener = uvicorn.Server(
        uvicorn.Config(
            Gate(app, config), lifespan="on", log_level="warning", server_header=False,
            ssl_certfile=config.tls_cert, ssl_keyfile=config.tls_key, timeout_graceful_shutdown=ENDING,
        )
    )  # fmt: skip
    with _socket(config) as socket, told_to_stop(lambda: None):  # which is told again once the server has ended
        say(config.url("http", socket.getsockname()[1]) + PATH)
        listener.run(sockets=[socket])


def _socket(config: ServeConfig) -> Any:
    import socket

    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    return socket.create_server((config.host, config.port), family=family)
