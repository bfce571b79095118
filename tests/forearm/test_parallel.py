"""Worker processes: what they give back, how they fail, and that they end whenever they must."""

import importlib
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from forearm.common.engine.local import _interrupts_held
from forearm.common.engine.run import run_jobs
from forearm.common.parallel import import_modules
from forearm.errors import ForearmError

ROOT = Path(__file__).parents[2]


def _square(job: int) -> tuple[int, int]:
    return job * job, os.getpid()


def _large(job: int) -> bytes:
    return bytes(1 << 20)


class _Odd(Exception):
    def __init__(self, first: int, second: int) -> None:
        super().__init__(f"{first} and {second}")


def _fails(job: int) -> Any:
    if job == 0:
        raise ValueError("no such thing")
    if job == 1:
        raise _Odd(1, 2)  # cannot be unpickled
    if job == 2:
        return lambda: None  # cannot be pickled
    raise SystemExit(3)


def _leaves_a_mark(job: tuple[Path, float]) -> Path:
    path, seconds = job
    time.sleep(seconds)
    path.touch()
    return path


def test_every_job_is_done_once_by_as_many_processes_as_asked_for() -> None:
    found = list(run_jobs(_square, list(range(23)), 2))
    assert sorted(square for square, _ in found) == [n * n for n in range(23)]
    assert len({process for _, process in found}) == 2
    assert list(run_jobs(_square, [], 2)) == []
    assert not multiprocessing.active_children()


@pytest.mark.parametrize(
    ("job", "error", "said"),
    [(0, ValueError, "no such thing"), (1, RuntimeError, "1 and 2"), (2, RuntimeError, "sent"), (3, RuntimeError, "3")],
)
def test_what_a_job_raises_is_raised_here(job: int, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said) as caught:
        list(run_jobs(_fails, [job], 1))
    assert "in a worker process" in str(caught.value.__cause__)
    assert not multiprocessing.active_children()


def _die(job: int) -> int:
    if job == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return job


def _dies_once(job: tuple[Path, int]) -> int:
    mark, number = job
    if number == 1 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def _dies_as_it_sends(job: tuple[Path, int]) -> bytes:
    mark, number = job
    if number == 0 and not mark.exists():
        mark.touch()
        threading.Thread(target=_kill_a_writer, daemon=True).start()
        return bytes(64 << 20)
    return bytes([number])


def _kill_a_writer() -> None:
    """The kernel's own word for where a thread waits: a pipe that is full."""
    while not any("pipe_w" in path.read_text() for path in Path("/proc/self/task").glob("*/wchan")):
        time.sleep(0.001)
    os.kill(os.getpid(), signal.SIGKILL)


def _full(job: int) -> int:
    raise OSError(28, "No space left on device", "films/x.mp4")


def test_a_killed_worker_is_a_clear_error() -> None:
    with pytest.raises(ForearmError, match="killed"):
        list(run_jobs(_die, [0, 1, 2, 3], 1))
    with pytest.raises(ForearmError, match="disk is full"):
        list(run_jobs(_full, [0], 1))


def test_a_job_whose_worker_was_killed_is_done_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    jobs = [(tmp_path / "mark", number) for number in range(9)]
    assert sorted(run_jobs(_dies_once, jobs, 2)) == list(range(9))
    [said] = caplog.messages
    assert "killed" in said and "done again" in said
    assert not multiprocessing.active_children()


@pytest.mark.skipif(not Path("/proc/self/wchan").exists(), reason="needs Linux's /proc, to see a process write")
def test_a_worker_may_be_killed_in_the_middle_of_a_result(tmp_path: Path) -> None:
    """Of which pools with one pipe for all of their workers wait for the rest."""
    results = run_jobs(_dies_as_it_sends, [(tmp_path / "mark", number) for number in range(6)], 2)
    assert sorted(results) == [bytes([number]) for number in range(6)]


def test_jobs_in_hand_are_finished_after_a_failure_and_others_are_not_begun(tmp_path: Path) -> None:
    jobs = [(tmp_path / "nowhere" / "x", 0.0), *((tmp_path / str(n), 1.0) for n in range(6))]
    with pytest.raises(ForearmError, match="nowhere"):
        list(run_jobs(_leaves_a_mark, jobs, 2))
    assert len(list(tmp_path.iterdir())) <= 2


def test_who_stops_asking_does_not_wait_for_jobs_in_hand(tmp_path: Path) -> None:
    late = tmp_path / "late"
    results = run_jobs(_leaves_a_mark, [(tmp_path / "soon", 0.0), (late, 60.0)], 2)
    assert next(results).name == "soon"
    results.close()  # type: ignore[attr-defined]
    assert not multiprocessing.active_children() and not late.exists()


def test_workers_may_be_ended_in_the_middle_of_a_result() -> None:
    results = run_jobs(_large, list(range(50)), 2)
    next(results)
    time.sleep(0.2)  # both fill their pipes, which nobody reads
    results.close()  # type: ignore[attr-defined]
    assert not multiprocessing.active_children()


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Interrupts are heard, which shells turn off for what they start in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_an_interrupt_waits_for_the_end(interruptible: None) -> None:
    reached = []
    with pytest.raises(KeyboardInterrupt), _interrupts_held():
        os.kill(os.getpid(), signal.SIGINT)
        reached.append(1)
        time.sleep(0.05)
        reached.append(2)
    assert reached == [1, 2]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


SCRIPT = """
    import sys, time
    sys.path.insert(0, sys.argv[1])
    from tests.forearm.test_parallel import _large
    from forearm.common.engine.run import run_jobs

    if __name__ == "__main__":
        print("begun", flush=True)
        try:
            for result in run_jobs(_large, range(100_000), 2):
                print("result", flush=True)
                time.sleep(0.01)
        except KeyboardInterrupt:
            print("interrupted", flush=True)
"""


@pytest.mark.parametrize("after", ["begun", "result"])
def test_an_interrupt_of_the_whole_group_ends_everything(after: str, tmp_path: Path) -> None:
    """As Ctrl-C in a terminal: while workers start, and while they send what is larger than a pipe."""
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(SCRIPT), encoding="utf-8")
    with subprocess.Popen(
        [sys.executable, str(script), str(ROOT)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        assert process.stdout is not None
        while (line := process.stdout.readline()).strip() != after:
            assert line, process.communicate(timeout=60)[1]
        time.sleep(0.1)
        os.killpg(process.pid, signal.SIGINT)
        out, said = process.communicate(timeout=60)
    assert process.returncode == 0 and out.splitlines()[-1] == "interrupted" and said == ""


def test_modules_of_the_users_own_take_the_place_of_none_that_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "forearm_test_mine.py").write_text("SEEN = True\n")
    (tmp_path / "colorsys.py").write_text("raise RuntimeError('of another project')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    import_modules(["forearm_test_mine"])
    monkeypatch.delitem(sys.modules, "forearm_test_mine")
    assert importlib.import_module("colorsys").rgb_to_hsv(0, 0, 0) == (0.0, 0.0, 0)
