from pathlib import Path
from typing import Any

import mujoco
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forearm.control.robots.collision import Geometry

from .robots import FINGERS, model, robot

WALL = '<geom name="wall" type="box" pos="0 .2 0" size=".3 .05 .3" {}/>'
EXCLUDE = '<exclude body1="{}" body2="world"/>'
FREE, INTO = np.array([0.0, 0.0]), np.array([1.2, 0.0])
CLOSED = FINGERS.format(left='range="0 .04"', right='range="0 .04"', axis=-1).replace(".02 0", ".004 0")
types = st.integers(0, 3)


def touches(path: Path, text: str, at: Any = INTO, **changes: Any) -> str:
    found = robot(path, text, **changes)
    return "" if found.check_pose(at).ok else str(found.check_pose(at).of("clearance"))


def test_a_wall_is_a_wall(tmp_path: Path) -> None:
    assert not touches(tmp_path, model(world=WALL.format("")), FREE)
    assert "hand and world" in touches(tmp_path, model(world=WALL.format("")))


@given(types, types, types, types)
@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_mujoco_lets_touch_is_what_stops_the_arm(wall: int, walls: int, link: int, links: int) -> None:
    """A link without any contact type is taken as it is drawn: what has one stops it."""
    one = f'contype="{link}" conaffinity="{links}"'
    text = model(world=WALL.format(f'contype="{wall}" conaffinity="{walls}"'), link=one)
    text = text.replace('<geom name="palm"', '<geom name="palm" contype="0" conaffinity="4"')  # has one, meets neither
    authors = mujoco.MjModel.from_xml_string(text)
    data = mujoco.MjData(authors)
    data.qpos[:2] = INTO
    mujoco.mj_forward(authors, data)
    meant = data.ncon > 0 if link or links else bool(wall or walls)
    geometry = Geometry(mujoco.MjSpec.from_string(text), ["a", "b"], [], "tool", 0.0, 0.0)
    assert geometry.check(np.zeros(1), INTO[None], np.full(3, -2.0), np.full(3, 2.0)).ok == (not meant)


def test_what_is_only_drawn_is_no_obstacle(tmp_path: Path) -> None:
    drawn = 'contype="0" conaffinity="0"'
    marker = f'<body mocap="true" name="goal" pos="0 .3 0"><geom type="box" size=".3 .05 .3" {drawn}/></body>'
    axes = f'<body name="axes"><geom type="box" size=".4 .4 .01" {drawn}/></body>'
    for text in (model(world=WALL.format(drawn)), model(world=marker), model(world=WALL.format(drawn), hand=axes)):
        assert not touches(tmp_path, text)
    assert "hand and world" in touches(tmp_path, model(world=WALL.format(""), hand=axes))


def test_where_nothing_has_a_contact_type_what_is_drawn_is_all_there_is(tmp_path: Path) -> None:
    text = model(world=WALL.format("")).replace(
        "<worldbody>", '<default><geom contype="0" conaffinity="0"/></default><worldbody>'
    )
    assert "hand and world" in touches(tmp_path, text)
    assert not touches(tmp_path, text, FREE)


def test_the_drawn_shape_of_a_link_may_be_a_body_fixed_to_it(tmp_path: Path) -> None:
    drawn = (
        '<body name="shell"><geom type="capsule" fromto="0 0 0 .2 0 0" size=".02" contype="0" conaffinity="0"/></body>'
    )
    text = model(world=WALL.format("").replace(".3 .05 .3", ".01 .01 .3").replace("0 .2 0", ".03 .1 0"))
    mass = '<inertial pos="0 0 0" mass="1" diaginertia="1 1 1"/>'
    bare = text.replace('<geom name="l1" type="capsule" fromto="0 0 0 .2 0 0" size=".02" />', mass)
    assert bare != text and not touches(tmp_path, bare)
    assert "shell and world" in touches(tmp_path, bare.replace('<body name="hand"', f'{drawn}<body name="hand"'))


