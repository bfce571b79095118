"""What the data alone are good for, from end to end on very little."""

from pathlib import Path

import pytest

from forearm.cli.main import main as forearm
from tools.experiments import exact_state


def test_imitation_from_the_exact_state_is_trained_and_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], here: None
) -> None:
    assert forearm(["collect", "task=push", "episodes=4", "workers=1", f"out={tmp_path / 'data'}"]) == 0
    capsys.readouterr()
    words = ["task=push", f"data={tmp_path / 'data'}", "episodes=2", "prior.steps=20", "prior.width=16"]
    assert exact_state.main(words) == 0
    assert "push, rest: imitation from the exact state succeeds in" in capsys.readouterr().out
    assert exact_state.main(["tusk=push"]) == 2
    assert "unknown word 'tusk=push'" in capsys.readouterr().err
