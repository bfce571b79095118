from pathlib import Path

import pytest

from forearm import envs
from forearm.envs.benchmarks.catalog import SETS
from forearm.errors import ForearmError
from forearm.settings import compose as settings
from forearm.settings import reference, schema


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
        settings.load("compare", [f"episodes={episodes}"])["episodes"]


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

    from forearm.planner import PLANNERS, make_planner

    assert set(settings.options("planner")) == {*PLANNERS, "guided", "hierarchical", "fast"}
    for name in PLANNERS:
        config = settings.load("plan", [f"planner={name}"]).one("planner")
        # These two are the task's, unless a planner is told.
        assert config == asdict(make_planner(name).config) | {"name": name, "horizon": None, "action_repeat": None}
    # Otherwise than the planner that it is.
    guided = {"samples": 64, "iterations": 1, "prior_share": 1.0, "execute": "mean", "warm_start": False}
    left_open = {"name": "guided", "horizon": None, "action_repeat": None, "temperature": None}
    config = settings.load("plan", ["planner=guided"]).one("planner")
    assert config == asdict(PLANNERS["mppi"][1]()) | guided | left_open
    config = settings.load("plan", ["planner=hierarchical"]).one("planner")
    cem = settings.load("plan", ["planner=cem"]).one("planner")
    assert config == cem | {"name": "hierarchical"}
    fast = {"name": "fast", "samples": 48, "iterations": 3, "elites": 6}
    assert settings.load("plan", ["planner=fast"]).one("planner") == cem | fast


def test_a_world_model_is_what_its_classes_say_and_its_file_says_otherwise() -> None:
    from dataclasses import asdict

    from forearm.world_model import LossConfig, ModelConfig, TrainConfig

    model = {key: value for key, value in asdict(ModelConfig()).items() if key not in ("resolution", "backbone")}
    left_open = {"frameskip": None, "action_dim": None}
    train = {key: value for key, value in asdict(TrainConfig()).items() if key not in ("seed", "share", "every")}
    found = {name: settings.load("train", [f"world_model={name}"]).one("world_model") for name in ("conv", "vit")}
    del model["inferred_dim"]
    sections = {"loss": asdict(LossConfig()), "train": train}
    assert found["conv"] == {**model, **left_open, **sections, "name": "conv"}
    otherwise = {"batch": 128, "learning_rate": 3e-4, "warmup": 200, "validate_every": 500}
    larger = {"name": "vit", "encoder": "vit", "width": 192, "depth": 4, "train": train | otherwise}
    del model["patch"]
    assert found["vit"] == {**model, **left_open, **sections, **larger}


def test_a_server_and_heads_in_python_are_those_of_the_command_line() -> None:
    from dataclasses import asdict

    from forearm.agent.guided import USUAL
    from forearm.control.robots.robot import FOLLOWING
    from forearm.serve.config import ServeConfig
    from forearm.world_model.heads.action_prior import PriorConfig
    from forearm.world_model.heads.distance import DistanceConfig

    told = settings.load("serve").values
    told = told | {"max_message_bytes": told["max_message_kib"] * 1024}
    made = asdict(ServeConfig())
    assert {key: told[key] for key in made if key in told} == {key: made[key] for key in made if key in told}
    assert {key for key in made if key not in told} == {"token", "max_errors"}
    heads = settings.load("train-heads").values
    assert (heads["prior"], heads["distance"]) == (asdict(PriorConfig()), asdict(DistanceConfig()))
    assert settings.option("task", "own")["guided"] == USUAL
    assert settings.load("plan").one("robot")["following_error"] == FOLLOWING


@pytest.mark.parametrize(
    "config", [*schema.CONFIGS, "planner=guided", "planner=hierarchical", "world_model=frozen", "task=push"]
)
def test_every_setting_says_what_it_means(config: str) -> None:
    found = list(reference.keys(config))
    assert found and len({key.name for key in found}) == len(found)
    for key in found:
        assert key.meaning and not key.meaning.endswith("."), key
        assert key.type and "None" not in key.type + key.meaning, key


def test_what_is_said_about_a_setting_is_what_a_command_gets() -> None:
    told = {key.name: key.default for key in reference.keys("planner=gradient")}
    got = settings.load("plan", ["planner=gradient"]).one("planner")
    assert told == {f"planner.{name}": value for name, value in got.items()}
    told = {key.name: key.default for key in reference.keys("task=push")}
    assert (told["task.guided.prior_gain"], told["task.collect.steps"], told["task.plan.horizon"]) == (2.0, 50, 16)
    with pytest.raises(ForearmError, match="unknown config 'robt'; did you mean 'robot'"):
        list(reference.keys("robt"))