@pytest.mark.parametrize(
    ("change", "stops"),
    [
        (
            {"rest": '<contact><exclude body1="hand" body2="world"/><exclude body1="l1" body2="world"/></contact>'},
            False,
        ),
        ({"rest": f"<contact>{EXCLUDE.format('l1')}</contact>"}, True),
        ({"options": '<option><flag contact="disable"/></option>'}, True),
        ({"options": '<option o_margin="-1"><flag override="enable"/></option>'}, True),
    ],
)
def test_excludes_count_and_switches_of_the_physics_do_not(tmp_path: Path, change: Any, stops: bool) -> None:
    assert bool(touches(tmp_path, model(world=WALL.format(""), **change))) == stops


def test_an_explicit_pair_counts_whatever_the_contact_types(tmp_path: Path) -> None:
    wall = WALL.format('contype="0" conaffinity="0"')
    pair = '<contact><pair geom1="wall" geom2="palm"/></contact>'
    assert "hand and world" in touches(tmp_path, model(world=wall, rest=pair))
    assert not touches(tmp_path, model(world=wall, rest=pair), ignore=[["hand", "world"]])


def test_margins_and_gaps_of_the_author_do_not_change_the_clearance(tmp_path: Path) -> None:
    near = np.array([0.35, 0.0])
    said = {
        touches(tmp_path, model(world=WALL.format(physics)), near, table_clearance=0.05)
        for physics in ("", 'margin="0.2"', 'margin="0.2" gap="0.2"')
    }
    assert len(said) == 1 and "below 0.05 m" in said.pop()
    assert not touches(tmp_path, model(world=WALL.format('margin="0.2"')), near)


def test_objects_are_no_obstacles_with_all_that_is_on_them(tmp_path: Path) -> None:
    cup = '<body name="cup" pos="0 .3 0"><freejoint/><geom type="box" size=".01 .01 .01"/>{}</body>'
    handle = '<body name="handle"><geom type="box" size=".3 .05 .3"/></body>'
    assert not touches(tmp_path, model(world=cup.format(handle)))
    lid = handle.replace("<geom", '<joint name="lid" axis="0 0 1"/><geom')
    assert not touches(tmp_path, model(world=cup.format(lid)))


def test_a_door_stands_where_the_keyframe_has_it(tmp_path: Path) -> None:
    door = """<body name="door" pos="-.3 .22 0"><joint name="hinge" axis="0 0 1" range="-2 2"/>
        <geom type="box" pos=".3 0 0" size=".3 .02 .3"/></body>"""
    keys = '<keyframe><key name="shut" qpos="0 0 0"/><key name="home" qpos="1.57 0 0"/></keyframe>'
    text = model(world=door, rest=keys)
    assert not touches(tmp_path, text)
    assert "door and hand" in touches(tmp_path, text, keyframe="shut")
    assert "door and hand" in touches(tmp_path, model(world=door, rest=keys.replace("home", "open")))  # then the first
    assert "door and hand" in touches(tmp_path, model(world=door))


def test_what_the_arm_does_not_move_is_none_of_its_business(tmp_path: Path) -> None:
    other = """<body name="other" pos="-1 0 0"><joint name="c" axis="0 0 1" range="-1 1"/><geom size=".1"/>
        <body name="beyond" pos=".05 0 0"><joint name="d" axis="0 0 1" range="-1 1"/><geom size=".001"/>
        <body name="last"><joint name="e" axis="0 0 1" range="-1 1"/><geom size=".1"/></body></body></body>"""
    assert not touches(tmp_path, model(world=other), FREE)
    assert not touches(tmp_path, model(hand=CLOSED), FREE)  # fingers that nobody commands, closed as they were built
    assert "rf and world" in touches(tmp_path, model(hand=CLOSED, world=WALL.format("")), np.array([0.75, 0.0]))


def test_parts_that_overlap_in_every_pose_were_built_so_others_were_not(tmp_path: Path) -> None:
    wrist = """<body name="wrist" pos="0 0 0"><joint name="c" axis="1 0 0" range="-2 2"/><geom size=".01"/>
        <body name="cuff"><joint name="d" axis="1 0 0" range="-2 2"/>
        <geom type="capsule" fromto="-.15 0 0 0 0 0" size=".03"/></body></body>"""
    found = robot(tmp_path, model(hand=wrist), joints=["a", "b", "c", "d"])
    names = {tuple(sorted(found.geometry.model.body(body).name for body in pair)) for pair in found.geometry.by_design}
    assert ("cuff", "l1") in names and found.check_pose(np.zeros(4)).ok
    folding = """<body name="elbow"><joint name="c" axis="0 0 1" range="-3 3"/>
        <geom type="capsule" fromto="0 0 0 .05 0 0" size=".005"/>
        <body name="tip" pos=".05 0 0"><joint name="d" axis="0 0 1" range="-3 3"/>
        <geom type="capsule" fromto="0 0 0 .2 0 0" size=".01"/></body></body>"""
    found = robot(tmp_path, model(hand=folding), joints=["a", "b", "c", "d"])
    assert not found.geometry.by_design
    assert found.check_pose(np.zeros(4)).ok
    assert "l1 and tip" in str(found.check_pose(np.array([0.0, 0.0, 0.0, 3.0])))


