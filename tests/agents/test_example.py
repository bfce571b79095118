"""examples/sorting_agent.py, as a reader would run it."""

import subprocess
import sys

import pytest

from .conftest import ENVIRONMENT, ROOT


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--places", "1"], 0, "[0.5, 0.08]: there after "),
        (["--taken-after", "1.5"], 1, "stopped by a surprise"),
    ],
)
def test_an_agent_sorts_and_is_stopped_by_a_surprise(words: list[str], code: int, said: str) -> None:
    run = subprocess.run(
        [sys.executable, str(ROOT / "examples/sorting_agent.py"), *words],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == code, run.stdout + run.stderr
    assert said in run.stdout
