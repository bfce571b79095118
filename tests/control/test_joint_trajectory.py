import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from forearm.control.action_adapter import ToolActionAdapter
from forearm.control.committed_motion import PlanFollower
from forearm.control.robots.robot import Robot
from forearm.control.trajectories.trajectory import Trajectory
from forearm.errors import ForearmError
from forearm.integrations.joint_trajectory import message, moments, problems, write

from .conftest import START

ACTIONS = np.array([[0.5, 0.2, -0.1, 0.3]] * 6 + [[-0.3, 0.4, 0.0, 0.0]] * 6)


@pytest.fixture(scope="module")
def path(robot: Robot) -> Trajectory:
    found, _ = PlanFollower(robot, ToolActionAdapter("pick_place")).draft(
        Trajectory.resting(START, -1.0, 1.0), ACTIONS, 0.1, 0.0
    )
    assert found is not None
    return found


def test_it_is_what_a_joint_trajectory_controller_takes(path: Trajectory, robot: Robot) -> None:
    found = message(path, robot, 50.0)
    assert problems(found) == []
    assert found["joint_names"] == [f"joint{i}" for i in range(1, 8)]
    first, last = found["points"][0], found["points"][-1]
    assert first["time_from_start"] == {"sec": 0, "nanosec": 0} and np.allclose(first["positions"], START[:7])
    assert not any(last["velocities"]) and not any(last["accelerations"])
    assert len(found["points"]) == 71 and last["time_from_start"]["sec"] == 1


def test_the_points_are_the_path(path: Trajectory, robot: Robot) -> None:
    found = message(path, robot, 20.0)
    for point in found["points"]:
        time = path.start + point["time_from_start"]["sec"] + 1e-9 * point["time_from_start"]["nanosec"]
        state = path.at(min(time, path.end))
        assert np.allclose(point["positions"], state.position[:7], atol=1e-6)
        assert np.allclose(point["velocities"], state.velocity[:7], atol=1e-4)


def test_times_rise_whatever_the_rate(path: Trajectory) -> None:
    for rate in (0.1, 1.0, 7.3, 50.0, 1000.0):
        times = moments(path, rate)
        assert times[0] == path.start and times[-1] == path.end
        assert np.diff(times).min() > 0.99 / rate or len(times) == 2


BROKEN: list[tuple[Any, str]] = [
    (lambda m: m.update(joint_names=["a", "a"]), "every joint once"),
    (lambda m: m.update(points=[]), "at least one point"),
    (lambda m: m["points"][1]["positions"].pop(), "point 1: positions has 6 numbers"),
    (lambda m: m["points"][1]["velocities"].append(0.0), "point 1: velocities has 8"),
    (lambda m: m["points"][1]["accelerations"].__setitem__(0, float("nan")), "NaN"),
    (lambda m: m["points"][2].update(m["points"][1]), "point 2: time_from_start must rise"),
    (lambda m: m["points"][1]["time_from_start"].update(nanosec=2_000_000_000), "nanosec"),
    (lambda m: m["points"][-1]["velocities"].__setitem__(0, 0.1), "no velocity"),
    (lambda m: m["points"][0].update(effort=[1.0]), "effort"),
]  # fmt: skip


@pytest.mark.parametrize(("breaking", "said"), BROKEN)
def test_what_it_would_not_take_is_said(breaking: Any, said: str, path: Trajectory, robot: Robot) -> None:
    found = message(path, robot, 50.0)
    breaking(found)
    assert any(said in problem for problem in problems(found)), problems(found)
    assert problems("text") and problems({"joint_names": ["a"]})


@pytest.mark.parametrize("suffix", [".json", ".yaml", ".yml"])
def test_files_say_the_same_in_json_and_yaml(suffix: str, path: Trajectory, robot: Robot, tmp_path: Path) -> None:
    target = tmp_path / f"trajectory{suffix}"
    write(target, path, robot, 50.0)
    text = target.read_text()
    assert (json.loads(text) if suffix == ".json" else yaml.safe_load(text)) == message(path, robot, 50.0)


def test_a_csv_has_every_axis_with_the_gripper(path: Trajectory, robot: Robot, tmp_path: Path) -> None:
    write(tmp_path / "trajectory.csv", path, robot, 100.0)
    rows = list(csv.reader((tmp_path / "trajectory.csv").read_text().splitlines()))
    assert rows[0][:3] == ["time", "joint1_position", "joint2_position"] and len(rows[0]) == 1 + 3 * 8
    values = np.array(rows[1:], float)
    gripper = rows[0].index("gripper_position")
    assert values[-1, gripper] == pytest.approx(0.018, abs=1e-6)
    assert not np.any(values[-1, 1 + 8 :])


def test_another_ending_or_rate_is_refused(path: Trajectory, robot: Robot, tmp_path: Path) -> None:
    with pytest.raises(ForearmError, match=r"\.csv; name such a file"):
        write(tmp_path / "trajectory.txt", path, robot, 50.0)
    with pytest.raises(ForearmError, match="rate"):
        write(tmp_path / "trajectory.json", path, robot, 0.0)
    assert not list(tmp_path.iterdir())


def test_the_command_writes_one(tmp_path: Path, capsys: Any) -> None:
    from forearm.cli.main import main

    out = tmp_path / "trajectory.yaml"
    words = ["plan", "task=push", "seed=3", "format=joint_trajectory", "cem.samples=16", "cem.elites=4"]
    assert main([*words, f"out={out}"]) == 0
    assert problems(yaml.safe_load(out.read_text())) == []
    assert "7 joints of panda" in capsys.readouterr().out
    assert main([*words, f"out={tmp_path}/trajectory.txt"]) == 2
    assert main([*words[:3], "format=joint_trajectories", f"out={out}"]) == 2
    assert "did you mean 'joint_trajectory'" in capsys.readouterr().err
    assert main([*words, f"out={out}", "panda.workspace.low=[0.9,-0.3,0.0]", "panda.workspace.high=[1.0,0.3,0.4]"]) == 2
    assert "outside the limits" in capsys.readouterr().err
    assert main([*words, f"out={out}", "panda.tool=nose"]) == 2
    assert "no site named 'nose'" in capsys.readouterr().err
