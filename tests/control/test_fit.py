import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forearm.control import Controller, Status
from forearm.control.action_adapter import ToolActionAdapter
from forearm.control.robots.fit import check_fit
from forearm.control.robots.robot import Robot
from forearm.errors import ForearmError
from forearm.settings import compose as settings

from .conftest import Script
from .robots import config, model, robot

ARM = Path(__file__).parents[2] / "envs/arm/assets/arm.xml"


def panda(**changes: Any) -> Robot:
    return Robot(settings.load("plan", ["robot=panda"]).one("robot") | changes)


def altered(path: Path, *changes: tuple[str, str]) -> str:
    """The built-in arm with its file changed."""
    text = ARM.read_text(encoding="utf-8")
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    (path / "arm.xml").write_text(text)
    return str(path / "arm.xml")


class Joints:
    """A body of one's own: commands are joint positions."""

    period = 0.1
    names = None

    def __init__(self, count: int) -> None:
        self.low, self.high = np.full(count, -9.0), np.full(count, 9.0)

    def read(self, observation: Any) -> Any:
        return np.asarray(observation["proprio"], np.float64)[: len(self.low)]

    def targets(self, start: Any, actions: Any) -> Any:
        return np.asarray(actions, np.float64)

    def actions(self, path: Any) -> Any:
        return path[1:]


def test_the_built_in_arm_fits_its_commands_and_so_does_one_with_other_names(tmp_path: Path) -> None:
    check_fit(panda(), ToolActionAdapter("push"))
    renamed = altered(tmp_path, *((f'"joint{i}"', f'"panda_joint{i}"') for i in range(1, 8)))
    check_fit(panda(model=renamed, joints=[f"panda_joint{i}" for i in range(1, 8)]), ToolActionAdapter("push"))


def test_another_number_of_axes_is_refused_at_once(tmp_path: Path) -> None:
    arm = robot(tmp_path, model())
    with pytest.raises(ForearmError, match=r"robot 'small' has 2 axes \(a, b\), but commands are for 8") as caught:
        check_fit(arm, ToolActionAdapter("reach"))
    assert "\n" not in str(caught.value)
    with pytest.raises(ForearmError, match="but commands are for 8"):
        check_fit(panda(gripper=[]), ToolActionAdapter("reach"))
    with pytest.raises(ForearmError, match="has 2 axes"):
        Controller(Script(), arm, ToolActionAdapter("reach"), mode="manual")
    with pytest.raises(ForearmError, match="has 2 axes"):
        Controller.load("reach", robot=arm, check_goals=False)
    with pytest.raises(ForearmError, match=r"has 2 axes .*, but commands are for 3"):
        Controller(Script(), arm, Joints(3), mode="manual")
    check_fit(arm, Joints(2))


def test_another_unit_is_refused(tmp_path: Path) -> None:
    hinges = altered(tmp_path, ('name="right_finger" type="slide"', 'name="right_finger" type="hinge"'),
                     ('name="left_finger" type="slide"', 'name="left_finger" type="hinge"'))  # fmt: skip
    with pytest.raises(ForearmError, match="moves 'gripper' in rad, but commands for this axis are in m"):
        check_fit(panda(model=hinges), ToolActionAdapter("reach"))


@pytest.mark.parametrize(
    "change",
    [
        {"joints": ["joint2", "joint1", *(f"joint{i}" for i in range(3, 8))]},
        {"model": ('pos="0 0 0.333"', 'pos="0 0 0.433"')},
        {"model": ('pos="0 -0.316 0"', 'pos="0 -0.416 0"')},
        {"model": ('name="joint4" range', 'name="joint4" axis="0 0 -1" range')},
        {"model": ('name="tool" pos="0 0 0.1034"', 'name="tool" pos="0 0 0.1534"')},
    ],
)
def test_another_arm_with_as_many_joints_is_refused(change: Any, tmp_path: Path) -> None:
    if "model" in change:
        change = {"model": altered(tmp_path, change["model"])}
    with pytest.raises(ForearmError, match=r"its tool up to .* m from where commands take it to be"):
        check_fit(panda(**change), ToolActionAdapter("reach"))


