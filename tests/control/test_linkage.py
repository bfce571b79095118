from pathlib import Path
from typing import Any

import mujoco
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forearm.control.robots.linkage import Linkage
from forearm.control.robots.robot import Robot
from forearm.errors import ForearmError

from .robots import FINGERS, config, model, robot

LINKAGE = """<body name="driver" pos=".02 .03 0"><joint name="drive" axis="0 0 1" range="0 0.8"/>
  <geom type="box" size=".015 .004 .01" pos=".02 0 0"/>
  <body name="coupler" pos=".04 0 0"><joint name="couple" axis="0 0 1" range="-1 0"/>
    <geom type="box" size=".02 .004 .01" pos=".025 0 0"/></body></body>
  <body name="thumb" pos=".02 .058 0"><geom type="box" size=".03 .004 .01" pos=".045 0 0"/></body>"""
MIMIC = '<equality><joint joint1="couple" joint2="drive" polycoef="0 -1 0 0 0" {}/></equality>'
FOUR_BAR = """<mujoco><compiler angle="radian" autolimits="true"/><worldbody>
  <body name="crank"><joint name="crank" axis="0 0 1"/><geom type="capsule" fromto="0 0 0 .1 0 0" size=".01"/>
    <body name="rod" pos=".1 0 0"><joint name="rod" axis="0 0 1"/>
      <geom type="capsule" fromto="0 0 0 0 .3 0" size=".01"/></body></body>
  <body name="rocker" pos=".3 0 0"><joint name="rocker" axis="0 0 1"/>
    <geom type="capsule" fromto="0 0 0 -.2 .3 0" size=".01"/></body>
  </worldbody><equality><connect body1="rod" body2="rocker" anchor="0 .3 0"/></equality></mujoco>"""


def fingers(left: str, right: str, axis: int = 1) -> str:
    return model(hand=FINGERS.format(left=left, right=right, axis=axis))


def opened(found: Robot, opening: float) -> dict[str, float]:
    """Positions of the joints at an opening of the gripper."""
    geometry = found.geometry
    data = geometry._place(geometry._walk(), np.append(np.zeros(len(found.joints)), opening))
    return {
        geometry.model.joint(i).name: float(data.qpos[geometry.model.jnt_qposadr[i]])
        for i in range(geometry.model.njnt)
    }


@pytest.mark.parametrize(
    ("left", "right", "axis", "way", "low", "high"),
    [
        ("0.02 0.057", "-0.057 -0.02", 1, -1, 0.02, 0.057),  # ViperX
        ("-0.0115 0.0208", "-0.0208 0.0115", 1, -1, -0.0115, 0.0208),  # Rethink
        ("0 0.04", "-0.04 0", 1, -1, 0, 0.04),
        ("0 0.04", "0 0.04", -1, 1, 0, 0.04),
        ("0 0.04", "0.01 0.03", -1, 1, 0.01, 0.03),
        ("0.01 0.03", "-0.04 0", 1, -1, 0.01, 0.03),
        ("-0.02 0.02", "-0.02 0.02", 1, -1, -0.02, 0.02),  # the ranges do not tell, the axes do
        ("-0.02 0.02", "-0.02 0.02", -1, 1, -0.02, 0.02),
    ],
)
def test_fingers_open_together_whatever_the_signs(
    left: str, right: str, axis: int, way: int, low: float, high: float, tmp_path: Path
) -> None:
    found = robot(tmp_path, fingers(f'range="{left}"', f'range="{right}"', axis), gripper=["left", "right"])
    assert found.limits.units[-1] == "m"
    assert (found.limits.low[-1], found.limits.high[-1]) == pytest.approx((low, high))
    at = opened(found, 0.015)
    assert (at["left"], at["right"]) == pytest.approx((0.015, way * 0.015))


def test_a_config_may_say_how_far_each_finger_moves(tmp_path: Path) -> None:
    text = fingers('range="0 0.04"', 'range="0 0.04"')
    found = robot(tmp_path, text, gripper={"left": 1.0, "right": 0.5})
    assert opened(found, 0.03)["right"] == pytest.approx(0.015)
    with pytest.raises(ForearmError, match="factors"):
        robot(tmp_path, text, gripper={"left": 1.0, "right": 0.0})


def test_an_equality_between_fingers_counts_for_more_than_their_ranges(tmp_path: Path) -> None:
    for one, other in (("left", "right"), ("right", "left")):
        tie = f'<equality><joint joint1="{one}" joint2="{other}" polycoef="0 -1 0 0 0"/></equality>'
        text = fingers('range="-0.02 0.04"', 'range="-0.03 0.04"').replace("</mujoco>", tie + "</mujoco>")
        for gripper in (["left", "right"], ["left"]):
            found = robot(tmp_path, text, gripper=gripper)
            assert opened(found, 0.01)["right"] == pytest.approx(-0.01, abs=1e-9)
        found = robot(tmp_path, text, gripper=["left", "right"])
        assert found.limits.high[-1] == pytest.approx(0.03, abs=2e-3)  # where the right one's range ends


