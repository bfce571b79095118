"""Clients that are broken or mean no good, and a server that ends while it is being asked."""

import base64
import hashlib
import socket as sockets
import threading
from typing import Any

import msgpack
import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request as Handshake
from websockets.sync.client import connect

from forearm.control.plan_source import PlanRequest
from forearm.errors import ForearmError
from forearm.serve.client import DIRECT, Client, NoServer, ServerError
from forearm.serve.config import ServeConfig
from forearm.serve.goals import Goals
from forearm.serve.metrics import Metrics
from forearm.serve.remote import RemotePlanSource
from forearm.serve.running import running
from forearm.serve.server import Server
from forearm.serve.wire import WireError, pack, unpack

from .conftest import HORIZON, Serving, frame, planner

TOKEN = "a token of some length"


@pytest.mark.parametrize(
    "headers",
    [b"Authorization: Bearer \xff\xfe\x80", b"Authorization: Api-Key " + TOKEN.encode() + b"\r\nAuthorization: x"],
)
def test_a_token_of_odd_bytes_or_twice_is_a_wrong_one(headers: bytes, serving: Serving, caplog: Any) -> None:
    server = serving(token=TOKEN)
    with sockets.create_connection(("127.0.0.1", server.port), timeout=20) as raw:
        raw.sendall(b"GET /metrics HTTP/1.1\r\nHost: here\r\n" + headers + b"\r\n\r\n")
        assert raw.recv(64).startswith(b"HTTP/1.1 401 ")
    assert not [record for record in caplog.records if record.exc_info]


def test_a_token_is_not_printed_with_the_settings() -> None:
    assert TOKEN not in repr(ServeConfig(token=TOKEN))


@pytest.mark.parametrize("wrong", [0.0, -5.0, float("nan")])
def test_a_deadline_that_cannot_be_is_refused(wrong: float) -> None:
    with pytest.raises(ForearmError, match="deadline_ms"):
        ServeConfig(deadline_ms=wrong)


def test_a_deadline_that_has_passed_still_gets_a_plan(serving: Serving) -> None:
    with Client(serving(planner(iterations=3000)).url) as client:
        reply = client.plan(frame(), "left", deadline_ms=1, want_plan=True)
    assert reply.plan is not None
    assert reply.plan["stopped"] == "deadline" and reply.plan["iterations"] == 1 and np.isfinite(reply.actions).all()


def test_counters_count_to_the_last_digit() -> None:
    metrics = Metrics()
    metrics.received.inc(123_456_789_012)
    metrics.received.inc()
    (line,) = [line for line in metrics.text().decode().splitlines() if line.startswith("forearm_received_bytes_total")]
    assert float(line.split()[1]) == 123_456_789_013


def test_a_message_that_drips_is_cut_off(serving: Serving) -> None:
    with connect(serving(receive_timeout=0.5).url, compression=None, **DIRECT) as socket:
        socket.recv(timeout=20)
        rest = threading.Event()

        def drops() -> Any:
            for _ in range(200):
                yield b"\x81"
                rest.wait(0.05)

        with pytest.raises(ConnectionClosed, match="did not come to an end"):
            socket.send(drops())
            socket.recv(timeout=20)


def test_keys_that_are_not_text_are_refused() -> None:
    for key in (b"pixels", 7, None):
        with pytest.raises(WireError):
            unpack(msgpack.packb({"reset": True, "more": {key: 1}}))


