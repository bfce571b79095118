"""What commands need: resident memory at its peak, with all their processes; time to start; size of the wheel."""

import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from forearm.errors import ForearmError

PROGRAM = "import sys; from forearm.cli.main import main; sys.exit(main())"
EVERY_S = 0.1
"""Between two looks at the memory."""
STARTS = {"import forearm": ["-c", "import forearm"], "forearm --help": ["-c", PROGRAM, "--help"]}
COMMANDS: dict[str, list[str]] = {
    "plan": ["task=push"],
    "serve, 20 plans of one client": [],
    "compare, 4 episodes, one process": ["task=push", "planner=cem", "episodes=4", "baselines=[]", "films=0"],
    "compare, 4 episodes, two processes": ["task=push", "planner=cem", "episodes=4", "baselines=[]", "films=0"],
    "learn, 100 episodes, 60 steps": ["task=push", "steps=60", "episodes=100", "validation=4"],
}
"""What is run, and the words of it."""


def memory() -> dict[str, Any]:
    """Peaks of memory, times of starts and the wheel's size."""
    rows = []
    for name, words in COMMANDS.items():
        with tempfile.TemporaryDirectory() as folder:
            rows.append({"what": name, "peak_mb": _peak(name, words, Path(folder) / "out")})
    starts = [{"what": name, "seconds": min(_seconds(words) for _ in range(10))} for name, words in STARTS.items()]
    bare = min(_seconds(["-c", ""]) for _ in range(10))
    return {"rows": rows, "starts": starts, "bare_s": bare, "wheel_mb": wheel_mb()}


def _peak(name: str, words: Sequence[str], out: Path) -> float:
    """MB that a command and its processes held at most."""
    command = name.partition(",")[0]
    if command == "serve":
        return _served()
    given = [*words, f"out={out}.json" if command == "plan" else f"out={out}"]
    if command == "compare":
        given.append(f"workers={1 if name.endswith('one process') else 2}")
    with (
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, command, *given], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process,
        watched(process.pid) as seen,
    ):
        process.wait()
    if process.returncode:
        raise ForearmError(f"forearm {command} {' '.join(given)} ended with {process.returncode}: run it by itself")
    return max(seen)


def _served() -> float:
    """The same of a server that is asked for plans."""
    import numpy as np

    from forearm.serve.client import Client
    from tools.reliability.server import frame, served

    rng = np.random.default_rng(0)
    with served() as server, watched(server.process.pid) as seen, Client(server.url) as client:
        for turn in range(20):
            client.plan(frame(rng), None if turn else frame(rng))
    return max(seen)


@contextmanager
def watched(pid: int) -> Iterator[list[float]]:
    """MB of a process and those that it began, looked at again and again as long as the block runs."""
    seen, over = [held(pid)], threading.Event()

    def look() -> None:
        while not over.wait(EVERY_S):
            seen.append(held(pid))

    looking = threading.Thread(target=look, daemon=True)
    looking.start()
    try:
        yield seen
    finally:
        over.set()
        looking.join()


def held(pid: int) -> float:
    """MB of a process and its children: what each has for itself, and its part of what they share; 0 where the system
    does not say, or when it is over.
    """
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8")
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        children = [int(child) for task in tasks for child in (task / "children").read_text(encoding="utf-8").split()]
    except OSError:
        return 0.0
    own = sum(float(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")) / 1024
    return own + sum(held(child) for child in children)


def _seconds(words: Sequence[str]) -> float:
    """Of the processor's time that a Python takes which is given these words."""
    process = subprocess.Popen([sys.executable, *words], stdout=subprocess.DEVNULL)
    _, _, used = os.wait4(process.pid, 0)
    return used.ru_utime + used.ru_stime


def wheel_mb() -> float | None:
    """MB of the wheel of this checkout, built beside it; None where it cannot be built here."""
    with tempfile.TemporaryDirectory() as folder:
        told = ["egg_info", "-e", folder, "build", "-b", f"{folder}/build", "bdist_wheel", "-d", folder]
        built = subprocess.run([sys.executable, "setup.py", "-q", *told], capture_output=True, check=False)
        found = list(Path(folder).glob("*.whl"))
        return found[0].stat().st_size / 1e6 if built.returncode == 0 and found else None
