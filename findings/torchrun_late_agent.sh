#!/usr/bin/env bash
# torchrun's agents share their rendezvous' TCPStore with their workers by default. An agent that joins after another was
# lost is not told where that store is: the restarted workers of one agent and those of the new one wait for each other
# until they time out. With TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 the same two meet and end well.
# Where it bites: elastic training (--max_restarts) on machines that can be lost and replaced.
# What to do: set the variable on all machines.
# Exit 0: as stated; 1: it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install -q --disable-pip-version-check --root-user-action=ignore --target "$folder" torch==2.13.0 numpy==2.4.6
cat >"$folder/work.py" <<'PY'
import datetime
import os
import pathlib
import sys
import time

import torch
import torch.distributed as dist

dist.init_process_group("gloo", timeout=datetime.timedelta(seconds=20))
beat, again = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
for _ in range(40 if again.exists() else 10_000):
    dist.all_reduce(torch.ones(1))
    beat.write_text(str(os.getpid())) if dist.get_rank() else None
    time.sleep(0.02)
PY
cat >"$folder/look.py" <<'PY'
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

here = pathlib.Path(sys.argv[1])
with socket.create_server(("127.0.0.1", 0)) as server:
    port = server.getsockname()[1]


def agent(host):
    conf = f"is_host={host},join_timeout=40,last_call_timeout=1,keep_alive_interval=1"
    words = ["--nnodes=2", "--nproc_per_node=1", "--max_restarts=1", "--monitor_interval=0.2", "--rdzv_id=two"]
    words += ["--rdzv_backend=c10d", f"--rdzv_endpoint=127.0.0.1:{port}", f"--rdzv_conf={conf}"]
    run = [sys.executable, "-m", "torch.distributed.run", *words, str(here / "work.py"), str(here / "beat"), str(here / "again")]
    return subprocess.Popen(run, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def children(process):
    listed = pathlib.Path(f"/proc/{process.pid}/task").glob("*/children")
    return [int(pid) for path in listed for pid in path.read_text().split()]


for name in ("beat", "again"):
    (here / name).unlink(missing_ok=True)
agents = [agent("true"), agent("false")]
while not (here / "beat").exists():
    time.sleep(0.05)
for pid in [*children(agents[1]), agents[1].pid]:
    os.kill(pid, signal.SIGKILL)
agents[1].wait()
(here / "again").touch()
agents[1] = agent("false")
try:
    print("ended well" if not any(a.wait(timeout=150) for a in agents) else "failed")
except subprocess.TimeoutExpired:
    print("failed")
finally:
    for a in agents:
        try:
            os.killpg(a.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
PY
export PYTHONPATH=$folder OMP_NUM_THREADS=1
usual=$(python3 "$folder/look.py" "$folder")
apart=$(TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 python3 "$folder/look.py" "$folder")
echo "torch 2.13.0, an agent lost and another in its place: as it is, $usual; with a store of the workers' own, $apart"
if [ "$usual" != failed ] || [ "$apart" != "ended well" ]; then
    echo "no longer as stated"
    exit 1
fi
