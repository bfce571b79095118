"""Several servers behind one port: what they answer when one is killed, and how they are kept alive and ended."""

import asyncio
import os
import platform
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forearm.agent.loaded_model import LoadedModel
from forearm.cli import replicas as command
from forearm.cli import server
from forearm.cli.main import main
from forearm.errors import ForearmError
from forearm.serve import replicas
from forearm.serve.client import Client, NoServer
from forearm.serve.config import Replica, ServeConfig
from forearm.serve.goals import Goals
from forearm.serve.replicas import CHANGED, Replicas, claimed
from forearm.serve.server import Server
from forearm.settings import compose as settings

from .conftest import Serving, frame, planner

ROOT = Path(__file__).parents[2]
PROGRAM = "import sys; from forearm.cli.main import main; sys.exit(main())"
STEPS = 4
"""Of an episode that clients go through again and again."""


class Caller:
    """A client in a thread that asks for the plans of an episode again and again, and connects again when it must."""

    def __init__(self, url: str, wanted: list[np.ndarray]) -> None:
        self.client = Client(url, timeout=60)
        self.replica = self.client.metadata["replica"]
        self.answered = self.wrong = self.reconnected = 0
        self._wanted, self._url, self._stop = wanted, url, threading.Event()
        self._thread = threading.Thread(target=self._life, daemon=True)

    def ask(self, step: int) -> None:
        first = {"goal": "left", "reset": True} if step == 0 else {}
        found = self.client.plan(frame(step), **first).actions
        self.answered += 1
        self.wrong += not np.array_equal(found, self._wanted[step])

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(60)

    def _life(self) -> None:
        step = 0
        while not self._stop.is_set():
            try:
                self.ask(step)
                step = (step + 1) % STEPS
            except NoServer:
                self.client, step = Client(self._url, timeout=60), 0
                self.reconnected += 1


def eventually(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def counted(url: str) -> dict[str, float]:
    """The samples of /metrics, of whichever replica answers."""
    plain = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with plain.open(url.replace("ws", "http", 1) + "/metrics", timeout=60) as answer:
        lines = [line for line in answer.read().decode().splitlines() if not line.startswith("#")]
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}


@contextmanager
def ended(process: "subprocess.Popen[str]", callers: list[Caller]) -> Iterator[None]:
    try:
        yield
    finally:
        process.kill()
        for caller in callers:
            caller.stop()
            caller.client.close()


def test_a_replica_that_is_killed_costs_its_clients_one_reconnect_and_no_wrong_answer(
    serving: Serving, loaded: LoadedModel, goal_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Client(serving().url) as alone:
        wanted = [alone.plan(frame(step), None if step else "left").actions for step in range(STEPS)]
    words = [
        "task=push", "port=0", "replicas=2", "threads=1", "check_goals=false", f"goals={goal_folder}",
        f"task.checkpoint={loaded.task['checkpoint']}", "cem.samples=16", "cem.elites=4", "cem.iterations=2",
    ]  # fmt: skip
    variables = {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "COLUMNS": "200"}
    log = tmp_path / "log"
    callers: list[Caller] = []
    with log.open("w") as file, subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "serve", *words],
        cwd=tmp_path, env={**os.environ, **variables}, stdout=subprocess.PIPE, stderr=file, text=True,
    ) as process, ended(process, callers):  # fmt: skip
        assert process.stdout is not None
        line = process.stdout.readline()
        assert "2 replicas; " in line, log.read_text()
        url = line.split()[4]
        port = int(url.rpartition(":")[2])
        said = re.findall(r"replica (\d): process (\d+) listens", log.read_text())
        pids = {int(number): int(pid) for number, pid in said}
        assert sorted(pids) == [1, 2]

        while min(sum(caller.replica == number for caller in callers) for number in pids) < 2:
            callers.append(Caller(url, wanted))
            callers[-1].ask(0)
        for _ in range(6):  # whoever answers tells of both
            found = counted(url)
            assert found["forearm_clients"] == found['forearm_requests_total{outcome="ok"}'] == len(callers)
            assert found["forearm_plan_seconds_count"] == len(callers) and found["forearm_replicas"] == 2

        for caller in callers:
            caller.start()
        eventually(lambda: min(caller.answered for caller in callers) > STEPS)
        os.kill(pids[1], signal.SIGKILL)
        killed = [caller.answered for caller in callers]
        eventually(lambda: all(c.answered > at + 2 * STEPS for c, at in zip(callers, killed, strict=True)))
        eventually(lambda: counted(url)["forearm_replicas"] == 2)
        for caller in callers:
            caller.stop()
        assert [caller.wrong for caller in callers] == [0] * len(callers)
        assert [caller.reconnected for caller in callers] == [int(caller.replica == 1) for caller in callers]
        found, answered = counted(url), sum(caller.answered for caller in callers)
        assert found["forearm_replica_restarts_total"] == 1 and found["forearm_clients"] == len(callers)
        # What the dead one had counted is not lost, and it may have counted an answer that nobody got.
        assert answered <= found['forearm_requests_total{outcome="ok"}'] <= answered + len(callers)
        assert f"replica 1 (process {pids[1]}) is started again: it was killed" in log.read_text()

        assert main(["serve", f"port={port}", *words[2:], "task=push"]) == 2  # another server does not join these
        assert f"host=127.0.0.1, port={port}: Address already in use" in capsys.readouterr().err
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
        assert "ending" in process.stdout.read() and "Traceback" not in log.read_text()
        with pytest.raises(NoServer, match="the server ends"):
            callers[0].ask(0)
        with pytest.raises(NoServer, match="refused"):
            Client(url)


