from pathlib import Path

import pytest

from forearm import envs
from forearm.envs.benchmarks.catalog import SETS
from forearm.errors import ForearmError
from forearm.settings import compose as settings


def test_lists_of_tasks_and_planners() -> None:
    chosen = settings.load("compare", ["task=[push,reach]", "planner=[mppi,cem]", "episodes=7"])
    assert list(chosen.all("task")) == ["push", "reach"]
    assert list(chosen.all("planner")) == ["mppi", "cem"]
    assert chosen["episodes"] == 7


def test_a_list_may_be_written_without_brackets_and_one_name_is_enough() -> None:
    assert list(settings.load("compare", ["task=push,reach"]).all("task")) == ["push", "reach"]
    assert settings.load("compare", ["task=push"]).one("task")["name"] == "push"


def test_tasks_that_go_by_one_name_are_all_of_that_kind() -> None:
    assert list(settings.load("train", ["task=built-in"]).all("task")) == list(SETS["built-in"])
    assert set(SETS["built-in"]) <= set(envs.TASKS)
    assert list(settings.load("compare", ["task=[own,built-in]"]).all("task")) == ["own", *SETS["built-in"]]
    with pytest.raises(ForearmError, match="names something twice"):
        settings.load("train", ["task=[reach,built-in]"])
    with pytest.raises(ForearmError, match="'plan' takes one task, not 3 \\(reach, push, pick_place\\)"):
        settings.load("plan", ["task=built-in"]).one("task")


def test_a_group_override_goes_to_all_that_have_the_key() -> None:
    chosen = settings.load("compare", ["planner=[cem,mppi,random_shooting]", "planner.min_std=0.2"])
    planners = chosen.all("planner")
    assert planners["cem"]["min_std"] == planners["mppi"]["min_std"] == 0.2
    assert "min_std" not in planners["random_shooting"]


def test_an_override_by_name_goes_to_that_one() -> None:
    default = settings.load("compare", ["planner=mppi"]).one("planner")["samples"]
    planners = settings.load("compare", ["planner=[cem,mppi]", "cem.samples=200"]).all("planner")
    assert (planners["cem"]["samples"], planners["mppi"]["samples"]) == (200, default)


def test_defaults_are_not_changed_by_overrides() -> None:
    settings.load("compare", ["cem.samples=999", "planner=cem"])
    assert settings.load("compare", ["planner=cem"]).one("planner")["samples"] != 999


def test_paths_are_taken_as_they_stand() -> None:
    path = "out (1), a=b/[c]"
    assert settings.load("plan", [f"out={path}", f"task.checkpoint={path}"])["out"] == path


def test_a_number_per_action_dimension() -> None:
    chosen = settings.load("plan", ["planner.initial_std=[0.5,0.5,0.1,1]"])
    assert chosen.one("planner")["initial_std"] == [0.5, 0.5, 0.1, 1]


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("episods=3", "did you mean 'episodes'"),
        ("task=rech", "did you mean 'reach'"),
        ("planner=Cemm", "did you mean 'cem'"),
        ("protocol=rset", "did you mean 'rest'"),
        ("planner.sampels=3", "did you mean 'planner.samples'"),
        ("samples=3", "did you mean 'planner.samples'"),
        ("mppi.samples=3", "mppi is not selected"),
        ("episodes=many", "whole number"),
        ("episodes=1.5", "whole number"),
        ("oracle=maybe", "true or false"),
        ("baselines=random", "list in brackets"),
        ("planner.alpha=big", "a number"),
        ("seed=1,2", "takes one value"),
        ("episodes=[3", "cannot read"),
        ("task=[reach,reach]", "twice"),
        ("task=", "needs a name"),
        ("task.objective=3", "several settings"),
        ("world_model=conv", "no world_model"),
        ("episodes", "key=value"),
        ("+episodes=3", "not the name of a setting"),
        ("hydra.run.dir=x", "no key"),
    ],
)
def test_a_wrong_word_is_an_error_that_helps(word: str, said: str) -> None:
    with pytest.raises(ForearmError) as error:
        settings.load("compare", [word])
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_one_is_an_error_where_there_are_several() -> None:
    with pytest.raises(ForearmError, match="compare"):
        settings.load("run", ["task=[reach,push]"]).one("task")


@pytest.mark.parametrize("episodes", ["0", "-3", "null", "true"])
def test_counts_are_checked(episodes: str) -> None:
    with pytest.raises(ForearmError, match="episodes"):
        settings.load("compare", [f"episodes={episodes}"]).whole("episodes", 1)


def test_configs_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "planner").mkdir()
    (tmp_path / "planner" / "mine.yaml").write_text("# My own.\nname: mine\nhorizon: 4\n")
    monkeypatch.setenv(settings.OWN_CONFIGS, str(tmp_path))
    settings._options.cache_clear()
    settings._composed.cache_clear()
    try:
        assert settings.load("plan", ["planner=mine", "mine.horizon=6"]).one("planner")["horizon"] == 6
        assert settings.describe("planner", "mine") == "My own."
    finally:
        settings._options.cache_clear()
        settings._composed.cache_clear()


@pytest.mark.parametrize("group", settings.GROUPS)
def test_every_config_is_called_what_its_file_is_called(group: str) -> None:
    command = {"world_model": "train", "robot": "plan"}.get(group, "compare")
    for name in settings.options(group):
        assert settings.load(command, [f"{group}={name}"]).one(group)["name"] == name
        assert settings.describe(group, name)


def test_every_planner_config_says_every_setting_with_its_default() -> None:
    from dataclasses import asdict

    from forearm.planner import PLANNERS

    for name, (_, config_type) in PLANNERS.items():
        config = settings.load("plan", [f"planner={name}"]).one("planner")
        assert set(config) - {"name"} == set(asdict(config_type()))
