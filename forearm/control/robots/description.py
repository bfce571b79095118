"""A robot out of a file: its config in YAML, or an MJCF or URDF file alone, of which the rest is made up."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import mujoco

from forearm.control.robots.gripper import unit
from forearm.control.robots.model_file import model_spec
from forearm.control.robots.ties import SCALAR, groups_of
from forearm.control.robots.touching import named
from forearm.errors import ForearmError, did_you_mean, one_line
from forearm.settings import compose as settings
from forearm.settings.schema.checked import complete
from forearm.settings.schema.robot import RobotConfig

YAML = (".yaml", ".yml")
ANYWHERE = 1e6
"""m in which a model file alone says nothing about a workspace."""


def config_of(file: str, joints: Sequence[str] | None = None, tool: str | None = None) -> dict[str, Any]:
    """The config of a robot, as `Robot` takes it: of a YAML, whose `model` is relative to it, or of a name in
    configs/robot; of a model file with `joints` and `tool`, and with limits that are none.

    Raises `ForearmError` for a file that is not there, cannot be read or says too little.
    """
    path = Path(file).expanduser()
    if path.suffix in YAML:
        if joints is not None or tool is not None:
            raise ForearmError(f"{file} names its joints and tool itself: leave out joints= and tool=")
        return _of_yaml(path)
    if not path.is_file():
        if file in settings.options("robot"):
            return dict(settings.option("robot", file))
        known = did_you_mean(file, settings.options("robot"))
        raise ForearmError(f"file={file}: no such file; give a robot's YAML, an MJCF or a URDF file{known}")
    return _of_model(path, joints, tool)


def _of_yaml(path: Path) -> dict[str, Any]:
    from omegaconf import OmegaConf

    try:
        given: Any = OmegaConf.to_container(OmegaConf.load(path))
    except Exception as error:  # of YAML, of OmegaConf, of the disk: all of them say that it cannot be read
        raise ForearmError(f"file={path}: cannot be read ({one_line(error)})") from None
    if not isinstance(given, Mapping) or not all(isinstance(key, str) for key in given):
        raise ForearmError(f"file={path}: expected the settings of a robot, KEY: VALUE, as in configs/robot/panda.yaml")
    found = complete(RobotConfig, {"name": path.stem, **given}, f"file={path}")
    if found["model"] is not None:
        found["model"] = str(path.parent / Path(str(found["model"])).expanduser())
    return found


def _of_model(path: Path, joints: Sequence[str] | None, tool: str | None) -> dict[str, Any]:
    try:
        model = named(model_spec(str(path)))
    except (ValueError, mujoco.FatalError) as error:
        raise ForearmError(f"file={path}: {one_line(error)}") from None
    chosen = list(joints) if joints is not None else _free_joints(model)
    if not chosen:
        raise ForearmError(f"file={path}: has no hinge or slide joint, so it is no arm")
    each = [1.0] * len(chosen)
    return {
        "name": path.stem, "model": str(path), "joints": chosen, "gripper": [], "tool": tool or _tool(model),
        "rate": 100.0, "position_margin": 0.0, "velocity": each, "acceleration": each, "jerk": each,
        "shares": dict.fromkeys(("velocity", "acceleration", "jerk"), 1.0), "gripper_velocity": 1.0,
        "gripper_acceleration": 1.0, "gripper_jerk": 1.0, "table_clearance": 0.0, "self_clearance": 0.0,
        "workspace": {"low": [-ANYWHERE] * 3, "high": [ANYWHERE] * 3},
    }  # fmt: skip


def _free_joints(model: Any) -> list[str]:
    """Hinges and slides that no equality constraint ties to an earlier one."""
    single = [joint for joint in range(model.njnt) if model.jnt_type[joint] in SCALAR]
    taken: list[int] = []
    for joint in single:
        followers = {one for those, drivers in groups_of(model, set(taken)) for one in those if drivers}
        if joint not in followers:
            taken.append(joint)
    return [model.joint(joint).name for joint in taken if unit(model, joint)]


def _tool(model: Any) -> str:
    """The only site, or the last link that nothing hangs on."""
    sites = [model.site(number).name for number in range(model.nsite)]
    if len(sites) == 1 and sites[0]:
        return str(sites[0])
    parents = set(model.body_parentid[1:].tolist())
    return str(model.body(max(number for number in range(model.nbody) if number not in parents)).name)
