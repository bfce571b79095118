"""`forearm robot check`: joints, limits and units of a robot, what touches at home, and a drawing of it."""

import copy
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from forearm.cli.columns import keys
from forearm.common.addresses import told
from forearm.common.files import replacing
from forearm.control.robots.description import YAML, config_of
from forearm.control.robots.robot import Robot
from forearm.errors import ForearmError
from forearm.evaluation.table import print_whole
from forearm.settings import compose as settings
from forearm.settings import paths as output

SIDE = 480
"""px of the drawing."""
USAGE = "'robot' is followed by what to do: forearm robot check FILE, a robot's YAML, an MJCF or a URDF file"


def main(overrides: Sequence[str]) -> int:
    """Run the command; 1 if the robot cannot stand in its keyframe. Raises `ForearmError` for the front door."""
    words = list(overrides)
    if not words or words[0] != "check":
        raise ForearmError(USAGE)
    chosen = settings.load("robot-check", [word if "=" in word else f"file={word}" for word in words[1:]])
    if chosen["file"] is None:
        raise ForearmError(USAGE)
    file = str(chosen["file"])
    picture = output.file("picture", chosen["picture"] or f"{Path(file).stem}.png")
    if picture.suffix != ".png":
        raise ForearmError(f"picture={picture}: name a file that ends with .png")
    names = keys("joints", chosen["joints"])
    joints = [names] if isinstance(names, str) else names
    robot = Robot(config_of(file, joints, None if chosen["tool"] is None else str(chosen["tool"])))
    console = Console()
    # A model file alone says how far joints go, and nothing else.
    whole = Path(file).suffix in YAML or not Path(file).is_file()
    print_whole(console, joints_of(robot, whole))
    home = robot.geometry.home
    place = robot.geometry.tool(home[None])[0]
    standing, keyed = robot.check_pose(home), robot.geometry.keyed
    where = "at home" if keyed else "in the model's own pose (it has no keyframe)"
    console.print(f"tool: {escape(robot.tool)}, {where} at {np.round(place, 4).tolist()} m", highlight=False)
    said = "nothing touches, and every limit is kept" if standing.ok else str(standing)
    console.print(f"{where}: {escape(said)}", highlight=False, soft_wrap=True)
    draw(robot, picture)
    console.print(f"picture: {told(picture)}", highlight=False, soft_wrap=True)
    return 0 if standing.ok or not keyed else 1


def joints_of(robot: Robot, whole: bool) -> Table:
    """Every axis with its unit and limits; of a model file alone, how far it goes."""
    limits = robot.limits
    table = Table(title=f"{robot.name}: {robot.axes} axes", title_justify="left", box=None, padding=(0, 1))
    for title in ("joint", "unit"):
        table.add_column(title, no_wrap=True)
    columns = [("least", limits.low), ("most", limits.high), ("home", robot.geometry.home)]
    if whole:
        margins = np.append(robot.margins, np.zeros(robot.axes - len(robot.margins)))
        columns += [("margin", margins), ("per s", limits.velocity)]
        columns += [("per s^2", limits.acceleration), ("per s^3", limits.jerk)]
    for title, _ in columns:
        table.add_column(title, justify="right", no_wrap=True)
    for axis, (name, unit) in enumerate(zip(limits.names, limits.units, strict=True)):
        table.add_row(escape(name), unit, *(_number(values[axis]) for _, values in columns))
    return table


def draw(robot: Robot, picture: Path) -> None:
    """A PNG of the robot at home; raises `ForearmError` where nothing draws here."""
    import mujoco
    from PIL import Image

    from forearm.envs.rendering import Renderer, View

    model = copy.copy(robot.geometry.model)
    if model.ngeom and model.geom_group.min() > 2:  # shapes that collide alone are not drawn by default
        model.geom_group[:] = 0
    data = mujoco.MjData(model)
    data.qpos[:] = robot.geometry.home_pose
    mujoco.mj_forward(model, data)
    free = mujoco.MjvCamera()
    mujoco.mjv_defaultFreeCamera(model, free)
    view = View(tuple(free.lookat), free.distance, free.azimuth, free.elevation)
    with closing(Renderer(model, SIDE)) as renderer:
        pixels = renderer.render(data, view)
    picture.parent.mkdir(parents=True, exist_ok=True)
    with replacing(picture) as temporary:
        Image.fromarray(pixels).save(temporary, format="PNG")


def _number(value: float) -> str:
    return "endless" if np.isinf(value) else f"{value:.4g}"