def test_hinges_are_in_rad_and_slides_in_m_and_nothing_else_is_an_axis(tmp_path: Path) -> None:
    found = robot(tmp_path, model(hand=LINKAGE), gripper=["drive"])
    assert found.limits.units == ("rad", "rad", "rad")
    slide = model().replace('<joint name="a" axis="0 0 1"', '<joint name="a" type="slide" axis="0 0 1"')
    assert robot(tmp_path, slide).limits.units == ("m", "rad")
    ball = model().replace('<joint name="a" axis="0 0 1" range="-2 2"', '<joint name="a" type="ball"')
    with pytest.raises(ForearmError, match="'a' is a ball joint; an axis is a hinge or slide"):
        robot(tmp_path, ball)
    mixed = model(hand=FINGERS.format(left='range="0 0.04"', right='range="0 1"', axis=1).replace(
        'name="right" type="slide"', 'name="right" type="hinge"'))  # fmt: skip
    with pytest.raises(ForearmError, match="some of left, right turn and some slide"):
        robot(tmp_path, mixed, gripper=["left", "right"])


def test_what_follows_the_gripper_is_where_it_follows_it_to(tmp_path: Path) -> None:
    follows = robot(tmp_path, model(hand=LINKAGE, rest=MIMIC.format("")), gripper=["drive"])
    for opening in (0.0, 0.3, 0.5, 0.8):
        assert opened(follows, opening)["couple"] == pytest.approx(-opening, abs=1e-9)
    assert follows.check_pose(np.array([0.0, 0.0, 0.5])).ok
    off = robot(tmp_path, model(hand=LINKAGE, rest=MIMIC.format('active="false"')), gripper=["drive"])
    assert "coupler and thumb" in str(off.check_pose(np.array([0.0, 0.0, 0.5])))


@given(
    st.lists(st.floats(-0.5, 0.5), min_size=4, max_size=4),
    st.sampled_from([-1.0, 1.0]),
    st.floats(-0.8, 0.8),
)
@settings(deadline=None, max_examples=15)
def test_a_polynomial_is_followed(terms: list[float], slope: float, drive: float) -> None:
    coefficients = [terms[0], slope + terms[1], 0.2 * terms[2], 0.1 * terms[3], 0.0]
    tie = MIMIC.format("").replace("0 -1 0 0 0", " ".join(f"{c:.9f}" for c in coefficients))
    compiled = mujoco.MjModel.from_xml_string(model(hand=LINKAGE.replace('range="-1 0"', ""), rest=tie))
    names = [compiled.joint(i).name for i in range(compiled.njnt)]
    linkage = Linkage(compiled, [names.index("a"), names.index("b"), names.index("drive")], None)
    walk = linkage.walk(mujoco.MjData(compiled))
    walk.place(np.array([0.0, 0.0, drive]))
    wanted = sum(c * drive**k for k, c in enumerate(coefficients))
    assert walk.data.qpos[names.index("couple")] == pytest.approx(wanted, abs=2e-4)


@given(st.lists(st.floats(-1.5, 1.5), min_size=1, max_size=6))
@settings(deadline=None, max_examples=15)
def test_a_loop_stays_closed_and_does_not_depend_on_the_way(cranks: list[float]) -> None:
    compiled = mujoco.MjModel.from_xml_string(FOUR_BAR)
    linkage = Linkage(compiled, [0], None)
    walk = linkage.walk(mujoco.MjData(compiled))
    for crank in cranks:
        walk.place(np.array([crank]))
        mujoco.mj_kinematics(compiled, walk.data)
        ends = []
        for name, at in (("rod", (0.0, 0.3, 0.0)), ("rocker", (-0.2, 0.3, 0.0))):
            body = walk.data.body(name)
            ends.append(body.xpos + body.xmat.reshape(3, 3) @ np.array(at))
        assert np.linalg.norm(ends[0] - ends[1]) < 2e-4
    direct = Linkage(compiled, [0], None).walk(mujoco.MjData(compiled))
    direct.place(np.array([cranks[-1]]))
    assert np.array_equal(direct.data.qpos, walk.data.qpos)


def test_arms_with_loops_of_their_own_are_followed_along_a_path() -> None:
    """A parallelogram that hears of two joints: found from the pose before, and at home again after."""
    yaw = '<worldbody><body name="yaw"><joint name="yaw" axis="1 0 0"/><geom size=".01"/></body>'
    text = FOUR_BAR.replace("<worldbody>", yaw)
    text = text.replace("</equality>", '<joint joint1="yaw" joint2="crank" polycoef="0 0.5 0 0 0"/></equality>')
    compiled = mujoco.MjModel.from_xml_string(text)
    names = [compiled.joint(i).name for i in range(compiled.njnt)]
    linkage = Linkage(compiled, [names.index("crank"), names.index("rocker")], None)
    assert set(linkage.drivers) == {names.index("rod"), names.index("yaw")}
    walk = linkage.walk(mujoco.MjData(compiled))
    walk.place(np.array([0.4, 0.0]))
    assert walk.data.qpos[names.index("yaw")] == pytest.approx(0.2, abs=1e-6)
    walk.place(np.array([0.0, 0.0]))
    assert walk.data.qpos == pytest.approx(linkage.home, abs=1e-6)


