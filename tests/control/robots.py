"""Small robots for tests: an arm of two joints with whatever hand and surroundings, and a config for it."""

from pathlib import Path
from typing import Any

from forearm.control.robots.robot import Robot

ARM = """<mujoco><compiler angle="radian" autolimits="true"/>{options}<worldbody>{world}
  <body name="l1"><joint name="a" axis="0 0 1" {range}/>
    <geom name="l1" type="capsule" fromto="0 0 0 .2 0 0" size=".02" {link}/>
    <body name="hand" pos=".26 0 0"><joint name="b" axis="1 0 0" range="-3 3"/>
      <geom name="palm" type="box" size=".01 .05 .02"/><site name="tool" pos=".1 0 0"/>{hand}</body></body>
</worldbody>{rest}</mujoco>"""
"""l1 turns about z in the plane of the table; the hand turns about its own axis."""

FINGERS = """<body name="lf" pos=".05 .02 0"><joint name="left" type="slide" axis="0 1 0" {left}/>
    <geom type="box" size=".03 .005 .01"/></body>
  <body name="rf" pos=".05 -.02 0"><joint name="right" type="slide" axis="0 {axis} 0" {right}/>
    <geom type="box" size=".03 .005 .01"/></body>"""


def model(hand: str = "", world: str = "", rest: str = "", options: str = "", link: str = "", **more: str) -> str:
    """MJCF of the arm."""
    ranged = more.get("range", 'range="-2 2"')
    return ARM.format(hand=hand, world=world, rest=rest, options=options, link=link, range=ranged)


def config(path: Path, text: str, **changes: Any) -> dict[str, Any]:
    """A config of the arm, its model written into the folder `path`."""
    file = path / "model.xml"
    file.write_text(text)
    joints = changes.get("joints", ["a", "b"])
    return {
        "name": "small", "model": str(file), "joints": joints, "gripper": [], "tool": "tool", "rate": 100.0,
        "position_margin": 0.0, "velocity": [2.0] * len(joints), "acceleration": [10.0] * len(joints),
        "jerk": [1000.0] * len(joints), "shares": {"velocity": 0.9, "acceleration": 0.9, "jerk": 0.9},
        "workspace": {"low": [-2] * 3, "high": [2] * 3}, "table_clearance": 0.0, "self_clearance": 0.0,
        "gripper_velocity": 1.0, "gripper_acceleration": 5.0, "gripper_jerk": 100.0,
    } | changes  # fmt: skip


def robot(path: Path, text: str, **changes: Any) -> Robot:
    """The arm."""
    return Robot(config(path, text, **changes))
