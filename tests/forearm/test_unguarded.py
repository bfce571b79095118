"""A script without `if __name__ == "__main__":` is told so."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import forearm

forearm.compare("reach", learned=False, baselines=["hold"], episodes=2, workers=WORKERS, films=0, out="out",
                **{"task.max_steps": 2})
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_a_script_without_a_main_guard_is_told_in_one_line(workers: int, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT.replace("WORKERS", str(workers)))
    ran = subprocess.run([sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    *_, last = ran.stderr.strip().splitlines()
    assert ran.returncode == 1
    assert last.startswith("forearm.errors.ForearmError: a worker process imports the script that starts it")
    assert last.endswith("put the call under 'if __name__ == \"__main__\":'")
    assert "bootstrapping" not in ran.stderr and "killed" not in ran.stderr and ran.stderr.count("Traceback") == 1


def test_with_the_guard_it_runs(tmp_path: Path) -> None:
    guarded = SCRIPT.replace("WORKERS", "1").replace(
        "forearm.compare", "if __name__ == '__main__':\n    forearm.compare"
    )
    (tmp_path / "script.py").write_text(guarded)
    subprocess.run([sys.executable, "script.py"], cwd=tmp_path, check=True, capture_output=True)
    assert (tmp_path / "out" / "results.json").is_file()


def test_a_script_from_a_pipe_runs_without_the_guard(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-"], input=SCRIPT.replace("WORKERS", "2"), cwd=tmp_path, capture_output=True, text=True,
        timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
