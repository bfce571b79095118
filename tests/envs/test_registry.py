import importlib.metadata
import sys

import pytest

from forearm import envs
from forearm.envs import registry


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
        ("pusht/", "unknown task 'pusht/'; did you mean pusht"),
        ("pusht/t", "unknown task 'pusht/t'; did you mean pusht"),
        ("pushT", "did you mean pusht"),
    ],
)
def test_unknown_tasks_are_told_with_the_nearest_names(task, says):
    with pytest.raises(ValueError, match=says):
        envs.make(task)


BENCHMARKS = [
    ("ogbench/cube-single", "ogbench", "ogbench"),
    ("metaworld/reach-v3", "metaworld", "metaworld"),
    ("fetch/push", "gymnasium_robotics", "fetch"),
    ("pusht", "gym_pusht", "pusht"),
]


def needing(task, extra):
    """How a missing extra begins to be told."""
    return f"tasks '{extra}/...' need" if "/" in task else f"task '{task}' needs"


@pytest.fixture
def fitting(monkeypatch):
    """A mujoco that every benchmark runs beside, whichever is installed."""
    monkeypatch.setattr(registry.mujoco, "__version__", "3.3.0")


@pytest.mark.parametrize(("task", "package", "extra"), BENCHMARKS)
def test_an_extra_that_is_not_installed_is_named(monkeypatch, fitting, task, package, extra):
    monkeypatch.setitem(sys.modules, package, None)
    for ask in (envs.make, envs.check_installed):
        with pytest.raises(envs.MissingExtra) as told:
            ask(task)
        assert str(told.value) == (
            f"{needing(task, extra)} the extra '{extra}', which is not installed: pip install 'forearm[{extra}]'"
        )


def test_tasks_that_need_no_extra_are_never_in_want_of_one(monkeypatch, fitting):
    monkeypatch.setitem(sys.modules, "ogbench", None)
    monkeypatch.setitem(registry._OWN, "ogbench", (lambda *_: None, ("mine",)))
    for task in ("push", "own", "mine/stack", "ogbench/mine"):
        envs.check_installed(task)


@pytest.mark.parametrize(("task", "package", "extra"), BENCHMARKS)
def test_an_extra_whose_parts_do_not_fit_says_what_was_missing(monkeypatch, fitting, task, package, extra):
    monkeypatch.setattr(registry.importlib.util, "find_spec", lambda name: object())
    monkeypatch.setitem(registry._ADAPTERS, extra, ("envs.no_such_adapter", "None"))
    told = rf"^{needing(task, extra)} the extra .*no_such_adapter.*pip install 'forearm\[{extra}\]'"
    with pytest.raises(envs.MissingExtra, match=told):
        envs.make(task)


def test_a_library_of_the_system_that_is_missing_is_named_with_its_package(monkeypatch):
    def fails(name):
        raise ImportError("libGL.so.1: cannot open shared object file: No such file or directory")

    monkeypatch.setattr(registry.importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(registry.importlib, "import_module", fails)
    with pytest.raises(envs.MissingExtra, match=r"\(libGL.so.1: .*\): on Debian, apt-get install libgl1 libglib2.0-0$"):
        envs.make("pusht")


@pytest.mark.parametrize(
    ("task", "version", "wanted"),
    [
        ("metaworld/reach-v3", "4.0.0", "==3.3.0"),
        ("metaworld/reach-v3", "3.3.1", "==3.3.0"),
        ("fetch/push", "4.0.0", ">=3.3,<3.11"),
        ("fetch/push", "3.11.0", ">=3.3,<3.11"),
        ("ogbench/cube-single", "3.9.0", ">=3.3,!=3.9.0,!=4.0.0"),
        ("ogbench/cube-single", "4.0.0", ">=3.3,!=3.9.0,!=4.0.0"),
    ],
)
def test_a_mujoco_beside_which_a_benchmark_cannot_run_is_named(monkeypatch, task, version, wanted):
    monkeypatch.setattr(registry.mujoco, "__version__", version)
    benchmark = task.partition("/")[0]
    with pytest.raises(envs.MissingExtra) as told:
        envs.make(task)
    assert str(told.value) == (
        f"tasks '{benchmark}/...' need mujoco{wanted}, but mujoco {version} is installed: give them an environment of "
        f"their own, made with pip install 'forearm[{benchmark}]'"
    )
    assert registry.obstacle(benchmark) == str(told.value)


@pytest.mark.parametrize(
    ("benchmark", "version"),
    [
        *(("ogbench", "3.3.0"), ("ogbench", "4.0.1"), ("fetch", "3.10.2"), ("fetch", "3.3.0"), ("metaworld", "3.3.0")),
        *(("pusht", "3.3.0"), ("pusht", "4.0.1")),
    ],
)
def test_versions_that_fit_are_no_obstacle(monkeypatch, benchmark, version):
    monkeypatch.setattr(registry.mujoco, "__version__", version)
    monkeypatch.setattr(registry.importlib.util, "find_spec", lambda name: object())
    assert registry.obstacle(benchmark) is None


@pytest.mark.parametrize("lines", [None, [], ["mujoco>=3.3", "mujoco==3.3.0; extra == 'other'"]])
def test_any_mujoco_fits_where_nothing_is_said_of_it(monkeypatch, lines):
    def requires(name):
        if lines is None:
            raise importlib.metadata.PackageNotFoundError(name)
        return lines

    monkeypatch.setattr(registry.importlib.metadata, "requires", requires)
    monkeypatch.setattr(registry.mujoco, "__version__", "4.0.0")
    monkeypatch.setattr(registry.importlib.util, "find_spec", lambda name: object())
    registry.mujoco_range.cache_clear()
    try:
        assert registry.obstacle("metaworld") is None
    finally:
        registry.mujoco_range.cache_clear()


@pytest.mark.parametrize(("version", "fits"), [("3.3.0rc1", True), ("3.11.0rc1", False), ("3.10.9", True)])
def test_a_release_candidate_counts_as_its_release(monkeypatch, version, fits):
    monkeypatch.setattr(registry.mujoco, "__version__", version)
    monkeypatch.setattr(registry.importlib.util, "find_spec", lambda name: object())
    assert (registry.obstacle("fetch") is None) == fits
