"""A small client: frames in, plans out."""

import itertools
import ssl as tls
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.sync.client import connect

from forearm.common.websocket import direct
from forearm.errors import ForearmError, one_line
from forearm.serve.request import PROTOCOL
from forearm.serve.wire import WireError, pack, unpack

PARTING = 1.0
"""s to wait for a server's goodbye: one that has dropped off the network says none."""
LARGEST_REPLY = 64 << 20
"""Bytes."""
DIRECT = direct(connect)


class ServerError(ForearmError):
    """The server refused a request; the message is its own."""


class NoServer(ForearmError):
    """There is no server, it went away, it does not answer in time, or it is of another kind."""


@dataclass(frozen=True, eq=False)
class Reply:
    """A plan from the server.

    actions: (H, A), one command each control period. policy_timing, server_timing: ms, see docs/wire.md. plan: the
    document, if it was asked for; `planner.Plan.from_dict` reads it. surprise: by the newest frame, where the server
    watches.
    """

    actions: NDArray[np.float32]
    request_id: int
    policy_timing: dict[str, float] = field(default_factory=dict)
    server_timing: dict[str, float] = field(default_factory=dict)
    plan: dict[str, Any] | None = None
    surprise: dict[str, Any] | None = None


class Client:
    """A connection to `forearm serve`; for one thread at a time. Close it, or use it in a `with` statement.

    Args:
        url: such as ws://127.0.0.1:8000, or wss:// for TLS.
        token: what the server was started with, if anything.
        timeout: s to wait for a connection or a reply.
        ssl: for a certificate of one's own; None for what the system trusts.

    Raises:
        NoServer: nobody answers there, or not as a forearm server would.
    """

    def __init__(
        self,
        url: str = "ws://127.0.0.1:8000",
        token: str | None = None,
        timeout: float = 30.0,
        ssl: tls.SSLContext | None = None,
    ) -> None:
        self.url, self.timeout = url, timeout
        headers = {"Authorization": f"Api-Key {token}"} if token else None
        try:
            connecting: Any = connect(
                url, ssl=ssl, additional_headers=headers, compression=None, max_size=LARGEST_REPLY,
                open_timeout=timeout, close_timeout=min(timeout, PARTING), **DIRECT,
            )  # fmt: skip
            self._socket = connecting.__enter__()  # newer releases of websockets connect here, older ones above
        except (OSError, InvalidHandshake, ConnectionClosed, ValueError) as error:
            raise NoServer(f"no forearm server at {url}: {_short(error)}") from None
        try:
            metadata = self._received()
        except (OSError, ConnectionClosed, ValueError) as error:
            self.close()
            raise NoServer(f"no forearm server at {url}: {_short(error)}") from None
        if not isinstance(metadata, dict) or metadata.get("protocol") != PROTOCOL:
            self.close()
            raise NoServer(f"{url} does not speak version {PROTOCOL} of the protocol: is it a forearm server?")
        self.metadata: dict[str, Any] = metadata
        self._numbers = itertools.count(1)

    def plan(
        self,
        frame: Any,
        goal: Any = None,
        *,
        proprio: NDArray[np.floating] | None = None,
        reset: bool = False,
        deadline_ms: float | None = None,
        want_plan: bool = False,
        **more: Any,
    ) -> Reply:
        """The plan from what `frame` (H, W, 3) uint8, or one of each camera by name, shows.

        Args:
            frame: the newest.
            goal: a frame, a name that the server knows, or places in m, `{"object": [0.5, 0.1]}`; may be left out once
                it was given.
            proprio: (P,) joint readings, if the model uses them.
            reset: begin anew, whatever was shown before.
            deadline_ms: for the answer to be ready, counted from the request's arrival.
            want_plan: send the plan document as well.
            more: further fields of docs/wire.md, such as `time` and `elapsed_steps`.

        Raises:
            ServerError: the server refuses the request.
            NoServer: the connection is lost, or no reply comes in time.
        """
        fields = {
            "pixels": frame, "goal": goal, "proprio": proprio, "reset": reset or None, "deadline_ms": deadline_ms,
            "want_plan": want_plan or None, **more,
        }  # fmt: skip
        number = next(self._numbers)
        request = {key: value for key, value in fields.items() if value is not None}
        reply = self.infer({**request, "request_id": number, "protocol": PROTOCOL})
        if not isinstance(reply.get("actions"), np.ndarray) or reply.get("request_id") != number:
            raise NoServer(f"{self.url} answered something else than request {number}: connect again")
        return Reply(
            reply["actions"], number, reply.get("policy_timing", {}), reply.get("server_timing", {}), reply.get("plan"),
            reply.get("surprise"),
        )  # fmt: skip

    def reset(self) -> None:
        """Begin a new episode with the same goal; raises as `plan` does."""
        self.infer({"reset": True, "protocol": PROTOCOL})

    def infer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Any request of docs/wire.md and its reply as they are; raises as `plan` does."""
        data = pack(request)
        try:
            self._socket.send(data)
            reply = self._received()
        except (OSError, ConnectionClosed, WireError) as error:
            self.close()
            raise NoServer(f"the connection to {self.url} is lost: {_short(error)}") from None
        if isinstance(reply, str):
            raise ServerError(reply)
        if not isinstance(reply, dict):
            self.close()
            raise NoServer(f"{self.url} answered with {type(reply).__name__}, not a map")
        return reply

    def close(self) -> None:
        """End the connection; safe to call twice."""
        self._socket.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _received(self) -> Any:
        try:
            data = self._socket.recv(timeout=self.timeout)
        except TimeoutError:
            raise OSError(f"no answer for {self.timeout:g} s") from None
        return data if isinstance(data, str) else unpack(data)


def _short(error: BaseException) -> str:
    return one_line(error) or type(error).__name__