@pytest.mark.parametrize(
    ("group", "text", "said"),
    [
        ("planner", "name: cem\nsampels: 4\n", "has 'sampels', which is no setting; did you mean 'samples'?"),
        ("planner", "name: cem\nsamples: many\n", "'samples': Value 'many' of type 'str' could not be converted"),
        ("task", "checkpoint: x\nobjective: {decey: 1}\n", "'objective.decey', which is no setting; did you mean"),
        ("task", "checkpoint: x\nresolution: [1]\n", "'resolution'"),
        ("task", "camera: top\n", "lacks checkpoint"),
        ("protocol", "start: reset\nhold_steps: 1.5\n", "'hold_steps'"),
    ],
)
def test_a_config_of_ones_own_is_checked(
    group: str, text: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / group).mkdir()
    (tmp_path / group / "mine.yaml").write_text(text)
    monkeypatch.setenv(settings.OWN_CONFIGS, str(tmp_path))
    with pytest.raises(ForearmError) as error:
        settings.load("compare", [f"{group}=mine"])
    assert said in str(error.value) and f"{group}=mine" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_config_of_ones_own_needs_only_what_it_has_otherwise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for group, text in (("planner", "name: cem\nsamples: 32\n"), ("task", "checkpoint: x\nplan: {horizon: 8}\n")):
        (tmp_path / group).mkdir()
        (tmp_path / group / "mine.yaml").write_text(text)
    monkeypatch.setenv(settings.OWN_CONFIGS, str(tmp_path))
    chosen = settings.load("compare", ["planner=mine", "task=mine"])
    cem, reach = (settings.load("compare").one(group) for group in ("planner", "task"))
    assert chosen.one("planner") == cem | {"samples": 32}
    assert chosen.one("task")["plan"] == reach["plan"] | {"horizon": 8} and "collect" not in chosen.one("task")


def test_the_checkpoint_of_a_benchmarks_task_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("fetch/push", "metaworld/push-v3", "ogbench/cube-single"):
        assert settings.load("plan", [f"task={name}"]).one("task")["checkpoint"] == name.replace("/", "-")
    (tmp_path / "task" / "fetch").mkdir(parents=True)
    (tmp_path / "task" / "fetch" / "mine.yaml").write_text(
        "defaults: [/task/fetch/_any@_here_, _self_]\nresolution: 32\n"
    )
    monkeypatch.setenv(settings.OWN_CONFIGS, str(tmp_path))
    mine = settings.load("plan", ["task=fetch/mine"]).one("task")
    assert (mine["name"], mine["checkpoint"], mine["frameskip"]) == ("fetch/mine", "fetch-mine", 4)


def test_null_is_taken_where_it_means_something() -> None:
    chosen = settings.load("diagnose", ["samples=null", "iterations=null"])
    assert chosen["samples"] is None and chosen["iterations"] is None
    options = settings.load(
        "compare", ["protocol.rest_tolerance_m=null", "planner=gradient", "planner.halve_every=null"]
    )
    assert options.one("protocol")["rest_tolerance_m"] is None and options.one("planner")["halve_every"] is None
    for command, key, kind in (
        ("diagnose", "episodes", "a whole number"), ("compare", "planner.samples", "a whole number"),
        ("plan", "format", "text"), ("plan", "out", "text"), ("plan", "task.checkpoint", "text"),
    ):  # fmt: skip
        with pytest.raises(ForearmError, match=f"{key} must be {kind}, not null"):
            settings.load(command, [f"{key}=null"])


def test_limits_of_a_command_are_told_by_name() -> None:
    for command, word, said in (
        ("serve", "deadline_ms=soon", "deadline_ms must be a finite number, got 'soon'"),
        ("serve", "idle_timeout=0", "idle_timeout must be greater than 0, got 0"),
        ("collect", "practice=[1]", r"practice=\[1\] must be a share of the episodes, between 0 and 1"),
        ("run", "films=-1", "films must be a whole number of at least 0, not -1"),
    ):
        with pytest.raises(ForearmError, match=said):
            settings.load(command, [word])[word.partition("=")[0]]
