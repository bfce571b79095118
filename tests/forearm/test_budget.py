"""The same budget for every search."""

from pathlib import Path
from typing import Any

import pytest

from forearm.cli.compare import chosen_of, comparison_of
from forearm.errors import ForearmError
from forearm.evaluation import comparison as engine
from forearm.evaluation.budget import Budget, fitted
from forearm.planner import PLANNERS

EVERY = sorted(PLANNERS)


def setups(checkpoints: Path, *words: str) -> dict[str, Any]:
    """What plans, by name, beside a policy."""
    checkpoint = f"reach.checkpoint={checkpoints}/reach.json"
    chosen = comparison_of(chosen_of([checkpoint, "baselines=[random]", *words]))
    return {one.planner_name: one.setup for one in engine.contenders_of(chosen)}


def test_every_planner_is_given_the_same_evaluations(checkpoints: Path) -> None:
    found = setups(checkpoints, f"planner=[{','.join(EVERY)}]", "budget=evaluations:600", "planner.horizon=4")
    assert sorted(found) == sorted([*EVERY, "random"])
    plain = setups(checkpoints, f"planner=[{','.join(EVERY)}]", "planner.horizon=4")
    assert found.pop("random").planner_config == plain.pop("random").planner_config
    used = {name: Counted(setup).evaluations for name, setup in found.items()}
    assert all(540 <= evaluations <= 600 for evaluations in used.values()), used
    assert used["cem"] == 600 and found["cem"].planner_config["samples"] == 150
    assert found["cem"].planner_config["iterations"] == plain["cem"].planner_config["iterations"]


class Counted:
    """A plan of a start and goal of the right size, by what a setup makes."""

    def __init__(self, setup: Any) -> None:
        import numpy as np

        frame = np.zeros((64, 64, 3), np.uint8)
        self.evaluations = setup.plan(frame, frame + 9).model_evals


def test_a_search_is_held_to_its_milliseconds_by_its_own_deadline(checkpoints: Path) -> None:
    found = setups(checkpoints, "planner=[cem,mppi]", "budget=ms:12.5")
    assert [setup.planner_config.get("deadline_ms") for setup in found.values()] == [12.5, 12.5, None]


def test_the_oracle_has_the_same_budget(checkpoints: Path) -> None:
    words = [f"reach.checkpoint={checkpoints}/reach.json", "baselines=[]", "oracle=true", "budget=evaluations:100"]
    both = [one.setup.planner_config for one in engine.contenders_of(comparison_of(chosen_of(words)))]
    assert len(both) == 2 and both[0] == both[1] and both[0]["samples"] * both[0]["iterations"] <= 100


def test_results_say_the_budget(checkpoints: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "run_jobs", lambda function, jobs, workers: map(function, jobs))
    words = [f"reach.checkpoint={checkpoints}/reach.json", "baselines=[]", "budget=evaluations:64", "task.max_steps=4",
             "episodes=1", "films=0", f"out={tmp_path}", "planner=[cem,mppi]"]  # fmt: skip
    document = engine.compare(comparison_of(chosen_of(words)), 1, 1)
    assert document["budget"] == "evaluations:64"
    assert [row["model_evals_per_plan"] for row in document["rows"]] == [64, 64]


def test_samples_first_then_iterations() -> None:
    assert fitted(lambda samples, rounds: samples * rounds, 128, 4, 3000) == (750, 4)
    assert fitted(lambda samples, rounds: samples * rounds if samples >= 16 else None, 128, 4, 50) == (16, 3)
    assert fitted(lambda samples, rounds: samples * rounds if samples >= 16 else None, 128, 4, 15) is None
    # Where samples do not decide, iterations do.
    assert fitted(lambda samples, rounds: 30 * rounds, 64, 5, 300) == (64, 10)
    assert fitted(lambda samples, rounds: 30 * rounds, 64, 5, 100) == (64, 3)


@pytest.mark.parametrize("text", ["3000", "evaluations", "evaluations:", "evaluations:many", "evaluations:0", "ms:-1",
                                  "evaluations:1.5", "seconds:3", "ms:inf", "ms:nan", "evaluations:1e12"])  # fmt: skip
def test_what_is_no_budget_is_told(text: str) -> None:
    with pytest.raises(ForearmError, match=f"budget={text} is no budget: write evaluations:3000"):
        Budget.read(text)


def test_a_budget_that_cannot_be_kept_is_told(checkpoints: Path) -> None:
    with pytest.raises(ForearmError, match="budget=evaluations:3 is too small for planner 'cem'"):
        setups(checkpoints, "planner=cem", "budget=evaluations:3")
    with pytest.raises(ForearmError, match=r"budget=ms:50 is of a plan of one episode: leave batch=2 out"):
        setups(checkpoints, "planner=cem", "budget=ms:50", "batch=2")