def test_a_client_that_is_not_told_what_the_server_is_leaves_nothing_open() -> None:
    from websockets.sync.server import serve

    open_now: list[int] = []

    def silent(connection: Any) -> None:
        open_now.append(1)
        for _ in connection:
            pass
        open_now.pop()

    with serve(silent, "127.0.0.1", 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(NoServer, match="no answer"):
            Client(f"ws://127.0.0.1:{server.socket.getsockname()[1]}", timeout=0.3)
        for _ in range(200):
            if not open_now:
                break
            threading.Event().wait(0.05)
        assert not open_now
        server.shutdown()


def dropped(listener: sockets.socket, metadata: bytes) -> None:
    """A server that says what it is and then drops off the network: it takes bytes, and says nothing any more."""
    with listener, listener.accept()[0] as peer:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += peer.recv(4096)
        key = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key:"))
        accept = base64.b64encode(hashlib.sha1(key.split()[1] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
        upgrade = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        peer.sendall(upgrade + b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
        peer.sendall(b"\x82\x7e" + len(metadata).to_bytes(2, "big") + metadata)
        while peer.recv(65536):
            pass


def test_a_server_that_drops_off_the_network_is_given_up_and_the_next_one_found(serving: Serving) -> None:
    there = serving()
    listener = sockets.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    threading.Thread(target=dropped, args=(listener, pack(there.metadata)), daemon=True).start()
    urls = [f"ws://127.0.0.1:{port}", there.url]
    source = RemotePlanSource(lambda: Client(urls.pop(0), timeout=0.5))
    source.begin("left")
    source.see(1.0, {"pixels": frame()})
    request = PlanRequest(1.0, np.zeros((2, 4)), np.zeros((4, 4)))
    with pytest.raises(NoServer, match=r"no answer for 0\.5 s"):
        source.plan(request)
    assert source.plan(request).actions.shape == (HORIZON, 4)
    source.close()


def test_a_request_that_is_refused_does_not_count_as_the_last_one(serving: Serving) -> None:
    with Client(serving().url) as client:
        client.plan(frame(), "left", time=10.0)
        with pytest.raises(ServerError, match="committed"):
            client.plan(frame(2), time=10.4, committed=np.zeros((1, 4)))
        refused = client.plan(frame(2), time=10.4).actions
        client.plan(frame(), "left", time=10.0, reset=True)
        assert np.array_equal(refused, client.plan(frame(2), time=10.4).actions)


def test_a_plan_in_hand_is_answered_before_the_server_ends(loaded: Any) -> None:
    with running(Server(loaded.setup(planner(iterations=400)), ServeConfig(port=0), Goals(None, loaded))) as server:
        socket = connect(server.url, compression=None, **DIRECT).__enter__()
        socket.recv(timeout=20)
        socket.send(pack({"pixels": frame(), "goal": frame(1)}))
        idle = connect(server.url, compression=None, **DIRECT).__enter__()
        idle.recv(timeout=20)
        for _ in range(400):
            if server.metrics.value("forearm_received_bytes_total"):
                break
            threading.Event().wait(0.01)
    assert unpack(socket.recv(timeout=20))["actions"].shape == (HORIZON, 4)
    for client in (socket, idle):
        with pytest.raises(ConnectionClosed):
            client.recv(timeout=20)
        assert client.protocol.close_rcvd.code == 1001
        client.close()


@pytest.mark.skipif(not hasattr(Handshake, "method"), reason="this websockets hangs up on other methods by itself")
@pytest.mark.parametrize("path", ["/healthz", "/metrics", "/", "/elsewhere"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "HEAD", "get", "BREW"])
def test_other_methods_than_get_are_told_so(method: str, path: str, serving: Serving) -> None:
    with sockets.create_connection(("127.0.0.1", serving().port), timeout=20) as raw:
        raw.sendall(f"{method} {path} HTTP/1.1\r\nHost: here\r\nContent-Length: 0\r\n\r\n".encode())
        answer = b"".join(iter(lambda: raw.recv(4096), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 405 ") and b"\r\nAllow: GET" in head
    assert (body == b"") == (method == "HEAD")


@pytest.mark.skipif(not hasattr(Handshake, "protocol"), reason="this websockets hangs up on HTTP/1.0 by itself")
def test_health_is_told_to_those_who_speak_an_older_http(serving: Serving) -> None:
    with sockets.create_connection(("127.0.0.1", serving().port), timeout=20) as raw:
        raw.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
        answer = b"".join(iter(lambda: raw.recv(4096), b""))
    assert answer.split(b"\r\n")[0].split(b" ")[1] == b"200" and answer.endswith(b"OK\n")