# -- keeping them, with replicas that need no model -------------------------------------------------------------------

PRELUDE = """
import json, sys
def tell(**said): print(json.dumps(said), flush=True)
def listen(same="s"):
    tell(same=same)
    if sys.stdin.readline():
        tell(listening=True)
number, again = int(sys.argv[1]), sys.argv[2] == "True"
"""


def keeping(count: int, script: str, act: Callable[[asyncio.Event], Any]) -> None:
    """Keep replicas of a script until it is told; `act` is called when all listen."""

    def words(number: int, counters: Path, again: bool) -> list[str]:
        return [sys.executable, "-c", PRELUDE + script, str(number), str(again)]

    async def life() -> None:
        told = asyncio.Event()
        await Replicas(words, count, 0.0).run(told, lambda: act(told))

    asyncio.run(life())


def test_one_that_dies_again_and_again_is_given_up_and_without_any_the_server_ends(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with pytest.raises(ForearmError, match="no replica is left"):
        keeping(2, "listen(); sys.exit(number)", lambda told: None)
    said = [record.getMessage() for record in caplog.records]
    for number in (1, 2):
        assert [re.sub(r"process \d+", "P", line) for line in said if f"replica {number} " in line] == [
            *[f"replica {number} (P) is started again: it ended with exit status {number}"] * 2,
            f"replica {number} is given up, lost 3 times in a row: it ended with exit status {number}",
        ]


def test_one_that_has_lived_for_long_is_always_started_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(replicas, "SOON", 0.0)
    lives = tmp_path / "lives"
    lives.touch()
    script = f"""
listen()
open({str(lives)!r}, "a").write("x")
if len(open({str(lives)!r}).read()) == 6:
    import os, signal
    os.kill(os.getppid(), signal.SIGUSR1)
    sys.stdin.read()
"""

    def act(told: asyncio.Event) -> None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, told.set)

    keeping(1, script, act)
    assert len(lives.read_text()) == 6 and len(caplog.records) == 5


def test_one_that_hangs_is_killed_and_started_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(replicas, "HANGS", 0.5)
    script = """
import os, signal, time
listen()
if not again:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(600)
for beat in range(12):  # beyond the time in which silence is taken for more
    time.sleep(0.1)
    tell(alive=True)
os.kill(os.getppid(), signal.SIGUSR1)
sys.stdin.read()
"""

    def act(told: asyncio.Event) -> None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, told.set)

    keeping(1, script, act)
    [said] = [record.getMessage() for record in caplog.records]
    assert said.endswith("is started again: it showed no sign of life for 0.5 s")


