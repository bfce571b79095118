import copy
from pathlib import Path

import numpy as np
import pytest

from forearm.control.robots.robot import Robot, load_robot
from forearm.control.trajectories.trajectory import Trajectory
from forearm.envs.arm import kinematics
from forearm.errors import ForearmError
from forearm.settings import compose as settings

from .conftest import START


def config(**changes: object) -> dict:
    found = copy.deepcopy(settings.load("plan", ["robot=panda"]).one("robot"))
    return {**found, **changes}


def test_limits_come_from_the_model_and_the_config(robot: Robot) -> None:
    assert list(robot.axis_names) == [f"joint{i}" for i in range(1, 8)] + ["gripper"]
    assert np.allclose(robot.limits.low[:7], kinematics.POSITION_LOW + 0.05)
    assert np.allclose(robot.limits.high, [*(kinematics.POSITION_HIGH - 0.05), 0.04])
    assert np.allclose(robot.limits.velocity[:7], 0.9 * kinematics.VELOCITY_LIMIT)
    assert np.allclose(robot.limits.acceleration[:7], 0.9 * np.array([15.0, 7.5, 10.0, 12.5, 15.0, 20.0, 20.0]))
    assert np.allclose(robot.limits.jerk[:7], 0.1 * np.array([7500, 3750, 5000, 6250, 7500, 10000, 10000]))


def test_where_every_task_takes_the_arm_it_is_within_its_limits(robot: Robot) -> None:
    from forearm import envs

    rng = np.random.default_rng(0)
    for task in envs.TASKS.values():
        for _ in range(40):
            tool = rng.uniform(task.low, task.high)
            joints = kinematics.inverse(tool, kinematics.HOME, iterations=40)
            report = robot.check_pose(np.append(joints, 0.02))
            assert report.ok, f"{task.name} at {tool}: {report}"
            assert np.allclose(robot.geometry.tool(np.append(joints, 0.0)[None])[0], tool, atol=1e-3)


def test_the_arm_in_the_table_and_outside_its_box_is_said(robot: Robot) -> None:
    low = START.copy()
    low[1] += 0.35
    said = str(robot.check_pose(low))
    assert "tool z: workspace" in said and "left_finger and world: clearance" in said


def test_the_arm_in_itself_is_said(robot: Robot) -> None:
    folded = np.array([-0.78, -0.28, 0.24, -2.69, -0.53, 0.04, 1.39, 0.0])
    report = robot.check_space(Trajectory.resting(folded, 0.0, 0.01))
    assert "hand and link5: clearance" in str(report)


def test_a_way_through_the_table_is_found_between_two_good_ends(robot: Robot) -> None:
    above = np.append(kinematics.inverse([0.40, 0.0, 0.03], kinematics.HOME, iterations=40), 0.0)
    beyond = np.append(kinematics.inverse([0.68, 0.0, 0.03], kinematics.HOME, iterations=40), 0.0)
    assert robot.check_pose(above).ok and robot.check_pose(beyond).ok
    middle = (above + beyond) / 2
    middle[1] += 0.12
    from forearm.control.trajectories.spline import spline

    points = np.concatenate([[above] * 3, [middle], [beyond] * 3])
    report = robot.check_space(spline(points, 0.0, 1.0))
    assert not report.of("clearance").ok and 1.0 < report.first < 4.0


