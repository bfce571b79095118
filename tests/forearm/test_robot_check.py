"""`forearm robot check`: what a robot's file describes, in a table and as a picture."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from forearm.cli.main import main
from forearm.errors import ForearmError
from tests.control.robots import FINGERS, config, model, robot

LINK = (
    "<link name='{0}'><collision><geometry><box size='.04 .04 {1}'/></geometry></collision><inertial><mass value='1'/>"
    "<inertia ixx='.1' iyy='.1' izz='.1' ixy='0' ixz='0' iyz='0'/></inertial></link>"
)
JOINT = (
    "<joint name='{0}' type='{1}'><parent link='{2}'/><child link='{3}'/><axis xyz='{4}'/><origin xyz='{5}'/>"
    "{6}</joint>"
)
LIMIT = "<limit lower='{}' upper='{}' effort='1' velocity='1'/>"
URDF = "".join(
    (
        "<robot name='toy'><link name='base'/>",
        *(LINK.format(name, ".08") for name in ("upper", "wrist", "left_jaw", "right_jaw")),
        JOINT.format("turn", "continuous", "base", "upper", "0 0 1", "0 0 .2", ""),
        JOINT.format("lift", "prismatic", "upper", "wrist", "0 0 1", "0 0 .2", LIMIT.format(0, 0.2)),
        JOINT.format("left", "revolute", "wrist", "left_jaw", "1 0 0", "0 .06 .2", LIMIT.format(0, 0.7)),
        JOINT.format(
            "right", "revolute", "wrist", "right_jaw", "1 0 0", "0 -.06 .2",
            LIMIT.format(-0.7, 0) + "<mimic joint='left' multiplier='-1'/>",
        ),
        "</robot>",
    )
)  # fmt: skip


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(path: Path, **changes: Any) -> Path:
    """A config in a folder of its own, with its model beside it."""
    folder = path / "mine"
    folder.mkdir(exist_ok=True)
    said = {
        **config(folder, model(hand=FINGERS.format(left='range="0 .03"', right='range="0 .03"', axis=-1))),
        **changes,
    }
    file = folder / "arm.yaml"
    file.write_text(yaml.safe_dump({**said, "model": "model.xml"}))
    return file


def row(shown: str, name: str) -> list[str]:
    return next(line.split() for line in shown.splitlines() if line.split()[:1] == [name])


def test_a_urdf_alone_is_described_and_drawn(here: Path, capsys: Any) -> None:
    (here / "arm.urdf").write_text(URDF)
    assert main(["robot", "check", "arm.urdf"]) == 0
    shown = capsys.readouterr().out
    assert row(shown, "turn")[1:4] == ["rad", "endless", "endless"]
    assert row(shown, "lift")[1:4] == ["m", "0", "0.2"] and row(shown, "left")[1:4] == ["rad", "0", "0.7"]
    assert "3 axes" in shown and "right_jaw" in shown and "nothing touches" in shown  # the other jaw follows
    pixels = np.asarray(Image.open(here / "arm.png"))
    assert pixels.shape == (480, 480, 3) and pixels.std() > 1.0
    assert main(["robot", "check", "arm.urdf", "tool=wrist", "joints=[lift,turn]", "picture=a/b.png"]) == 0
    shown = capsys.readouterr().out
    assert "2 axes" in shown and "tool: wrist, in the model's own pose" in shown and (here / "a/b.png").is_file()


def test_a_config_is_checked_with_its_limits(here: Path, capsys: Any) -> None:
    file = written(here, gripper=["left", "right"], position_margin={"rad": 0.1, "b": 0.25})
    assert main(["robot", "check", str(file)]) == 0
    shown = capsys.readouterr().out
    assert row(shown, "a") == ["a", "rad", "-1.9", "1.9", "0", "0.1", "1.8", "9", "900"]
    assert row(shown, "b")[2:6] == ["-2.75", "2.75", "0", "0.25"]
    assert row(shown, "gripper")[1:4] == ["m", "0", "0.03"]
    assert main(["robot", "check", "panda"]) == 0
    assert "8 axes" in capsys.readouterr().out


def test_what_touches_at_home_is_said(here: Path, capsys: Any) -> None:
    text = model(world='<geom name="post" type="box" size=".02 .02 .1" pos=".1 .03 0"/>')
    text = text.replace("</mujoco>", "<keyframe><key name='home' qpos='0 0'/></keyframe></mujoco>")
    (here / "arm.xml").write_text(text)
    assert main(["robot", "check", "arm.xml"]) == 1
    shown = capsys.readouterr().out
    assert "at home: " in shown and "clearance" in shown and (here / "arm.png").is_file()


def test_margins_are_each_joints_own(tmp_path: Path) -> None:
    for given, expected in ((0.1, [0.1, 0.1]), ([0.1, 0.2], [0.1, 0.2]), ({"a": 0.3, "rad": 0.1}, [0.3, 0.1])):
        made = robot(tmp_path, model(), position_margin=given)
        assert made.limits.low.tolist() == pytest.approx([-2 + expected[0], -3 + expected[1]])
    wrong = {
        "none of the joints": {"rad": 0.1, "c": 0.1},
        "needs 2 numbers": [0.1],
        "says nothing about b": {"a": 0.1},
        "at least 0": {"rad": -0.1},
        "not wide": "wide",
    }
    for said, margin in wrong.items():
        with pytest.raises(ForearmError, match=said):
            robot(tmp_path, model(), position_margin=margin)


def test_what_is_wrong_is_named(here: Path, failing: Callable[..., str]) -> None:
    (here / "arm.urdf").write_text(URDF)
    (here / "none.xml").write_text("<mujoco><worldbody><body><geom size='.1'/></body></worldbody></mujoco>")
    (here / "broken.xml").write_text("<mujoco><worldbody>")
    (here / "list.yaml").write_text("- a\n")
    (here / "twice.yaml").write_text("name: a\nrange: {a: [0, 1], a: [0, 2]}\n")
    wrong = {
        "followed by what to do": ["robot"],
        "robot check FILE": ["robot", "check"],
        "no such file": ["robot", "check", "nosuch.xml"],
        "did you mean 'panda'": ["robot", "check", "pand"],
        "cannot be read": ["robot", "check", "nosuch.yaml"],
        "expected the settings of a robot": ["robot", "check", "list.yaml"],
        "duplicate key a": ["robot", "check", "twice.yaml"],
        "no hinge or slide joint": ["robot", "check", "none.xml"],
        "broken.xml": ["robot", "check", "broken.xml"],
        "no site named 'nix'": ["robot", "check", "arm.urdf", "tool=nix"],
        "'turn' twice": ["robot", "check", "arm.urdf", "joints=[turn,turn]"],
        "ends with .png": ["robot", "check", "arm.urdf", "picture=a.jpg"],
        "which is no setting; did you mean 'velocity'": ["robot", "check", str(written(here, velocitty=[1, 1]))],
    }
    for said, words in wrong.items():
        assert said in failing(*words), words
    assert "names its joints and tool itself" in failing("robot", "check", str(written(here)), "tool=tool")
    assert "its config lacks 'jerk'" in failing("robot", "check", str(_without(written(here), "jerk")))
    assert not list(here.glob("*.png"))


def _without(file: Path, key: str) -> Path:
    said = yaml.safe_load(file.read_text())
    del said[key]
    file.write_text(yaml.safe_dump(said))
    return file