def test_a_keyframe_that_breaks_its_own_constraint_is_mended(
    tmp_path: Path,
) -> None:
    keys = '<keyframe><key name="home" qpos="0.1 0.2 0.4 0.0"/></keyframe>'
    found = robot(tmp_path, model(hand=LINKAGE, rest=MIMIC.format("") + keys), gripper=["drive"])
    assert found.geometry.home == pytest.approx([0.1, 0.2, 0.4])
    assert found.geometry._linkage.home[3] == pytest.approx(-0.4, abs=1e-9)


def test_a_body_of_motion_capture_pulls_nothing(tmp_path: Path) -> None:
    hold = '<equality><weld body1="pull" body2="hand"/></equality>'
    passive = '<body name="p0"><joint name="passive" axis="0 1 0" range="-1 1"/><geom size=".001"/>'
    text = model(world='<body mocap="true" name="pull" pos="0 0 1"/>', rest=hold)
    text = text.replace('<body name="l1">', passive + '<body name="l1">').replace(
        "</body></body>\n", "</body></body></body>\n"
    )
    found = robot(tmp_path, text)
    assert not found.geometry._linkage.drivers and not found.geometry._linkage.home.any()


def test_an_unknown_keyframe_is_refused(tmp_path: Path) -> None:
    keys = '<keyframe><key name="home" qpos="0 0"/></keyframe>'
    with pytest.raises(ForearmError, match="no keyframe named 'hme'; did you mean 'home'"):
        robot(tmp_path, model(rest=keys), keyframe="hme")


def test_a_urdf_and_its_mimics(tmp_path: Path) -> None:
    inertial = """<inertial><mass value="1"/><inertia ixx="1" iyy="1" izz="1" ixy="0" ixz="0" iyz="0"/></inertial>"""
    link = '<link name="{}">' + inertial + '<collision><geometry><box size="{}"/></geometry></collision></link>'
    finger = """<joint name="{0}j" type="prismatic"><parent link="arm"/><child link="{0}"/><origin xyz="0.2 {1} 0"/>
      <axis xyz="0 1 0"/><limit lower="{2}" upper="{3}" effort="1" velocity="1"/>{4}</joint>"""
    mimic = '<mimic joint="lj" multiplier="-1" offset="-0.005"/>'
    text = f"""<robot name="r">{link.format("base", "0.02 0.02 0.02")}{link.format("arm", "0.1 0.02 0.02")}
      {link.format("l", "0.06 0.01 0.02")}{link.format("r", "0.06 0.01 0.02")}<link name="tcp"/>
      <joint name="a" type="continuous"><parent link="base"/><child link="arm"/><axis xyz="0 0 1"/></joint>
      {finger.format("l", 0.01, 0, 0.04, "")}{finger.format("r", -0.01, -0.05, 0, mimic)}
      <joint name="t" type="fixed"><parent link="arm"/><child link="tcp"/><origin xyz="0.25 0 0"/></joint></robot>"""
    (tmp_path / "arm.urdf").write_text(text)
    changes: dict[str, Any] = {"model": str(tmp_path / "arm.urdf"), "joints": ["a"], "gripper": ["lj"], "tool": "tcp"}
    found = Robot(config(tmp_path, "", **changes))
    assert np.isinf(found.limits.low[0]) and found.limits.high[-1] == 0.04
    assert opened(found, 0.02)["rj"] == pytest.approx(-0.025, abs=1e-9)
    assert found.geometry.tool(np.array([[np.pi / 2, 0.0]]))[0] == pytest.approx([0, 0.25, 0])


def test_springs_hold_what_constraints_leave_open_as_a_simulation_has_it() -> None:
    ogbench = pytest.importorskip("ogbench")
    path = Path(ogbench.__file__).parent / "manipspace/descriptions/robotiq_2f85/2f85.xml"
    compiled = mujoco.MjModel.from_xml_path(str(path))
    compiled.opt.gravity[:] = 0.0
    names = [compiled.joint(i).name for i in range(compiled.njnt)]
    drive = names.index("right_driver_joint")
    simulated = []
    for control in (60.0, 130.0):
        data = mujoco.MjData(compiled)
        data.ctrl[:] = control
        mujoco.mj_step(compiled, data, 1500)
        simulated.append(data.qpos.copy())
    walk = Linkage(compiled, [drive], None).walk(mujoco.MjData(compiled))
    for pose in simulated:
        assert 0.1 < pose[drive] < 0.7
        walk.place(pose[[drive]])
        assert abs(walk.data.qpos - pose).max() < 0.03, dict(
            zip(names, np.round(walk.data.qpos - pose, 3), strict=True)
        )
