"""The server under load and ill treatment, always over loopback and in a process of its own."""

import concurrent.futures
import contextlib
import inspect
import random
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from forearm.calibrate.simulated_arm import BEAT, FRAME_EVERY, SimulatedArm
from forearm.control import Controller, load_robot
from forearm.control.action_adapter import ToolActionAdapter
from forearm.control.audit import audit
from forearm.control.command import MOVING
from forearm.errors import ForearmError
from forearm.serve.client import DIRECT, Client
from forearm.serve.remote import RemotePlanSource
from forearm.serve.wire import pack
from tools.reliability.memory import process_memory

PROGRAM = "import sys; from forearm.cli.main import main; sys.exit(main())"
SHORT_QUEUE: dict[str, Any] = {"max_queue": 1} if "max_queue" in inspect.signature(connect).parameters else {}
"""Of messages that a client has not read; websockets before 14 lets a client keep as many as it likes."""
SMALL = ("cem.samples=16", "cem.elites=4", "cem.iterations=1")
"""A search that takes little time, where the server is what is tested."""


class Served:
    """A server process: `url`, and `process` to be killed."""

    def __init__(self, *words: str, port: int = 0) -> None:
        command = [sys.executable, "-u", "-c", PROGRAM, "serve", "task=push", f"port={port}", *words]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        found = [word for word in line.split() if word.startswith("ws://")]
        if not found:
            raise ForearmError("the server to be tested did not start: try 'forearm serve task=push'")
        self.url = found[0]
        self.port = int(self.url.rpartition(":")[2])

    @property
    def memory(self) -> float:
        """Resident memory in MB."""
        return process_memory(self.process.pid)

    @property
    def threads(self) -> int:
        """Threads of the process."""
        with Path(f"/proc/{self.process.pid}/status").open(encoding="utf-8") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("Threads:"))

    def counted(self, line: str) -> int:
        """The number of one line of /metrics, 0 if it is not there."""
        plain = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with plain.open(self.url.replace("ws", "http", 1) + "/metrics", timeout=60) as answer:
            found = [text.split() for text in answer.read().decode().splitlines()]
        return next((int(float(words[1])) for words in found if words[0] == line), 0)

    def kill(self) -> None:
        """End it at once, as a crash would."""
        self.process.kill()
        self._gone()

    def stop(self) -> int:
        """Ask it to end; its exit code."""
        self.process.terminate()
        return self._gone(60.0)

    def _gone(self, timeout: float | None = None) -> int:
        code = self.process.wait(timeout)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return code


@contextlib.contextmanager
def served(*words: str) -> Iterator[Served]:
    """A server inside; it is asked to end after, and must do so."""
    server = Served(*words)
    try:
        yield server
    finally:
        try:
            server.stop()
        finally:
            server.kill()


def frame(rng: np.random.Generator) -> np.ndarray:
    """Some picture."""
    return rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)


def killed_and_restarted(task: str = "push") -> dict[str, Any]:
    """The server is killed while the arm moves, stays away for 2 s, and is started again."""
    server, arm, robot = Served(), SimulatedArm(task), load_robot()
    port = server.port
    source = RemotePlanSource(lambda: Client(f"ws://127.0.0.1:{port}", timeout=5.0))
    sent, rested, resumed, killed, back = [], None, None, None, None
    again: list[Served] = []
    starting = threading.Thread(target=lambda: again.append(Served(port=port)))
    with contextlib.ExitStack() as stack:
        # Whatever comes up here, no process is left behind.
        stack.callback(arm.close)
        stack.callback(_end_all, [server], again, starting)
        stack.callback(source.close)
        control = stack.enter_context(Controller(source, robot, ToolActionAdapter(task)))
        control.reset(arm.goal)
        begun = time.monotonic()
        for beat in range(round(60.0 / BEAT)):
            due = begun + beat * BEAT
            if (wait := due - time.monotonic()) > 0:
                time.sleep(wait)
            now = time.monotonic()
            command = control.act(arm.observe(now) if beat % FRAME_EVERY == 0 else None, now)
            arm.move(command, robot)
            sent.append(command)
            if killed is None and beat > 100 and command.status in MOVING and (command.plan_id or 0) >= 3:
                server.kill()
                killed = now
            elif killed is not None and rested is None and command.status not in MOVING:
                rested = now
            if killed is not None and back is None and now - killed > 2.0:
                back = now
                starting.start()
            if back is not None and again and command.status in MOVING:
                resumed = now
                break
        reasons = {command.reason for command in sent if killed and command.time > killed} - {""}
    return {
        "rest_after_s": None if rested is None or killed is None else rested - killed,
        "violations": len(audit(sent, robot).violations),
        "moved_again": resumed is not None,
        "reasons": sorted(reasons),
    }


def _end_all(servers: list[Served], more: list[Served], starting: threading.Thread) -> None:
    if starting.ident:
        starting.join()
    for server in (*servers, *more):
        server.kill()


