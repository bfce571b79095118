"""Messages that no client should send, in numbers: the server answers each, or ends the connection, and lives on."""

import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from forearm.serve.client import DIRECT, Client
from tools.reliability.server import broken

from .conftest import HORIZON, Serving, frame

PROGRAM = "import sys; from forearm.cli.main import main; sys.exit(main())"
ROOT = Path(__file__).parents[2]


def test_a_thousand_malformed_messages(serving: Serving) -> None:
    server, rng = serving(max_errors=200), random.Random(0)
    with Client(server.url) as client:
        client.plan(frame(), "left")  # now every thread has begun that will
    threads, answered, ended = threading.active_count(), 0, 0
    while answered + ended < 1000:
        with connect(server.url, compression=None, **DIRECT) as socket:
            socket.recv(timeout=20)
            try:
                while answered + ended < 1000:
                    socket.send(broken(rng))
                    socket.recv(timeout=20)
                    answered += 1
            except ConnectionClosed:
                ended += 1
    assert answered > 900
    with Client(server.url) as client:
        assert client.plan(frame(), "left").actions.shape == (HORIZON, 4)
    for _ in range(100):
        if server.metrics.value("forearm_clients") == 0 and threading.active_count() <= threads:
            break
        threading.Event().wait(0.05)
    assert server.metrics.value("forearm_clients") == 0 and threading.active_count() <= threads
    assert server.metrics.value("forearm_requests_total", outcome="defect") == 0


def test_the_command_serves_until_it_is_told_to_stop(tmp_path: Path, goal_folder: Path) -> None:
    words = ["serve", "task=push", "port=0", f"goals={goal_folder}", "cem.samples=16", "cem.elites=4"]
    settings = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1", "COLUMNS": "200"}
    command = [sys.executable, "-c", PROGRAM, *words]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=tmp_path, env={**os.environ, **settings}, **pipes) as process:
        try:
            assert process.stdout is not None and process.stderr is not None
            line = process.stdout.readline()
            assert "ws://127.0.0.1:" in line, process.stderr.read()
            url = next(word for word in line.split() if word.startswith("ws://"))
            with Client(url, timeout=60) as client:
                assert client.metadata["task"] == "push" and client.metadata["goals"] == ["left", "right"]
                client.plan(frame(), "left")
                process.send_signal(signal.SIGTERM)
                assert process.wait(timeout=60) == 0
            assert "ending" in process.stdout.read()
            assert "Traceback" not in process.stderr.read()
        finally:
            process.kill()


def test_a_users_mistake_is_one_line(tmp_path: Path) -> None:
    from forearm.cli.main import main

    for words in (["host=0.0.0.0"], ["port=99999"], ["goals=/nowhere"], ["token_file=/nowhere"], ["tls_cert=/nowhere"]):
        assert main(["serve", "task=push", *words]) == 2
