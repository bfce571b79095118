"""examples/robot_over_the_wire.py, as a reader would run it."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_a_robot_pushes_over_the_wire_and_films_itself(tmp_path: Path) -> None:
    stock = importlib.util.find_spec("openpi_client") is not None
    words = ["--episodes", "1", "--films", "1", "--out", str(tmp_path), "--client", "openpi" if stock else "forearm"]
    run = subprocess.run(
        [sys.executable, str(ROOT / "examples/robot_over_the_wire.py"), *words],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stderr
    assert "episode 0: " in run.stdout and "'plans': " in run.stdout
    assert (tmp_path / "episode0.mp4").stat().st_size > 10_000