def test_robots_that_stand_on_drawn_links_as_the_built_in_arm_does(tmp_path: Path) -> None:
    drawn = 'contype="0" conaffinity="0"'
    base = f'<body name="base" pos="-.2 0 0"><geom type="box" size=".05 .05 .2" {drawn}/></body>'
    text = model(world="", link=drawn)
    stand = f'<body name="base"><geom type="box" pos="-.2 0 0" size=".05 .05 .2" {drawn}/>'
    inner = text.replace('<body name="l1">', f'{stand}<body name="l1">')
    inner = inner.replace("</worldbody>", "</body></worldbody>").replace('range="-2 2"', 'range="-4 4"')
    assert "base and hand" in touches(tmp_path, inner, np.array([3.1, 0.0]))
    assert not touches(tmp_path, model(world=base), np.array([1.9, 0.0]))


def test_ogbenchs_arm_and_gripper_are_free_at_home_and_stopped_by_a_wall() -> None:
    ogbench = pytest.importorskip("ogbench")
    folder = Path(ogbench.__file__).parent / "manipspace/descriptions"
    joints = [
        "shoulder_pan_joint",
        "shoulder_lift_joint",
        "elbow_joint",
        "wrist_1_joint",
        "wrist_2_joint",
        "wrist_3_joint",
    ]
    home = np.array([-1.57, -1.57, 1.57, -1.57, -1.57, 0.0])

    def build(wall: str) -> Geometry:
        spec = mujoco.MjSpec.from_file(str(folder / "universal_robots_ur5e/ur5e.xml"))
        hand = mujoco.MjSpec.from_file(str(folder / "robotiq_2f85/2f85.xml"))
        for key in list(spec.keys):
            key.delete() if hasattr(key, "delete") else spec.delete(key)  # the hand brings joints of its own
        wrist = next(body for body in spec.bodies if body.name == "wrist_3_link")
        frame = wrist.add_frame(pos=[0, 0.1, 0], quat=[-1, 1, 0, 0])
        frame.attach_body(hand.worldbody.first_body(), "g_", "")
        if wall:
            tool = geometry.tool(np.append(home, 0.0)[None])[0]
            box = spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_BOX, pos=tool, size=[0.02] * 3)
            if wall == "drawn":
                box.contype = box.conaffinity = 0
        return Geometry(spec, joints, ["g_right_driver_joint"], "g_pinch", 0.003, 0.003)

    box = np.full(3, -9.0), np.full(3, 9.0)
    geometry = build("")
    assert geometry.units[-1] == "rad"
    for opening in (0.0, 0.2, 0.4, 0.6, 0.8):
        report = geometry.check(np.zeros(1), np.append(home, opening)[None], *box)
        assert report.ok, f"{opening}: {report}"
    assert not build("solid").check(np.zeros(1), np.append(home, 0.8)[None], *box).ok
    assert build("drawn").check(np.zeros(1), np.append(home, 0.8)[None], *box).ok


def test_only_bodies_that_move_against_each_other_are_compared(robot: Any) -> None:
    model = robot.geometry.model
    names = {model.body(number).name: number for number in range(model.nbody)}
    least = robot.geometry._least

    def between(one: str, other: str) -> float:
        return float(least[names[one]][names[other]])

    assert between("hand", "link5") == between("link3", "hand") == 0.005
    assert between("world", "hand") == between("link0", "hand") == 0.005
    never = [
        ("hand", "link7"),
        ("world", "link0"),
        ("left_finger", "right_finger"),
        ("link5", "link7"),
        ("link1", "link2"),
    ]
    assert all(between(*pair) == -np.inf for pair in never)
