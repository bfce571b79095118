"""What a robot's config may say, and where the files are that it names."""

from pathlib import Path
from typing import Any

import pytest

from forearm.control import load_robot
from forearm.control.robots.robot import Robot
from forearm.errors import ForearmError
from forearm.settings import compose as settings

from .robots import config, model


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"velocities": [1.0, 1.0]}, "'velocities' is no setting of a robot; did you mean 'velocity'?"),
        ({"folowing_error": 0.1}, "'folowing_error' is no setting of a robot; did you mean 'following_error'?"),
        (
            {"shares": {"velocity": 0.9, "accelration": 0.9, "jerk": 0.9}},
            "'shares.accelration' is no setting of a robot; did you mean 'acceleration'?",
        ),
        ({"workspace": {"low": [-2] * 3, "hihg": [2] * 3}}, "'workspace.hihg' is no setting of a robot"),
        ({"joints": ["a", "b", "a"]}, "name 'a' twice"),
        ({"gripper": ["b"]}, "name 'b' twice"),
    ],
)
def test_unknown_settings_and_doubled_joints_are_refused_by_name(tmp_path: Path, changes: Any, said: str) -> None:
    with pytest.raises(ForearmError) as caught:
        Robot(config(tmp_path, model(), **changes))
    assert said in str(caught.value) and str(caught.value).startswith("robot 'small': ")


YAML = """
name: mine
model: {model}
joints: [a, b]
gripper: []
tool: tool
position_margin: 0.0
velocity: [2.0, 2.0]
acceleration: [10.0, 10.0]
jerk: [1000.0, 1000.0]
shares: {{velocity: 0.9, acceleration: 0.9, jerk: 0.9}}
gripper_velocity: 1.0
gripper_acceleration: 5.0
gripper_jerk: 100.0
workspace: {{low: [-2, -2, -2], high: [2, 2, 2]}}
table_clearance: 0.0
self_clearance: 0.0
"""


def written(tmp_path: Path, monkeypatch: Any, text: str, name: str = "mine") -> Path:
    file = tmp_path / "configs" / "robot" / f"{name}.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    monkeypatch.setenv("FOREARM_CONFIGS", str(tmp_path / "configs"))
    monkeypatch.chdir(tmp_path)
    return file.parent


def test_a_model_is_looked_for_beside_the_config_that_names_it(tmp_path: Path, monkeypatch: Any) -> None:
    folder = written(tmp_path, monkeypatch, YAML.format(model="meshes/arm.xml"))
    written(tmp_path, monkeypatch, YAML.format(model=folder / "meshes" / "arm.xml"), "absolute")
    with pytest.raises(ForearmError, match=r"configs/robot/meshes/arm\.xml: no such file"):
        load_robot("mine")
    (folder / "meshes").mkdir()
    (folder / "meshes" / "arm.xml").write_text(model(), encoding="utf-8")
    assert load_robot("mine").joints == ["a", "b"]
    assert load_robot("absolute").joints == ["a", "b"]
    (tmp_path / "here.xml").write_text(model(), encoding="utf-8")
    typed = settings.load("plan", ["robot=mine", "robot.model=here.xml"]).one("robot")
    assert Robot(typed).joints == ["a", "b"]  # what is typed is relative to where it is typed


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("velocty: [1.0, 1.0]", "has 'velocty', which is no setting; did you mean 'velocity'?"),
        ("joints: [b, a]", "joints"),
    ],
)
def test_a_file_with_an_unknown_or_a_doubled_setting_is_refused(
    tmp_path: Path, monkeypatch: Any, line: str, said: str
) -> None:
    written(tmp_path, monkeypatch, YAML.format(model="null") + line + "\n")
    with pytest.raises(ForearmError) as caught:
        load_robot("mine")
    assert said in str(caught.value) and "\n" not in str(caught.value)
