"""Goals told by places, in Python, on the command line and to a controller."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import forearm
from forearm.agent.places import draw_goal
from forearm.cli.main import main
from forearm.control.plan_source import LocalPlanSource
from forearm.errors import ForearmError

from .test_plan_command import options


def test_a_goal_is_drawn_and_planned_for(checkpoints: Path) -> None:
    loaded = forearm.load(checkpoints / "push.json", task="push")
    env = forearm.make_env("push")
    seen, _ = env.reset(seed=1)
    known = loaded.goal(object=[0.5, 0.1], env=env)
    assert known.shape == (64, 64, 3)
    assert np.array_equal(env.render(), seen["pixels"])
    unknown = loaded.goal(object=[0.5, 0.1])
    assert not np.array_equal(known, unknown)  # the tool stands elsewhere
    few = {"samples": 8, "elites": 4, "iterations": 1, "planner": "cem"}
    told = loaded.plan(seen["pixels"], {"object": [0.5, 0.1]}, proprio=seen["proprio"], **few)
    drawn = loaded.plan(seen["pixels"], unknown, proprio=seen["proprio"], **few)
    assert np.array_equal(told.actions, drawn.actions)
    env.close()


def test_a_controllers_plan_source_takes_places(checkpoints: Path) -> None:
    loaded = forearm.load(checkpoints / "push.json", task="push")
    source = LocalPlanSource(loaded.setup("cem", samples=8, elites=4, iterations=1))
    source.begin({"object": [0.5, 0.1]})
    assert source.goal is not None
    assert np.array_equal(source.goal, loaded.goal(object=[0.5, 0.1]))


def test_on_the_command_line(checkpoints: Path, tmp_path: Path) -> None:
    out = tmp_path / "plan.json"
    words = [*options(checkpoints, out), "seed=2", "goal={object: [0.5, 0.1]}"]
    assert main(["plan", *words]) == 0
    assert json.loads(out.read_text())["actions"]


@pytest.mark.parametrize(
    ("goal", "said"),
    [
        ("{object: [0.5, 0.9]}", "outside the workspace"),
        ("{thing: [0.5, 0.1]}", "unknown place 'thing'"),
        ("{object: null}", "no place is given"),
        ("{object: [0.5, 0.1]", "cannot read"),
    ],
)
def test_wrong_places_on_the_command_line(goal: str, said: str, checkpoints: Path, tmp_path: Path, capsys: Any) -> None:
    assert main(["plan", *options(checkpoints, tmp_path / "plan.json"), f"goal={goal}"]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "plan.json").exists()


class Bare:
    """An environment that draws no goals."""

    name = "bare"


def test_a_task_that_draws_no_goals() -> None:
    with pytest.raises(ForearmError, match=r"task 'bare' cannot draw a goal from places: give a picture"):
        draw_goal(Bare(), {"object": [0.5, 0.1]})  # type: ignore[arg-type]
