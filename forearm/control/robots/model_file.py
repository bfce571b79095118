"""The file that describes an arm and what stands around it: MJCF, or URDF."""

import importlib.resources
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import mujoco

from forearm.errors import ForearmError, one_line


def model_spec(model: str | None) -> mujoco.MjSpec:
    """MuJoCo's description of an MJCF or URDF file, or of the built-in arm.

    Joints of a URDF that mimic others do so by equality constraints: MuJoCo up to 3.12 leaves `<mimic>` out.
    Raises `ForearmError` if the file cannot be read.
    """
    if model is None:
        text = importlib.resources.files("forearm.envs.arm").joinpath("assets/arm.xml").read_text(encoding="utf-8")
        return mujoco.MjSpec.from_string(text)
    path = Path(model).expanduser()
    if not path.is_file():
        raise ForearmError(f"model={model}: no such file; give the MJCF or URDF file of the arm")
    try:
        spec = mujoco.MjSpec.from_file(str(path))
        root = ElementTree.parse(path).getroot()
        if root.tag == "robot":
            _mimic(spec, root)
        else:
            spec.compiler.discardvisual = False  # a link that is only drawn has no other shape
    except (ValueError, ElementTree.ParseError, mujoco.FatalError) as error:
        raise ForearmError(f"model={model}: {one_line(error)}") from None
    return spec


def _mimic(spec: mujoco.MjSpec, root: ElementTree.Element) -> None:
    """Tie every joint of a URDF that mimics another to it."""
    tied = {(equality.name1, equality.name2) for equality in spec.equalities}
    for joint in root.iter("joint"):
        mimic = joint.find("mimic")
        names = (joint.get("name", ""), "" if mimic is None else mimic.get("joint", ""))
        if mimic is None or names in tied:
            continue
        equality = spec.add_equality()
        equality.type = mujoco.mjtEq.mjEQ_JOINT
        equality.objtype = mujoco.mjtObj.mjOBJ_JOINT
        equality.name1, equality.name2 = names
        equality.data[:] = 0.0
        equality.data[:2] = float(mimic.get("offset", 0.0)), float(mimic.get("multiplier", 1.0))
