"""How long a comparison takes, and what Ctrl-C leaves of it."""

import io
import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from forearm.cli.compare import comparison_of
from forearm.cli.main import INTERRUPTED
from forearm.cli.progress import bars
from forearm.common.progress import ALL_ROWS
from forearm.evaluation import comparison as engine
from forearm.evaluation.closed_loop import Outcome
from forearm.evaluation.pace import seconds_left
from forearm.settings import compose as settings

WORDS = ["task=push", "learned=false", "baselines=[random,hold]", "episodes=40", "films=0", "workers=1"]


def kept(out: Path) -> int:
    return sum(len(json.loads(path.read_text())) for path in (out / "partial").rglob("*.json"))


def test_ctrl_c_keeps_what_is_done_and_says_how_to_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = [sys.executable, "-m", "forearm", "compare", *WORDS, f"out={tmp_path}"]
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        # Whoever runs the tests in the background of a shell has Ctrl-C ignored, and so have its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 120
    while not list((tmp_path / "partial").rglob("[0-9]*.json")) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == INTERRUPTED, said
    found = re.fullmatch(
        r"forearm: interrupted; (\d+) of 80 episodes are kept in (.*): repeat the command to go on\n", said
    )
    assert found is not None and found[2] == str(tmp_path), said
    done = kept(tmp_path)
    assert int(found[1]) <= done < 80  # one may have been written whose end nobody has heard of
    assert not (tmp_path / "results.json").exists()

    ran: list[Any] = []

    def serial(function: Any, jobs: Any, workers: int) -> Any:
        ran.extend(jobs if function is engine.run_chunk else [])
        return map(function, jobs)

    monkeypatch.setattr(engine, "run_jobs", serial)
    told: list[tuple[str, int, int]] = []
    left: list[float] = []
    chosen = comparison_of(settings.load("compare", [*WORDS, f"out={tmp_path}"]))
    document = engine.compare(chosen, 1, 1, lambda *about: told.append(about), left.append)
    assert len(ran) == 80 - done and [row["episodes"] for row in document["rows"]] == [40, 40]
    counts = [count for what, count, of in told if what == ALL_ROWS]
    assert counts == list(range(done, 81))
    assert len(left) == len(counts) and left[0] > 0 and left[-1] == 0  # earlier episodes were timed as well


def test_time_left_is_that_of_the_rows_that_lack_episodes() -> None:
    def timed(*seconds: float) -> dict[int, Outcome]:
        return {e: Outcome(e, e, True, 1, 0.0, seconds=s) for e, s in enumerate(seconds)}

    assert seconds_left({"slow": 3, "quick": 1}, {"slow": timed(10, 20), "quick": timed(1)}, 1) == 46
    assert seconds_left({"slow": 3, "quick": 1}, {"slow": timed(10, 20), "quick": timed(1)}, 2) == 23
    assert seconds_left({"slow": 1}, {"slow": timed(10)}, 8) == 10  # one worker at most has something to do
    assert seconds_left({"slow": 2, "new": 2}, {"slow": timed(10), "new": {}}, 1) == 40
    assert seconds_left({"slow": 0}, {"slow": timed(10)}, 1) == 0
    assert seconds_left({"slow": 3}, {"slow": timed(0.0)}, 1) is None  # of an earlier release


def test_the_bar_of_all_rows_shows_what_was_told() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, color_system=None, width=100)
    with bars(console) as tell:
        tell("push-cem", 1, 50)
        tell(ALL_ROWS, 3, 100)
        tell.left(3723.4)
    shown = console.file.getvalue().rpartition(ALL_ROWS)[2]  # type: ignore[attr-defined]
    assert "3/100" in shown and re.search(r"1:02:0[0-3]", shown), shown
    assert tell.told == {"push-cem": (1, 50), ALL_ROWS: (3, 100)}
