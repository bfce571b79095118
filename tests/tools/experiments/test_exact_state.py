"""What the data alone are good for, from end to end on very little."""

from pathlib import Path

import numpy as np
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
    assert exact_state.main(["one=yes"]) == 2
    assert "one=yes: expected true or false" in capsys.readouterr().err


def test_one_object_after_the_other_begins_with_what_stands_below() -> None:
    places = np.array([0.3, 0.0, 0.02, 0.5, 0.0, 0.02])
    stacked = np.array([0.4, 0.2, 0.06, 0.4, 0.2, 0.02])  # the first shall stand on the second
    first = exact_state.next_goal(places, stacked)
    assert np.array_equal(first, [0.3, 0.0, 0.02, 0.4, 0.2, 0.02])
    then = exact_state.next_goal(np.array([0.3, 0.0, 0.02, 0.41, 0.2, 0.02]), stacked)
    assert np.array_equal(then, [0.4, 0.2, 0.06, 0.41, 0.2, 0.02]), "what is placed is wanted where it is"
    assert np.array_equal(exact_state.next_goal(stacked, stacked), stacked)
    positions = {name: np.full(3, at) for at, name in enumerate(("ee_position", "object_position", "object1_position"))}
    assert exact_state.places_of(positions).tolist() == [2, 2, 2, 1, 1, 1]
