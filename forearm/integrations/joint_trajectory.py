"""Trajectories as ROS 2 takes them: `trajectory_msgs/JointTrajectory` as JSON or YAML, and CSV.

What ROS 2's JointTrajectoryController asks of a message, `problems` checks: every joint in every point, times that rise
strictly, and no velocity at the end (documentation of ros2_controllers, joint_trajectory_controller). It also names
what the controller of ros2_controllers 6.9.0 takes without a word: numbers that are NaN.
"""

import csv
import io
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from forearm.common import checks
from forearm.common.files import replacing
from forearm.control.trajectories.trajectory import Trajectory
from forearm.errors import ForearmError
from forearm.integrations.message_check import problems
from forearm.integrations.ros2.messages import header, stamp

if TYPE_CHECKING:
    from forearm.control.robots.robot import Robot

__all__ = ["FORMATS", "check_format", "check_rate", "message", "moments", "problems", "table", "write"]

FORMATS = (".json", ".yaml", ".yml", ".csv")
DENSEST = 100_000.0
"""Points a second, at most."""


def message(path: Trajectory, robot: "Robot", rate: float) -> dict[str, Any]:
    """The arm's joints along `path` as a JointTrajectory, `rate` points a second and one at the end.

    Times count from the path's first moment. The gripper is left out: it has a controller of its own.
    Raises ForearmError for a rate that is not positive, or beyond all use.
    """
    check_rate(rate)
    times = moments(path, rate)
    states, count = path.sample(times), len(robot.joints)
    points = []
    for i, time in enumerate(times):
        last = i == len(times) - 1
        points.append(
            {
                "positions": states.position[i, :count].tolist(),
                # The end is at rest; what is left there is rounding, which a controller would refuse.
                "velocities": [0.0] * count if last else states.velocity[i, :count].tolist(),
                "accelerations": [0.0] * count if last else states.acceleration[i, :count].tolist(),
                "effort": [],
                "time_from_start": stamp(time - path.start),
            }
        )
    return {"header": header(0.0), "joint_names": list(robot.joints), "points": points}


def moments(path: Trajectory, rate: float) -> np.ndarray:
    """Times from the beginning of a path to its end, `rate` a second; the last step may be longer, never shorter."""
    steps = max(1, math.floor((path.end - path.start) * rate + 1e-9))
    return np.append(path.start + np.arange(steps) / rate, path.end)


def table(path: Trajectory, robot: "Robot", rate: float) -> str:
    """CSV: time in s, then position, velocity and acceleration of every axis, the gripper included."""
    times = moments(path, rate)
    states = path.sample(times)
    states.velocity[-1] = states.acceleration[-1] = 0.0
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    kinds = ("position", "velocity", "acceleration")
    writer.writerow(["time", *(f"{name}_{kind}" for kind in kinds for name in robot.axis_names)])
    for i, time in enumerate(times):
        row = np.concatenate([getattr(states, kind)[i] for kind in kinds])
        writer.writerow([f"{time - path.start:.9f}", *(f"{value:.9g}" for value in row)])
    return out.getvalue()


def write(target: Path, path: Trajectory, robot: "Robot", rate: float) -> None:
    """Write a path in the format that the file's name ends in, whole or not at all.

    Raises ForearmError for another ending and for a rate that is not positive, or beyond all use; OSError.
    """
    kind = check_format(target)
    check_rate(rate)
    if kind == ".csv":
        text = table(path, robot, rate)
    elif kind == ".json":
        text = json.dumps(message(path, robot, rate), indent=1, allow_nan=False) + "\n"
    else:
        import yaml

        text = yaml.safe_dump(message(path, robot, rate), sort_keys=False, default_flow_style=None, width=1000)
    with replacing(target) as temporary:
        temporary.write_text(text, encoding="utf-8")


def check_format(target: Path) -> str:
    """The ending of a file that `write` can write; raises ForearmError for another."""
    if target.suffix.lower() not in FORMATS:
        raise ForearmError(f"out={target}: a joint trajectory is written as {', '.join(FORMATS)}; name such a file")
    return target.suffix.lower()


def check_rate(rate: Any) -> None:
    """Raise ForearmError for a number of points a second that cannot be written."""
    said = "{name} must be above 0 and at most {most:g} points a second, not {value}"
    checks.worded(checks.real, said)("rate", rate, above=0.0, most=DENSEST)