def malformed(count: int) -> dict[str, Any]:
    """`count` messages that no client should send, then a good one."""
    rng, outcomes = random.Random(0), {"answered": 0, "ended": 0}
    with served(*SMALL) as server:
        with Client(server.url) as client:
            client.plan(frame(np.random.default_rng(0)), frame(np.random.default_rng(1)))
        memory, threads = server.memory, server.threads
        while sum(outcomes.values()) < count:
            with connect(server.url, compression=None, **DIRECT) as socket:
                socket.recv(timeout=20)
                try:
                    while sum(outcomes.values()) < count:
                        socket.send(broken(rng))
                        socket.recv(timeout=20)
                        outcomes["answered"] += 1
                except ConnectionClosed:
                    outcomes["ended"] += 1
        with Client(server.url) as client:
            client.plan(frame(np.random.default_rng(0)), frame(np.random.default_rng(1)))
        defects = server.counted('forearm_requests_total{outcome="defect"}')
        return {
            **outcomes,
            "defects": defects,
            "grown_mb": server.memory - memory,
            "more_threads": server.threads - threads,
        }


def broken(rng: random.Random) -> bytes | str:
    """A good request, broken in one of many ways."""
    good = pack({"pixels": np.zeros((64, 64, 3), np.uint8), "goal": "left", "request_id": rng.randrange(9)})
    kind = rng.randrange(7)
    if kind == 0:
        return rng.randbytes(rng.randrange(60))
    if kind == 1:
        return good[: rng.randrange(len(good))]
    if kind == 2:
        data = bytearray(good)
        for _ in range(rng.randrange(1, 8)):
            data[rng.randrange(80)] = rng.randrange(256)
        return bytes(data)
    if kind == 3:
        return "text " * rng.randrange(9)
    if kind == 4:
        keys = [
            "pixels",
            "goal",
            "reset",
            "time",
            "past",
            "deadline_ms",
            "protocol",
            "committed",
            "request_id",
            "prompt",
        ]
        values: list[Any] = [None, -1, 1e308, "x", b"x", [], {}, [[[]]], True, np.zeros(3), np.full((2, 4), np.nan)]
        return pack({rng.choice(keys): rng.choice(values) for _ in range(4)})
    if kind == 5:
        shape = [rng.choice([0, 1, 64, 2**40, -1]) for _ in range(3)]
        return bytes(msgpack.packb({"pixels": {b"__ndarray__": True, b"data": b"", b"dtype": "|u1", b"shape": shape}}))
    return bytes(msgpack.packb(msgpack.ExtType(rng.randrange(100), rng.randbytes(9))))


def many_clients(clients: int, requests: int) -> dict[str, Any]:
    """`clients` at once, each with `requests` requests of the default search, beside one that never reads."""
    with served(f"max_clients={clients + 1}", "send_timeout=2") as server:
        slow = connect(server.url, compression=None, **DIRECT, **SHORT_QUEUE).__enter__()
        for number in range(200):  # many short complaints fill its pipe, and then nothing more of it is read
            with contextlib.suppress(ConnectionClosed, OSError, TimeoutError):
                slow.send(pack({"request_id": number, "pixels": "x" * 2000}))

        def use(number: int) -> list[float]:
            rng, times = np.random.default_rng(number), []
            with Client(server.url, timeout=300) as client:
                for i in range(requests):
                    begun = time.perf_counter()
                    client.plan(frame(rng), frame(rng) if i == 0 else None)
                    times.append(time.perf_counter() - begun)
            return times

        begun = time.perf_counter()
        with concurrent.futures.ThreadPoolExecutor(clients) as pool:
            times = [t for found in pool.map(use, range(clients)) for t in found]
        seconds = time.perf_counter() - begun
        with contextlib.suppress(Exception):
            slow.close()
        cut_off = server.counted('forearm_connections_total{outcome="cut_off"}')
    return {
        "answered": len(times),
        "slow_cut_off": cut_off > 0,
        "per_second": len(times) / seconds,
        "ms_p50": 1e3 * float(np.quantile(times, 0.5)),
        "ms_p95": 1e3 * float(np.quantile(times, 0.95)),
    }


def many_requests(count: int) -> dict[str, Any]:
    """`count` requests of one client after the other, a new connection every 1000; how much the server has grown."""
    rng = np.random.default_rng(0)
    goal, pictures = frame(rng), [frame(rng) for _ in range(16)]
    early, done, begun = float("nan"), 0, time.perf_counter()
    with served(*SMALL) as server:
        while done < count:
            with Client(server.url) as client:
                for i in range(min(1000, count - done)):
                    client.plan(pictures[i % 16], goal if i == 0 else None, want_plan=i % 10 == 0)
                    done += 1
                    if done == max(1, count // 10):  # allocators have what they want by now
                        early = server.memory
        late = server.memory
    return {
        "requests": count,
        "mb_at_a_tenth": early,
        "mb_at_the_end": late,
        "per_second": count / (time.perf_counter() - begun),
    }