def test_the_command_says_so_before_it_plans(tmp_path: Path, capsys: Any, monkeypatch: Any) -> None:
    from forearm.cli.main import main

    folder = tmp_path / "configs/robot"
    folder.mkdir(parents=True)
    own = config(tmp_path, model(), name="six")
    (folder / "six.yaml").write_text("# A robot.\n" + repr(own).replace("'", '"').replace("None", "null"))
    monkeypatch.setenv("FOREARM_CONFIGS", str(folder.parent))
    settings._composed.cache_clear()
    settings._options.cache_clear()
    try:
        out = tmp_path / "t.yaml"
        begun = ["plan", "task=reach", f"out={out}", "format=joint_trajectory"]
        assert main([*begun, "robot=six"]) == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1 and "robot 'six' has 2 axes" in said
        for words, why in (
            (["rate=0"], "rate must be above 0"),
            (["rate=.inf"], "rate must be"),
            (["rate=[1,2]"], "rate must be"),
            (["panda.rate=0"], "rate must be above 0"),
            (["panda.tool=tol"], "no site named 'tol'; did you mean 'tool'"),
            (["panda.model=/nowhere/arm.xml"], "no such file"),
            (["panda.joints=[joint1,joint2]"], "velocity needs 2 numbers"),
            (["panda.joints=[joint1,joint1,joint3,joint4,joint5,joint6,joint7]"], "name 'joint1' twice"),
            (["panda.gripper=[]"], "has 7 axes"),
        ):
            assert main([*begun, *words]) == 2, words
            said = capsys.readouterr().err
            assert why in said and said.count("\n") == 1 and "a defect" not in said, (words, said)
        assert not list(tmp_path.glob("t.*"))
    finally:
        settings._composed.cache_clear()
        settings._options.cache_clear()


def test_a_joint_without_end_that_counts_anew_is_where_it_was_told_to_be(tmp_path: Path) -> None:
    arm = robot(tmp_path, model(range=""))
    assert np.isinf(arm.limits.low[0]) and arm.limits.high[1] == 3.0
    assert arm.limits.apart(np.array([3.1, 1.0]), np.array([-3.1, -1.0])) == pytest.approx([2 * np.pi - 6.2, 2.0])
    source = Script(np.tile([3.4, 0.0], (8, 1)))
    control = Controller(source, arm, Joints(2), mode="inline", clock=time.monotonic)
    source.frame_shape = (8, 8, 3)
    control.reset("goal")
    position, statuses = np.array([2.9, 0.0]), []
    for beat in range(120):
        now = 0.01 * beat
        wrapped = np.array([(position[0] + np.pi) % (2 * np.pi) - np.pi, position[1]])
        seen = {"proprio": wrapped, "time": now} | ({"pixels": np.zeros((8, 8, 3), np.uint8)} if beat % 10 == 0 else {})
        command = control.act(seen, now)
        if command.positions is not None:
            position = command.positions
        statuses.append(command.status)
    assert Status.MOVING in statuses and Status.FAULT not in statuses
    assert position[0] > np.pi + 0.1


def test_a_range_makes_an_endless_joint_an_ordinary_one(tmp_path: Path) -> None:
    arm = robot(tmp_path, model(range=""), range={"a": [-6.28, 6.28]}, position_margin=0.08)
    assert arm.limits.low == pytest.approx([-6.2, -2.92]) and arm.limits.high == pytest.approx([6.2, 2.92])
    assert "joint" not in str(arm.check_pose(np.zeros(2))) and not arm.check_pose(np.array([6.25, 0.0])).ok
    for given, said in (
        ({"c": [-1, 1]}, "range names 'c', which is none of the joints"),
        ({"b": [-4, 4]}, "range.b is .*, but the model's joint only goes from -3 to 3"),
        ({"a": [1, -1]}, "low below high"),
        ({"a": 3}, "must be two numbers"),
        ({"a": [0, "x"]}, "range.a must be a number"),
        ([1], "range must be a mapping"),
    ):
        with pytest.raises(ForearmError, match=said):
            robot(tmp_path, model(range=""), range=given)


@pytest.mark.parametrize("how", ["stop", "moved", "held"])
def test_after_a_reset_a_joint_without_end_goes_on_from_its_own_turn(how: str, tmp_path: Path) -> None:
    arm = robot(tmp_path, model(range=""))
    control = Controller(Script(np.tile([9.0, 0.0], (8, 1))), arm, Joints(2), mode="inline", clock=lambda: 0.0)
    control.reset("goal")
    position, told, statuses = np.array([2.9, 0.0]), list[np.ndarray](), list[Status]()
    for beat in range(600):
        now = 0.01 * beat
        if beat == 250 and how == "stop":
            control.stop()
        if beat == (250 if how == "moved" else 300):
            control.reset("goal", moved=how == "moved")
        wrapped = np.array([(position[0] + np.pi) % (2 * np.pi) - np.pi, position[1]])
        seen = {"proprio": wrapped, "time": now} | ({"pixels": np.zeros((8, 8, 3), np.uint8)} if beat % 10 == 0 else {})
        command = control.act(seen, now)
        statuses.append(command.status)
        if command.positions is not None:
            told.append(command.positions)
            if how != "held" or not 250 <= beat < 300:
                position = command.positions
    assert position[0] == pytest.approx(9.0)  # as far as commands go, and more than a turn from what it then reads
    assert (Status.FAULT in statuses) == (how != "moved")
    apart = abs(np.diff(told, axis=0)).max()
    assert apart < (0.03 if how != "held" else 1.0)  # of a held arm, the command is led back to it
