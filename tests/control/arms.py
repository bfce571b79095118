"""Two arms that others could have: six joints with a gripper, like a UR5e, and eight joints on a rail without one."""

from pathlib import Path
from typing import Any

from forearm.control.robots.robot import Robot

SIX = """<mujoco model="six"><compiler angle="radian"/><worldbody>
  <geom name="table" type="box" pos=".4 0 -.02" size=".6 .6 .02"/>
  <body name="turret" pos="0 0 .16"><joint name="pan" axis="0 0 1" range="-6.28 6.28"/>
    <geom type="capsule" fromto="0 0 -.1 0 0 .03" size=".05"/>
    <body name="upper" pos="0 .13 0"><joint name="lift" axis="0 1 0" range="-6.28 6.28"/>
      <geom type="capsule" fromto="0 0 0 0 0 .4" size=".045"/>
      <body name="lower" pos="0 -.12 .425"><joint name="elbow" axis="0 1 0" range="-3.14 3.14"/>
        <geom type="capsule" fromto="0 0 0 0 0 .36" size=".04"/>
        <body name="w1" pos="0 .02 .392"><joint name="wrist1" axis="0 1 0" range="-6.28 6.28"/>
          <geom type="capsule" fromto="0 0 0 0 .09 0" size=".035"/>
          <body name="w2" pos="0 .11 0"><joint name="wrist2" axis="0 0 1" range="-6.28 6.28"/>
            <geom type="capsule" fromto="0 0 0 0 0 .07" size=".033"/>
            <body name="w3" pos="0 0 .095"><joint name="wrist3" axis="0 1 0" range="-6.28 6.28"/>
              <geom type="capsule" fromto="0 0 0 0 .05 0" size=".03"/>
              <body name="hand" pos="0 .07 0"><geom type="box" pos="0 .02 0" size=".03 .02 .02"/>
                <site name="tcp" pos="0 .1 0"/>
                <body name="left" pos=".01 .06 0"><joint name="left" type="slide" axis="1 0 0" range="0 .04"/>
                  <geom type="box" size=".006 .03 .01"/></body>
                <body name="right" pos="-.01 .06 0"><joint name="right" type="slide" axis="-1 0 0" range="0 .04"/>
                  <geom type="box" size=".006 .03 .01"/></body>
  </body></body></body></body></body></body></body></worldbody></mujoco>"""
SIX_JOINTS = ["pan", "lift", "elbow", "wrist1", "wrist2", "wrist3"]
SIX_HOME = [0.0, -0.4, 1.6, -1.2, 0.0, 0.0, 0.02]


def _links(count: int) -> str:
    """A chain of links that turn about y and z in turns."""
    text = ""
    for number in range(count, 0, -1):
        axis = "0 1 0" if number % 2 else "0 0 1"
        inner = text or '<site name="tip" pos="0 0 .12"/>'
        text = (
            f'<body name="l{number}" pos="0 0 .12"><joint name="j{number}" axis="{axis}" range="-2 2"/>'
            f'<geom type="capsule" fromto="0 0 .01 0 0 .1" size=".02"/>{inner}</body>'
        )
    return text


EIGHT = f"""<mujoco model="eight"><compiler angle="radian"/><worldbody>
  <body name="cart"><joint name="rail" type="slide" axis="1 0 0" range="-.5 .5"/>
    <geom type="box" size=".05 .05 .03"/>{_links(7)}</body></worldbody></mujoco>"""
EIGHT_JOINTS = ["rail", *(f"j{number}" for number in range(1, 8))]
EIGHT_HOME = [0.0, 0.6, 0.3, 0.6, -0.2, 0.5, 0.1, 0.4]
ARMS: dict[str, tuple[str, list[str], list[str], str, list[float]]] = {
    "six": (SIX, SIX_JOINTS, ["left", "right"], "tcp", SIX_HOME),
    "eight": (EIGHT, EIGHT_JOINTS, [], "tip", EIGHT_HOME),
}
"""Model, joints, fingers, tool and a pose of each."""


def config_of(path: Path, name: str) -> dict[str, Any]:
    """The config of one of them, whose model is written into the folder `path`."""
    text, joints, gripper, tool, _ = ARMS[name]
    file = path / f"{name}.xml"
    file.write_text(text, encoding="utf-8")
    count = len(joints)
    return {
        "name": name, "model": str(file), "joints": joints, "gripper": gripper, "tool": tool, "rate": 125.0,
        "position_margin": 0.05, "velocity": [2.0] * count, "acceleration": [10.0] * count, "jerk": [1000.0] * count,
        "shares": {"velocity": 0.9, "acceleration": 0.9, "jerk": 0.9},
        "workspace": {"low": [-1.5] * 3, "high": [1.5] * 3}, "table_clearance": 0.005, "self_clearance": 0.0,
        "gripper_velocity": 0.2, "gripper_acceleration": 2.0, "gripper_jerk": 100.0,
    }  # fmt: skip


def six(path: Path, **changes: Any) -> Robot:
    """Six joints and a gripper: seven axes."""
    return Robot(config_of(path, "six") | changes)


def eight(path: Path, **changes: Any) -> Robot:
    """A rail, in m, and seven joints."""
    return Robot(config_of(path, "eight") | changes)
