"""Several values of a setting in one comparison."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from forearm.cli.compare import chosen_of, comparison_of
from forearm.cli.main import main
from forearm.errors import ForearmError
from forearm.evaluation.comparison import contenders_of
from forearm.settings import sweep
from tests.forearm.conftest import Failing


def planners(*words: str) -> dict[str, dict[str, Any]]:
    return sweep.load("compare", words).all("planner")


@pytest.mark.parametrize("word", ["planner.horizon=8,12", "planner.horizon=[8,12]", "planner.horizon=choice(8,12)",
                                  "planner.horizon=range(8,16,4)", "cem.horizon=8,12"])  # fmt: skip
def test_values_are_planners_of_one_table(word: str) -> None:
    found = planners("planner=cem", word)
    assert [config["horizon"] for config in found.values()] == [8, 12]
    assert next(iter(found)).startswith("cem ") and len({str(config) for config in found.values()}) == 2


def test_every_combination_is_one_and_each_is_there_once() -> None:
    found = planners("planner=[cem,mppi]", "planner.horizon=8,12", "cem.elites=4,8", "planner.samples=99")
    rows = [(config["name"], config["horizon"], config.get("elites"), config["samples"]) for config in found.values()]
    assert sorted(rows, key=str) == sorted(
        [("cem", h, e, 99) for h in (8, 12) for e in (4, 8)] + [("mppi", h, None, 99) for h in (8, 12)], key=str
    )


def test_lists_that_are_one_value_stay_one(tmp_path: Path) -> None:
    [config] = planners("planner=cem", "planner.initial_std=[0.1,0.2,0.3]").values()
    assert config["initial_std"] == [0.1, 0.2, 0.3]
    several = planners("planner=cem", "planner.initial_std=[0.1,0.2],0.3").values()
    assert [config["initial_std"] for config in several] == [[0.1, 0.2], 0.3]
    [task] = sweep.load("compare", ["task.proposals=[previous,prior]"]).all("task").values()
    assert task["proposals"] == ["previous", "prior"]
    odd = tmp_path / "a,b"
    odd.mkdir()
    [task] = sweep.load("compare", [f"task.checkpoint={odd}"]).all("task").values()
    assert task["checkpoint"] == str(odd)


def test_checkpoints_and_costs_are_swept_too() -> None:
    tasks = sweep.load("compare", ["task=push", "task.checkpoint=push-1,push-2", "push.objective.decay=0.5,0.8"]).all(
        "task"
    )
    assert [(task["checkpoint"], task["objective"]["decay"]) for task in tasks.values()] == [
        ("push-1", 0.5), ("push-1", 0.8), ("push-2", 0.5), ("push-2", 0.8),
    ]  # fmt: skip


@pytest.mark.parametrize("word", ["seed=0,1", "seed=[0,1]", "seed=range(0,2)"])
def test_seeds_are_more_episodes_of_the_same_rows(word: str) -> None:
    chosen = comparison_of(chosen_of(["planner=cem", "planner.horizon=8,12", word]))
    assert chosen.seeds == (0, 1) and chosen.seed == 0 and len(chosen.planners) == 2


def test_rows_are_called_by_what_was_swept(checkpoints: Path, tmp_path: Path) -> None:
    words = [
        f"reach.checkpoint={checkpoints}/reach.json",
        f"out={tmp_path}",
        "planner.horizon=8,12",
        "baselines=[hold]",
    ]
    names = [one.name for one in contenders_of(comparison_of(chosen_of(words)))]
    assert names == ["cem horizon=8", "cem horizon=12", "hold"]


@pytest.mark.parametrize(
    "words, said",
    [
        (["episodes=3,4"], "episodes takes one value"),
        (["protocol.hold_steps=1,2"], "protocol.hold_steps takes one value"),
        (["planner.horizon=8,x"], "horizon must be .* not x|horizon.*x"),
        (["planner.samples=8,many"], "planner.samples must be a whole number, not many"),
        (["planner.nothing=8,9"], "unknown key 'planner.nothing'"),
        (["seed=1,1"], "seed=1,1 names something twice"),
        (["seed=1,-1"], "seed must be a whole number of at least 0, not -1"),
        (["planner.alpha=interval(0,1)"], "write the values"),
        (["planner.alpha=glob(*)"], r"planner.alpha=glob\(\*\) stands for nothing"),
    ],
)
def test_what_cannot_be_swept_is_told(words: list[str], said: str) -> None:
    with pytest.raises(ForearmError, match=said):
        contenders_of(comparison_of(chosen_of(words)))


def test_the_settings_of_a_sweep_can_be_shown(capsys: pytest.CaptureFixture[str], failing: Failing) -> None:
    assert main(["compare", "planner.horizon=8,12", "seed=0,1", "--cfg", "job"]) == 0
    shown = yaml.safe_load(capsys.readouterr().out)
    assert [config["horizon"] for config in shown["planner"].values()] == [8, 12] and shown["seed"] == [0, 1]
    assert "takes one value" in failing("run", "planner.horizon=8,12")
