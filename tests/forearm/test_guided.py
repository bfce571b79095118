"""The planner config `guided`: a task's own settings for plans out of what its prior proposes."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import forearm
from forearm.agent.guided import USUAL
from forearm.agent.setup import PlanningSetup
from forearm.errors import ForearmError, InputError
from forearm.evaluation.comparison import Comparison, compare, contenders_of
from forearm.settings import compose as settings

WORDS = [
    "planner=mppi", "planner.iterations=1", "planner.temperature=0.3", "planner.execute=mean", "planner.samples=64",
    "planner.prior_share=1", "planner.warm_start=false", "task.prior_spread=0.3", "task.prior_gain=1.3",
    "planner.horizon=8", "planner.action_repeat=1", "replan_every=3", "task.proposals=[prior]",
    "task.objective.subgoal=8", "task.objective.subgoal_weights=sum", "task.objective.subgoal_slowness=0.5",
    "task.objective.weights=last",
]  # fmt: skip
"""What it stands for on pick_place."""


def comparison(out: Path, *words: str, **changes: Any) -> Comparison:
    chosen = settings.load("compare", ["task=pick_place", *words])
    return Comparison(
        list(chosen.all("task").values()), list(chosen.all("planner").values()), chosen.one("protocol"), out,
        replan_every=chosen["replan_every"], baselines=(), films=0, **changes,
    )  # fmt: skip


def test_other_planners_take_a_task_as_it_is() -> None:
    chosen = settings.load("plan", ["task=pick_place", "planner=cem"])
    assert PlanningSetup.resolve(chosen.one("task"), chosen.one("planner")).task == chosen.one("task")


def test_it_is_what_its_words_say(tmp_path: Path) -> None:
    short, long = (contenders_of(comparison(tmp_path, *words))[0].setup for words in (["planner=guided"], WORDS))
    assert short.planner_name == "guided"
    assert {**short.planner_config, "name": "mppi"} == dict(long.planner_config)
    assert short.replan_every == long.replan_every and short.fingerprint == long.fingerprint
    same = ("objective", "proposals", "prior_spread", "prior_gain")
    assert [short.task[key] for key in same] == [long.task[key] for key in same]


def test_its_episodes_go_as_those_of_its_words(tmp_path: Path, here: None) -> None:
    found = [
        compare(comparison(tmp_path / str(i), *words, episodes=2), 2, 1)["rows"]
        for i, words in enumerate((["planner=guided"], WORDS))
    ]
    assert [row["planner"] for rows in found for row in rows] == ["guided", "mppi"]
    assert [row["outcomes"] for row in found[0]] == [row["outcomes"] for row in found[1]]


def test_settings_of_ones_own_count() -> None:
    words = ["task=pick_place", "planner=guided", "task.guided.prior_gain=1.7", "planner.temperature=2"]
    chosen = settings.load("plan", words)
    setup = PlanningSetup.resolve(chosen.one("task"), chosen.one("planner"))
    assert setup.task["prior_gain"] == 1.7
    assert setup.planner().config.temperature == 2.0


def test_a_task_that_says_nothing_gets_what_is_usual() -> None:
    chosen = settings.load("plan", ["task=reach", "planner=guided"])
    task = {key: value for key, value in chosen.one("task").items() if key != "guided"}
    assert PlanningSetup.resolve(task, chosen.one("planner")).task["guided"] == USUAL
    with pytest.raises(ForearmError, match="no setting 'temprature'; did you mean 'temperature'"):
        PlanningSetup.resolve({**task, "guided": {"temprature": 1.0}}, chosen.one("planner"))


def test_it_has_no_oracle_and_needs_heads(tmp_path: Path) -> None:
    contenders = contenders_of(comparison(tmp_path, "planner=[cem,guided]", oracle=True))
    assert [(contender.planner_name, contender.dynamics) for contender in contenders] == [
        ("cem", "learned"), ("guided", "learned"), ("cem", "oracle"),
    ]  # fmt: skip
    with pytest.raises(ForearmError, match="guided has no oracle"):
        contenders_of(comparison(tmp_path, "planner=guided", oracle=True, learned=False))
    with pytest.raises(ForearmError, match="needs heads of checkpoint 'pick_place'"):
        contenders_of(comparison(tmp_path, "planner=guided", "task.heads=nowhere.json"))


@pytest.mark.parametrize("task", ["reach", "push", "pick_place"])
def test_one_plan_from_two_frames(task: str) -> None:
    loaded = forearm.load(task)
    frames = np.random.default_rng(0).integers(0, 256, (2, loaded.resolution, loaded.resolution, 3)).astype(np.uint8)
    proprio = np.zeros(loaded.model.config.proprio_dim) if loaded.model.config.proprio_dim else None
    plan = loaded.plan(*frames, planner="guided", proprio=proprio)
    assert plan.planner == "mppi" and plan.config["prior_share"] == 1.0
    assert plan.config["horizon"] == (8 if task == "pick_place" else 12)
    assert np.abs(plan.actions).max() <= 1.0


@pytest.mark.parametrize("task", [name for name in settings.options("task") if "/" not in name])
def test_every_task_of_the_arm_says_how_it_is_guided(task: str) -> None:
    chosen = settings.load("plan", [f"task={task}", "planner=guided"])
    assert set(chosen.one("task")["guided"]) == set(USUAL)


def test_commands_that_are_told_no_planner_take_the_tasks_own() -> None:
    def planner(command: str, *words: str) -> str:
        return str(settings.load(command, words).one("planner")["name"])

    for command in ("run", "plan", "serve", "collect"):
        assert planner(command, "task=pick_place") == "guided"
        assert planner(command, "task=push") == planner(command) == "cem"
        assert planner(command, "task=pick_place", "planner=mppi") == "mppi"
        assert planner(command, "task=pick_place", "task.planner=icem") == "icem"
    assert planner("run", "task=pick_place", "dynamics=oracle") == "cem"
    for key in ("task", "pick_place"):  # another model may have no heads
        assert planner("run", "task=pick_place", f"{key}.checkpoint=mine/model.json") == "cem"
    assert planner("compare", "task=pick_place") == "cem"
    with pytest.raises(ForearmError, match="unknown planner 'gided'; did you mean 'guided'"):
        planner("run", "task=push", "push.planner=gided")


def test_so_does_python() -> None:
    loaded = forearm.load("pick_place")
    frames = np.zeros((2, loaded.resolution, loaded.resolution, 3), np.uint8)
    proprio = np.zeros(loaded.model.config.proprio_dim)
    assert loaded.plan(*frames, proprio=proprio).config["prior_share"] == 1.0
    assert loaded.plan(*frames, proprio=proprio, planner="cem").config["prior_share"] == 0.0
    path = Path(forearm.__file__).parents[1] / "world_model" / "pretrained" / "pick_place.json"
    assert forearm.load(str(path)).plan(*frames, proprio=proprio).config["prior_share"] == 0.0


def test_the_prior_that_plans_are_drawn_from_is_beside_them_with_a_test(tmp_path: Path, here: None) -> None:
    chosen = comparison(tmp_path, "planner=[guided,cem]", "planner.samples=8", "cem.elites=2", episodes=2)
    document = compare(replace(chosen, baselines=("hold",)), 2, 1)
    assert [row["name"] for row in document["rows"]] == ["guided", "cem", "hold", "prior"]
    # Whoever draws from no prior is tested against it as well: that is what it has to beat.
    tested = [(pair["a"], pair["b"]) for pair in document["pairs"]]
    assert tested == [("guided", "cem"), ("guided", "prior"), ("cem", "prior")]


def test_a_prior_is_beside_whatever_draws_from_it_and_nothing_else(tmp_path: Path) -> None:
    def names(*words: str) -> list[str]:
        chosen = replace(comparison(tmp_path, *words), baselines=("hold",))
        return [one.planner_name for one in contenders_of(chosen)]

    assert names("planner=cem") == ["cem", "hold"]
    assert names("planner=cem", "task.proposals=[previous,prior]") == ["cem", "hold"]
    assert names("planner=cem", "task.proposals=[previous,prior]", "planner.prior_share=0.5") == [
        "cem",
        "hold",
        "prior",
    ]
    assert names("planner=cem", "planner.prior_share=0.5") == ["cem", "hold"]
    assert [one.planner_name for one in contenders_of(comparison(tmp_path, "planner=guided"))] == ["guided"]


def test_a_closed_gate_is_the_prior_alone_to_the_bit() -> None:
    task = settings.load("plan", ["task=reach", "task.guided.gate=inf"]).one("task")
    guided, prior = (PlanningSetup.resolve(task, {"name": name}, replan_every=None) for name in ("guided", "prior"))
    guided = replace(guided, planner_config=guided.planner_config | {"samples": 4, "execute": "mean"})
    frames = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3)).astype(np.uint8)
    assert np.array_equal(guided.plan(*frames).actions[: prior.replan_every], prior.plan(*frames).actions)
    free = replace(guided, task=guided.task | {"guided": guided.task["guided"] | {"gate": None}})
    assert not np.array_equal(free.plan(*frames).actions, guided.plan(*frames).actions)


def test_a_gate_is_a_number_a_word_or_none() -> None:
    def gate(*words: str) -> Any:
        chosen = settings.load("plan", ["task=reach", "planner=guided", *words])
        return PlanningSetup.resolve(chosen.one("task"), chosen.one("planner")).planner().gate

    assert gate() is None and gate("task.guided.gate=0") == 0.0 and gate("task.guided.gate=inf") == math.inf
    for wrong in ("wide", "-1", "-inf", "nan"):
        with pytest.raises(InputError, match=r"reach.guided.gate must be"):
            gate(f"task.guided.gate={wrong}")
