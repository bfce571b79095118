import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as rounds
from hypothesis import strategies as st

from forearm.errors import ForearmError
from forearm.settings import compose as settings
from forearm.settings.yaml_files import compose

BALL = "# A ball.\ndefaults:\n  - /task/reach@_here_\n  - _self_\nname: mine/ball\ncheckpoint: outputs/ball\n"
NAMES = st.text(
    st.characters(exclude_categories=("C", "Zl", "Zp"), exclude_characters="/:"), min_size=1, max_size=12
).filter(lambda name: "${" not in name and name not in (".", "..") and len(name.encode()) < 200)
ODD = (
    "with space",
    "jörg",
    "run=2",
    "a,b",
    "arm(1)",
    "it's",
    'q"',
    "d$",
    "b\\",
    "[z]",
    "{z}",
    "#h",
    "@x",
    "~a",
    "*",
    "%20",
    " two ",
)


def write(folder: Path, name: str = "mine/ball", text: str = BALL) -> Path:
    path = folder / "task" / f"{name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return folder


def loads(folder: Path, name: str) -> None:
    """A task of a folder of one's own, and one that is built in."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(settings.OWN_CONFIGS, str(folder))
        assert name in settings.options("task")
        mine = settings.load("plan", [f"task={name}", "task.camera=side"]).one("task")
        assert (mine["checkpoint"], mine["camera"]) == ("outputs/ball", "side")
        assert settings.load("plan", ["task=reach"]).one("task")["name"] == "reach"


@pytest.mark.parametrize("name", ODD)
def test_a_folder_of_configs_and_a_task_may_have_any_name(name: str, tmp_path: Path) -> None:
    loads(write(tmp_path / name, f"mine/{name}"), f"mine/{name}")


@rounds(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(folder=NAMES, task=NAMES)
@example(folder="\\'", task="\\'")
def test_whatever_can_be_printed_is_a_name(folder: str, task: str, tmp_path: Path) -> None:
    place = tempfile.mkdtemp(dir=tmp_path)  # what a folder holds is looked up once in a process
    loads(write(Path(place) / folder, f"mine/{task}"), f"mine/{task}")


@pytest.mark.parametrize("name", ["a${b", "a${b}"])
def test_a_folder_of_configs_may_look_like_a_reference(name: str, tmp_path: Path) -> None:
    loads(write(tmp_path / name), "mine/ball")


def test_settings_of_a_task_with_dots_in_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(settings.OWN_CONFIGS, str(write(tmp_path, "mine/v1.2")))
    found = settings.load("compare", ["task=[reach,mine/v1.2]", "mine/v1.2.camera=side"]).all("task")
    assert found["mine/v1.2"]["camera"] == "side" and found["reach"]["camera"] == "front"


def test_what_hydra_cannot_take_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(settings.OWN_CONFIGS, str(write(tmp_path, "mine/a${b")))
    with pytest.raises(ForearmError, match=r"cannot be part of 'mine/a\$\{b': rename it"):
        settings.load("plan", ["task=mine/a${b"])
    monkeypatch.setenv(settings.OWN_CONFIGS, "~nobody-of-this-name/configs")
    with pytest.raises(ForearmError, match="which is no folder"):
        settings.load("plan")


@pytest.mark.parametrize(
    "text",
    ["a: [", "\tname: x", "defaults: 3", "defaults:\n  - /task/nosuch@_here_\n", "a: ${nosuch}", "3", "- a", "a: ${"],
)
def test_a_config_that_is_none_is_one_line(text: str, tmp_path: Path, failing: object) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(settings.OWN_CONFIGS, str(write(tmp_path, "mine/ball", text)))
        assert "task=mine/ball" in failing("plan", "task=mine/ball")  # type: ignore[operator]
        assert settings.load("plan", ["task=reach"]).one("task")["name"] == "reach"


def test_a_config_that_lacks_something_says_what(tmp_path: Path, failing: object) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(settings.OWN_CONFIGS, str(write(tmp_path, "mine/ball", "camera: top\n")))
        said = failing("plan", "task=mine/ball")  # type: ignore[operator]
    assert "lacks checkpoint" in said and "/task/reach@_here_" in said


def test_the_hydra_of_a_program_around_us_stays_as_it_is() -> None:
    code = """
from hydra import compose, initialize_config_module, version
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
import forearm
from forearm.settings import compose as settings
with initialize_config_module("forearm.configs", version_base="1.2", job_name="host"):
    before = GlobalHydra.instance().hydra, version.getbase()
    settings.load("plan", ["task=push"])
    forearm.load("push")
    assert (GlobalHydra.instance().hydra, version.getbase()) == before
    assert compose("run", return_hydra_config=True).hydra.job.name == "host"
assert not GlobalHydra.instance().is_initialized()
settings.load("compare", ["task=reach"])
assert not GlobalHydra.instance().is_initialized()
"""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert ran.returncode == 0, ran.stderr


def test_threads_compose_at_once() -> None:
    found: dict[str, str] = {}

    def one(name: str) -> None:
        found[name] = compose("plan", {"planner": name}, ())["planner"]["name"]

    threads = [threading.Thread(target=one, args=(name,)) for name in ("cem", "mppi", "icem", "dial")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {name: name for name in ("cem", "mppi", "icem", "dial")}
