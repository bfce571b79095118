"""One client's connection: reads what comes, keeps the newest request, plans off the event loop, answers."""

import asyncio
import logging
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any

from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode

from forearm.serve.config import ServeConfig
from forearm.serve.mailbox import Letter, Mailbox
from forearm.serve.metrics import Metrics
from forearm.serve.request import PROTOCOL, Request, RequestError, RequestShape, identity, read
from forearm.serve.session import Session
from forearm.serve.wire import WireError, pack, unpack

if TYPE_CHECKING:
    from websockets.asyncio.server import ServerConnection

logger = logging.getLogger(__name__)


class Gone(Exception):
    """The client is cut off, with a close code and a reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


class Connection:
    """Serves one client until it goes, or is cut off."""

    def __init__(
        self,
        socket: "ServerConnection",
        session: Session,
        shape: RequestShape,
        config: ServeConfig,
        executor: Executor,
        metrics: Metrics,
    ) -> None:
        self._socket, self._session, self._shape, self._config = socket, session, shape, config
        self._executor, self._metrics = executor, metrics
        self._mailbox: Mailbox[Request] = Mailbox()
        self._ending = False
        self._errors = self._alarms = 0
        self._last_total_ms: float | None = None

    async def serve(self, metadata: dict[str, Any]) -> None:
        """Say who we are, then answer requests until the connection ends."""
        tasks: list[asyncio.Task[None]] = []
        try:
            await self._send(pack(metadata))
            tasks = [asyncio.create_task(self._reading()), asyncio.create_task(self._answering())]
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            if self._ending:
                await self._close(CloseCode.GOING_AWAY, "the server ends")
        except ConnectionClosed:
            pass
        except Gone as gone:
            self._metrics.connections.labels("cut_off").inc()
            logger.info("client %s cut off: %s", self._socket.remote_address, gone.reason)
            await self._close(gone.code, gone.reason)
        finally:
            self._mailbox.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def finish(self) -> None:
        """Answer the request that is being worked on, and then say goodbye."""
        self._ending = True
        self._mailbox.close()

    async def _reading(self) -> None:
        """Take in messages as they come, each in place of one that still waits."""
        clock = asyncio.get_running_loop().time
        while True:
            data = await self._receive()
            came = clock()
            self._metrics.received.inc(len(data))
            name = None
            try:
                if isinstance(data, str):
                    raise WireError("requests are binary messages (msgpack), not text")
                message = unpack(data)
                name = identity(message)
                request = read(message, self._shape)
            except (WireError, RequestError) as error:
                await self._complain(name, str(error))
                continue
            except Exception:
                raise self._defect("a message could not be read") from None
            waiting = self._mailbox.peek()
            if waiting is not None:
                request = request.after(waiting.content)
            replaced = self._mailbox.put(Letter(request, came))
            if replaced is not None:
                self._metrics.requests.labels("superseded").inc()
                await self._send(pack({"superseded": True, "protocol": PROTOCOL, **_named(replaced.content)}))

    async def _answering(self) -> None:
        """Answer the newest request, again and again."""
        loop = asyncio.get_running_loop()
        while (letter := await self._mailbox.take()) is not None:
            request = letter.content
            began = 0.0

            def work(request: Request = request, came: float = letter.came) -> tuple[dict[str, Any], float]:
                began = loop.time()
                if request.deadline_ms is None and self._config.deadline_ms is not None:
                    request = Request(**{**vars(request), "deadline_ms": self._config.deadline_ms})
                return self._session.answer(request, 1e3 * (began - came)), began

            try:
                reply, began = await loop.run_in_executor(self._executor, work)
            except RequestError as error:
                await self._complain(request.request_id, str(error))
                continue
            except Exception:
                raise self._defect("a request could not be answered") from None
            ended = loop.time()
            self._errors = 0
            self._metrics.requests.labels("ok").inc()
            if "surprise" in reply:
                self._metrics.watched.inc()
                self._metrics.surprises.inc(self._session.alarms - self._alarms)
                self._alarms = self._session.alarms
            self._metrics.waited.observe(began - letter.came)
            self._metrics.planned.observe(ended - began)
            timing = {"queue_ms": 1e3 * (began - letter.came), "infer_ms": 1e3 * (ended - began)}
            if self._last_total_ms is not None:
                timing["prev_total_ms"] = self._last_total_ms
            await self._send(pack({**reply, "server_timing": timing, **_named(request)}))
            self._last_total_ms = 1e3 * (loop.time() - letter.came)

    async def _receive(self) -> bytes | str:
        """One whole message; a client that says nothing for too long, or does not come to an end, is cut off."""
        parts: list[Any] = []
        stream = self._socket.recv_streaming()
        clock = asyncio.get_running_loop().time
        timeout, why = self._config.idle_timeout, "no request for {:g} s"
        end = clock() + timeout
        while True:
            try:
                parts.append(await asyncio.wait_for(anext(stream), end - clock()))
            except StopAsyncIteration:
                return b"".join(parts) if not parts or isinstance(parts[0], bytes) else "".join(parts)
            except asyncio.TimeoutError:
                raise Gone(CloseCode.POLICY_VIOLATION, why.format(timeout)) from None
            if len(parts) == 1:  # all that follows has this long together, in however many pieces it comes
                timeout, why = self._config.receive_timeout, "a message did not come to an end in {:g} s"
                end = clock() + timeout

    async def _send(self, data: bytes | str) -> None:
        """Send one message; a client that does not take it is cut off."""
        try:
            await asyncio.wait_for(self._socket.send(data), self._config.send_timeout)
        except asyncio.TimeoutError:
            raise Gone(CloseCode.POLICY_VIOLATION, "replies are not read") from None
        self._metrics.sent.inc(len(data))

    async def _complain(self, name: str | int | None, why: str) -> None:
        """Answer with an error, which is a text message."""
        self._metrics.requests.labels("error").inc()
        self._errors += 1
        await self._send(why if name is None else f"request {name}: {why}")
        if self._errors >= self._config.max_errors:
            raise Gone(CloseCode.POLICY_VIOLATION, f"{self._errors} wrong requests in a row")

    def _defect(self, what: str) -> Gone:
        """Called while an exception is handled that should never have come up."""
        logger.exception(what)
        self._metrics.requests.labels("defect").inc()
        return Gone(CloseCode.INTERNAL_ERROR, "a defect of the server's; its log says more")

    async def _close(self, code: int, reason: str) -> None:
        try:
            await asyncio.wait_for(self._socket.close(code, reason), 2.0)
        except asyncio.TimeoutError:
            self._socket.transport.abort()


def _named(request: Request) -> dict[str, Any]:
    return {} if request.request_id is None else {"request_id": request.request_id}