def test_objects_are_no_obstacles() -> None:
    import mujoco

    from forearm.control.robots.collision import Geometry
    from forearm.envs.arm.joints import build_model
    from forearm.envs.arm.tasks import TASKS

    assert build_model(TASKS["push"]).body("object").id > 0
    text = (Path(__file__).parents[2] / "envs/arm/assets/arm.xml").read_text(encoding="utf-8")
    xml = text.replace("<!--OBJECTS-->", TASKS["push"].objects_xml())
    names = [f"joint{i}" for i in range(1, 8)]
    fingers = ["left_finger", "right_finger"]
    spec = mujoco.MjSpec.from_string(xml)
    geometry = Geometry(spec, names, fingers, "tool", 0.005, 0.005, [("link5", "link7")])
    in_the_puck = np.append(kinematics.inverse([0.5, 0.0, 0.02], kinematics.HOME, iterations=40), 0.0)
    assert geometry.check(np.zeros(1), in_the_puck[None], np.full(3, -1.0), np.full(3, 1.0)).ok


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"joints": ["joint1", "elbow"]}, "no joint named 'elbow'"),
        ({"tool": "nose"}, "no site named 'nose'"),
        ({"ignore": [["link5", "tail"]]}, "no body named 'tail'"),
        ({"velocity": [1.0]}, "velocity needs 7 numbers"),
        ({"position_margin": 3.0}, "nothing is left"),
        ({"shares": {"velocity": 1.5, "acceleration": 1, "jerk": 1}}, "shares.velocity"),
        ({"rate": 0.0}, "rate must be above 0"),
        ({"workspace": {"low": [0, 0, 0], "high": [1, 1, 0]}}, "low below high"),
        ({"model": "/nowhere/arm.xml"}, "no such file"),
        ({"position_margin": -0.1}, "position_margin must be at least 0"),
        ({"table_clearance": -0.01}, "table_clearance must be at least 0"),
        ({"self_clearance": float("nan")}, "self_clearance must be at least 0"),
        ({"workspace": {"low": [0, 0, 0]}}, "'high'"),
        ({"workspace": {"low": [0, 0, 0], "high": [1, float("nan"), 1]}}, "low below high"),
        ({"rate": "often"}, "often"),
    ],
)
def test_a_config_that_does_not_fit_is_refused_in_a_line(changes: dict, said: str) -> None:
    with pytest.raises(ForearmError, match=said) as caught:
        Robot(config(**changes))
    assert "\n" not in str(caught.value)


def test_a_config_without_a_part_is_refused_in_a_line() -> None:
    for name in ("rate", "workspace", "joints", "jerk", "gripper_jerk", "shares"):
        less = config()
        del less[name]
        with pytest.raises(ForearmError, match=f"'{name}'") as caught:
            Robot(less)
        assert "\n" not in str(caught.value)


def test_fingers_open_only_as_far_as_each_of_them_can(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "envs/arm/assets/arm.xml").read_text(encoding="utf-8")
    assert text.count(' range="0 0.04"') == 2
    before, _, after = text.rpartition(' range="0 0.04"')
    (tmp_path / "arm.xml").write_text(before + ' range="0.01 0.03"' + after)
    limits = Robot(config(model=str(tmp_path / "arm.xml"))).limits
    assert (limits.low[-1], limits.high[-1]) == (0.01, 0.03)


def test_a_model_of_ones_own(tmp_path: Path) -> None:
    text = """<mujoco><compiler angle="radian"/><worldbody><geom name="floor" type="plane" size="1 1 1"/>
      <body pos="0 0 0.3"><joint name="turn" axis="0 1 0" range="-2 2" limited="true"/>
        <geom type="capsule" size="0.02" fromto="0 0 0 0.4 0 0"/><site name="tip" pos="0.4 0 0"/></body>
      </worldbody></mujoco>"""
    (tmp_path / "one.xml").write_text(text)
    one = Robot(
        config(
            name="one", model=str(tmp_path / "one.xml"), joints=["turn"], gripper=[], tool="tip", velocity=[1.0],
            acceleration=[5.0], jerk=[100.0], ignore=[], workspace={"low": [-1, -1, -1], "high": [1, 1, 1]},
        )
    )  # fmt: skip
    assert one.axes == 1 and one.check_pose(np.zeros(1)).ok
    assert "world" in str(one.check_pose(np.array([1.0])).of("clearance"))


def test_an_unknown_robot_and_a_broken_model_are_a_users_errors(tmp_path: Path) -> None:
    with pytest.raises(ForearmError, match="unknown robot"):
        load_robot("pandas_")
    (tmp_path / "arm.xml").write_text("<mujoco><nonsense/></mujoco>")
    with pytest.raises(ForearmError, match="model="):
        Robot(config(model=str(tmp_path / "arm.xml")))
