"""The server of the page: loopback alone, one websocket for each who looks on, one for each process that tells."""

import asyncio
import errno
import http
import json
import logging
import secrets
import threading
from contextlib import suppress
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from forearm.errors import ForearmError
from forearm.live.news import PORT

if TYPE_CHECKING:
    from websockets.asyncio.server import Server, ServerConnection
    from websockets.http11 import Request, Response

logger = logging.getLogger(__name__)

HOST = "127.0.0.1"
LARGEST = 16 << 20
"""Bytes of one piece of news."""
POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class LivePage:
    """Serves the page from a thread of its own, from when it is made until `close`. Thread-safe.

    Args:
        port: of 127.0.0.1, which only this machine can reach; 0: any free one.

    Raises `ForearmError` for a port that is taken, and where the extra `live` is not installed.
    """

    def __init__(self, port: int = PORT) -> None:
        check_installed()
        if not 0 <= port <= 65535:
            raise ForearmError(f"live_port must lie between 0 and 65535, not {port}")
        self.port = port
        self._secret = secrets.token_urlsafe(16)
        self._known: dict[str, dict[str, Any]] = {}
        self._viewers: dict[asyncio.Event, dict[str, dict[str, Any]]] = {}
        self._lock = threading.Lock()
        self._loop = asyncio.new_event_loop()
        self._ending = asyncio.Event()
        self._failure: OSError | None = None
        started = threading.Event()
        life = self._life(started)
        self._thread = threading.Thread(
            target=self._loop.run_until_complete, args=(life,), name="forearm-live", daemon=True
        )
        self._thread.start()
        started.wait()
        if self._failure is not None:
            self._thread.join()
            self._loop.close()
            taken = self._failure.errno == errno.EADDRINUSE
            why = "is taken" if taken else f"cannot be used ({self._failure.strerror})"
            raise ForearmError(f"live_port={port} {why}: name another, or live_port=0 for any free one")
        logger.info("live: %s", self.url)

    @property
    def url(self) -> str:
        """What to open in a browser."""
        return f"http://{HOST}:{self.port}"

    @property
    def feed_url(self) -> str:
        """Where other processes of ours tell their news: what a `Feed` is made of."""
        return f"ws://{HOST}:{self.port}/feed/{self._secret}"

    def publish(self, source: str, **news: Any) -> None:
        """See `Publishing`."""
        with self._lock:
            self._known.setdefault(source, {}).update(news)
            for waiting in self._viewers.values():
                waiting.setdefault(source, {}).update(news)
        with suppress(RuntimeError):  # the page was closed
            self._loop.call_soon_threadsafe(self._wake)

    def close(self) -> None:
        """Say goodbye to those who look on, and end."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._ending.set)
            self._thread.join(timeout=10.0)
        if not self._loop.is_running():
            self._loop.close()

    def __enter__(self) -> "LivePage":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _wake(self) -> None:
        with self._lock:
            for event in self._viewers:
                event.set()

    async def _life(self, started: threading.Event) -> None:
        from websockets.asyncio.server import serve

        logging.getLogger("websockets").setLevel(logging.WARNING)
        self._page = (files("forearm.live") / "page.html").read_text(encoding="utf-8")
        listener: Server | None = None
        try:
            listener = await serve(
                self._client, HOST, self.port, compression=None, process_request=self._visit, max_size=LARGEST,
                server_header=None, close_timeout=1.0,
            )  # fmt: skip
            self.port = next(iter(listener.sockets)).getsockname()[1]
        except OSError as error:
            self._failure = error
            return
        finally:
            started.set()
        await self._ending.wait()
        listener.close()
        await listener.wait_closed()

    def _visit(self, connection: "ServerConnection", request: "Request") -> "Response | None":
        """The page for whoever asks by plain HTTP; who wants a websocket must come from it, or know the secret."""
        path, origin = request.path.partition("?")[0], request.headers.get("Origin")
        own = (None, *(f"http://{host}:{self.port}" for host in (HOST, "localhost")))
        if getattr(request, "method", "GET") != "GET":  # before version 17 requests had none, and others hung up
            return connection.respond(http.HTTPStatus.METHOD_NOT_ALLOWED, "")
        if path == "/" and "Upgrade" not in request.headers:
            answer = connection.respond(http.HTTPStatus.OK, self._page)
            del answer.headers["Content-Type"]
            answer.headers["Content-Type"] = "text/html; charset=utf-8"
            answer.headers["Content-Security-Policy"] = POLICY
            return answer
        # Any page in somebody's browser can reach loopback, and says where it is from.
        if path == "/view" and origin in own:
            return None
        if origin is None and secrets.compare_digest(path.encode(), f"/feed/{self._secret}".encode()):
            return None
        return connection.respond(http.HTTPStatus.NOT_FOUND, "nothing here\n")

    async def _client(self, socket: "ServerConnection") -> None:
        from websockets.exceptions import ConnectionClosed

        request = socket.request
        assert request is not None
        try:
            if request.path.startswith("/feed/"):
                async for text in socket:
                    source, news = json.loads(text)
                    self.publish(source, **news)
            else:
                await self._show(socket)
        except ConnectionClosed:
            pass

    async def _show(self, socket: "ServerConnection") -> None:
        """Send all that is known, then what changes; who is slow misses what has changed again meanwhile."""
        event = asyncio.Event()
        with self._lock:
            self._viewers[event] = {source: dict(news) for source, news in self._known.items()}
        event.set()
        gone = asyncio.ensure_future(socket.wait_closed())
        try:
            while not gone.done():
                waiting = asyncio.ensure_future(event.wait())
                await asyncio.wait([waiting, gone], return_when=asyncio.FIRST_COMPLETED)
                waiting.cancel()
                event.clear()
                with self._lock:
                    news, self._viewers[event] = self._viewers[event], {}
                if news and not gone.done():
                    await socket.send(json.dumps(news, allow_nan=False))
        finally:
            gone.cancel()
            with self._lock:
                del self._viewers[event]


def check_installed() -> None:
    """Raise `ForearmError` where the extra `live` is not installed."""
    try:
        import websockets  # noqa: F401
    except ModuleNotFoundError:
        raise ForearmError("live=true needs one more package: pip install 'forearm[live]'") from None