@pytest.mark.parametrize("first", ["time.sleep(600)", "tell(same='s'); time.sleep(600)"])
def test_one_that_hangs_while_it_starts_again_is_killed_too(
    first: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(replicas, "STARTS", 3.0)
    lives = tmp_path / "lives"
    lives.touch()
    script = f"""
import os, signal, time
open({str(lives)!r}, "a").write("x")
life = len(open({str(lives)!r}).read())
if life == 2:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    {first}
listen()
if life == 3:
    os.kill(os.getppid(), signal.SIGUSR1)
    sys.stdin.read()
"""

    def act(told: asyncio.Event) -> None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, told.set)

    keeping(1, script, act)
    _, said = [record.getMessage() for record in caplog.records]
    assert said.endswith("is started again: it hung before it listened, for 3 s")


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("tell(failed='a setting that cannot be')", "a setting that cannot be"),
        ("sys.exit(7)", "it ended with exit status 7 before it listened"),
        ("print('no JSON', flush=True)", "it ended with exit status 0 before it listened"),
        ("listen(same='other')", CHANGED),
    ],
)
def test_what_keeps_one_from_starting_is_told_and_nothing_is_served(script: str, said: str, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    note = f"import os\nopen({str(pids)!r}, 'a').write(str(os.getpid()) + '\\n')\n"
    with pytest.raises(ForearmError) as caught:
        keeping(
            2, f"{note}if number == 2:\n    {script}\nelse:\n    listen()", lambda told: pytest.fail("nothing is ready")
        )
    assert str(caught.value) == said
    for pid in pids.read_text().split():
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid), 0)


def test_one_that_would_answer_otherwise_never_listens(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    mark = tmp_path / "listened"
    script = f"""
if again:
    listen(same="other")
    open({str(mark)!r}, "w")
listen()
"""
    with pytest.raises(ForearmError, match="no replica is left"):
        keeping(1, script, lambda told: None)
    assert not mark.exists() and caplog.records[-1].getMessage().endswith(CHANGED)


def test_who_does_not_end_when_told_is_killed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(replicas, "_PATIENCE", 0.3)
    pid = tmp_path / "pid"
    script = f"import os, signal\nsignal.signal(15, signal.SIG_IGN)\nopen({str(pid)!r}, 'w').write(str(os.getpid()))\n"
    keeping(1, f"{script}listen()\nimport time; time.sleep(600)", lambda told: told.set())
    assert "are killed" in caplog.text
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


def test_a_replica_ends_with_the_one_that_looks_after_it(
    loaded: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "BEAT", 0.01)
    (ours, theirs), beats = os.pipe(), []

    def alive() -> None:
        beats.append(1)
        if len(beats) == 3:
            os.close(theirs)

    one = Server(
        loaded.setup(planner()), ServeConfig(port=0), Goals(None, loaded), replica=Replica(1, tmp_path, again=True)
    )
    with os.fdopen(ours) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        asyncio.run(command._until_told(one, lambda: beats.clear(), alive))
    assert len(beats) >= 3
    assert one.metadata["replica"] == 1 and one.metrics.value("forearm_replica_restarts_total") == 1


def test_what_a_replica_serves_has_a_hash(loaded: LoadedModel, goal_folder: Path, tmp_path: Path) -> None:
    def identity(number: int = 1, goals: Path | None = None, seed: int = 0, **search: Any) -> str:
        setup = loaded.setup(planner(**search))
        return Server(setup, ServeConfig(seed=seed), Goals(goals, loaded), replica=Replica(number, tmp_path)).identity

    same = identity()
    assert identity(number=2) == same
    assert len({same, identity(goals=goal_folder), identity(seed=1), identity(samples=17)}) == 4


def test_replicas_share_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "default_workers", lambda: 12)
    found = [
        server._threads(settings.load("serve", words.split()))
        for words in ("", "replicas=3", "replicas=3 workers=2", "replicas=100", "replicas=3 threads=5", "threads=5")
    ]
    assert found == [1, 4, 2, 1, 5, 5]


def test_the_port_is_kept_for_one_server(monkeypatch: pytest.MonkeyPatch) -> None:
    with claimed("localhost", 0) as port, socket.socket() as one, socket.socket() as two:
        for replica in (one, two):
            replica.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            replica.bind(("127.0.0.1", port))
            replica.listen()
        taken = f"host=localhost, port={port}: Address already in use"
        with pytest.raises(ForearmError, match=taken), claimed("localhost", port):
            pass
    with pytest.raises(ForearmError, match=r"host=no\.such\.host\.invalid, port=0"), claimed("no.such.host.invalid", 0):
        pass
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    with pytest.raises(ForearmError, match="SO_REUSEPORT"), claimed("localhost", 0):
        pass


@pytest.mark.parametrize("wrong", ["replicas=0", "replicas=two", "replicas=1.5", "replicas=1000", "threads=0"])
def test_a_number_that_cannot_be_is_one_line(wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "task=push", "port=0", wrong]) == 2
    said = capsys.readouterr().err
    assert wrong.partition("=")[0] in said and said.count("\n") == 1
