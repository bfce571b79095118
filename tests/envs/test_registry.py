import sys

import pytest

import envs
from envs import registry


@pytest.mark.parametrize(
    ("task", "says"),
    [
        ("metaworld/reech-v3", "did you mean metaworld/reach-v3"),
        ("metaworld/push", "did you mean metaworld/push-v3"),
        ("ogbench/cube-singel", "did you mean ogbench/cube-single"),
        ("fetch/fly", "expected one of fetch/reach, fetch/push"),
        ("ogbench/", "expected one of ogbench/cube-single|unknown task"),
        ("fetsh/push", "did you mean fetch/push"),
        ("fly", "unknown task 'fly'"),
    ],
)
def test_unknown_tasks_are_told_with_the_nearest_names(task, says):
    with pytest.raises(ValueError, match=says):
        envs.make(task)


@pytest.mark.parametrize(
    ("task", "package", "extra"),
    [
        ("ogbench/cube-single", "ogbench", "ogbench"),
        ("metaworld/reach-v3", "metaworld", "metaworld"),
        ("fetch/push", "gymnasium_robotics", "fetch"),
    ],
)
def test_an_extra_that_is_not_installed_is_named(monkeypatch, task, package, extra):
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, registry._ADAPTERS[task.partition("/")[0]][0], raising=False)
    with pytest.raises(envs.MissingExtra, match=rf"extra '{extra}'.*pip install 'forearm\[{extra}\]'"):
        envs.make(task)
