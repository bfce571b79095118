"""Training on two machines, which are agents of torchrun on loopback, one of which is lost in the middle."""

import os
import signal
import socket
import sys
import time
from pathlib import Path

import pytest

from tests.world_model.processes import finish, rows, start
from tests.world_model.test_distributed import assert_same_curve
from tests.world_model.trainee import doubles, run

pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.skipif(sys.platform != "linux", reason="finds an agent's worker in Linux's /proc"),
]
STEPS = 24


def machine(port, host, *words):
    """An agent with one process to train; the host is where all meet."""
    conf = f"is_host={'true' if host else 'false'},join_timeout=120,last_call_timeout=1,keep_alive_interval=1"
    about = ["--nnodes=2", "--nproc_per_node=1", "--max_restarts=3", "--monitor_interval=0.2", "--rdzv_id=squares"]
    about += ["--rdzv_backend=c10d", f"--rdzv_endpoint=127.0.0.1:{port}", f"--rdzv_conf={conf}"]
    return start("torch.distributed.run", *about, "-m", "tests.world_model.trainee", *words)


def workers(agent):
    """Process ids of what an agent has started."""
    return [int(pid) for path in Path(f"/proc/{agent.pid}/task").glob("*/children") for pid in path.read_text().split()]


def test_training_goes_on_when_one_of_two_machines_is_lost_and_another_takes_its_place(squares, tmp_path, monkeypatch):
    # Without this, torch 2.13's agents never tell a machine that comes later where to meet.
    monkeypatch.setenv("TORCH_DISABLE_SHARE_RDZV_TCP_STORE", "1")
    alone, out = tmp_path / "alone", tmp_path / "out"
    with doubles():
        run(squares, alone, STEPS)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    words = (squares, out, STEPS, "sigreg", "float64")
    agents = [machine(port, True, *words), machine(port, False, *words)]
    try:
        deadline = time.monotonic() + 120
        while not (out / "log.jsonl").exists() or len(rows(out)) < 8:
            assert time.monotonic() < deadline and agents[0].poll() is None
            time.sleep(0.002)
        victims = [*workers(agents[1]), agents[1].pid]
        for pid in victims:
            os.kill(pid, signal.SIGKILL)
        assert len(victims) == 2 and len(rows(out)) < STEPS
        agents[1].communicate()
        agents[1] = machine(port, False, *words)
        for agent in agents:
            assert "threads of gloo: 0" in finish(agent)
    finally:
        for agent in agents:
            agent.kill()
            agent.communicate()
    assert len(rows(out)) == STEPS
    assert_same_curve(rows(alone), rows(out))
