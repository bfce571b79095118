"""What a task is learned with where it has a recipe: after the defaults, before what somebody sets."""

import pytest

from forearm.errors import ForearmError
from forearm.settings import compose as settings

REACH = "world_model.loss.regularizer_weight"


def weight(*words):
    """Of the regulariser."""
    return settings.load("learn", words).one("world_model")["loss"]["regularizer_weight"]


def test_a_recipe_comes_after_the_defaults_and_before_what_is_set():
    assert weight("task=push") == 0.1 and weight("task=reach") == 0.03
    assert weight("task=reach", f"{REACH}=0.2") == 0.2
    assert settings.load("train", ["task=reach", "data=x"]).one("world_model")["loss"]["regularizer_weight"] == 0.1


def test_a_chosen_world_model_is_left_as_it_is_and_heads_are_not():
    chosen = settings.load("learn", ["task=pick_place", "world_model=conv", "prior.steps=7"])
    assert chosen.one("world_model") == settings.load("train").one("world_model")
    assert chosen["distance"]["steps"] == 2000 and chosen["prior"]["steps"] == 7 and chosen["prior"]["slow"] == 6


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of configs of somebody's own."""
    monkeypatch.setenv(settings.OWN_CONFIGS, str(tmp_path))
    (tmp_path / "recipe" / "metaworld").mkdir(parents=True)
    return tmp_path / "recipe"


def test_tasks_of_ones_own_and_of_benchmarks_have_recipes_too(folder):
    (folder / "push.yaml").write_text("world_model: {loss: {regularizer_weight: 0.05}}\n")
    (folder / "metaworld" / "reach-v3.yaml").write_text("defaults: [/recipe/push@_here_, _self_]\nvalidation: 20\n")
    assert weight("task=push") == weight("task=metaworld/reach-v3") == 0.05
    assert settings.load("learn", ["task=metaworld/reach-v3"])["validation"] == 20
    assert settings.load("learn", ["task=metaworld/reach-v3", "validation=30"])["validation"] == 30


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("prior: {sloww: 6}", "recipe/push: 'learn' has no key 'prior.sloww'; did you mean 'prior.slow'"),
        ("world_model: {patches: 8}", "recipe/push: unknown key 'world_model.patches'"),
        ("prior: {slow: many}", "recipe/push: prior.slow must be a whole number"),
        ("[a, b", "recipe/push"),
        ("just words", "recipe/push"),
    ],
)
def test_a_recipe_that_makes_no_sense_is_named(folder, text, told):
    (folder / "push.yaml").write_text(text)
    with pytest.raises(ForearmError, match=told):
        settings.load("learn", ["task=push"])
    assert settings.load("train", ["task=push", "data=x"]).one("task")["name"] == "push"


def test_every_shipped_recipe_is_of_a_task_and_can_be_loaded():
    tasks = list(settings._files("recipe"))
    assert tasks and set(tasks) <= set(settings.options("task"))
    for task in tasks:
        settings.load("learn", [f"task={task}"])
