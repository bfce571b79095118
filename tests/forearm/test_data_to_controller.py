"""From a recording of an own arm to a controller that drives it: six joints with a hand, and a rail with seven."""

from pathlib import Path
from typing import Any

import mujoco
import numpy as np
import pytest
import yaml

from forearm.cli.main import main
from forearm.control import Controller, Status, load_robot
from forearm.control.audit import audit
from forearm.control.command import Command
from forearm.envs.rendering import Renderer
from tests.control.arms import ARMS, config_of
from tests.forearm.joint_positions import LENGTHS, PERIOD, SETTINGS
from tests.world_model.foreign import write

CAMERA = '<worldbody><light pos="0 0 3"/><camera name="view" pos="1.8 -1.2 1.2" xyaxes=".55 .83 0 -.36 .24 .9"/>'
BEAT = 0.008


class Drive:
    """The arm's own drive: joints are at once where they are told to be, and a camera looks on."""

    def __init__(self, name: str) -> None:
        text, joints, fingers, _, home = ARMS[name]
        self.model = mujoco.MjModel.from_xml_string(text.replace("<worldbody>", CAMERA, 1))
        self.data, self.renderer = mujoco.MjData(self.model), Renderer(self.model, 64)
        self.names, self.fingers = joints, fingers
        self.position = np.array(home)

    def set(self, position: np.ndarray) -> None:
        """Go to (D,), the opening of the fingers last, where there are any."""
        self.position = np.asarray(position, np.float64)
        for name, value in zip(self.names, self.position, strict=False):
            self.data.joint(name).qpos[0] = value
        for name in self.fingers:
            self.data.joint(name).qpos[0] = self.position[-1]

    def look(self) -> np.ndarray:
        """What the camera sees, (64, 64, 3) uint8."""
        mujoco.mj_forward(self.model, self.data)
        return self.renderer.render(self.data, "view")


def recorded(drive: Drive, folder: Path) -> list[np.ndarray]:
    """A recording in which commands are where the joints shall be next; returns its positions, by episode."""
    rng, home, found = np.random.default_rng(3), drive.position.copy(), []
    size = np.where(np.arange(len(home)) < len(drive.names), 0.25, 0.015)
    for length in LENGTHS:
        rate, phase = rng.uniform(0.5, 1.5, len(home)), rng.uniform(0, 6, len(home))
        found.append(home + size * np.sin(rate * PERIOD * np.arange(length + 1)[:, None] + phase))
    frames = []
    for path in found:
        for position in path[:-1]:
            drive.set(position)
            frames.append(drive.look())
    columns = {
        "action": np.concatenate([path[1:] for path in found]).astype(np.float32),
        "observation.state": np.concatenate([path[:-1] for path in found]).astype(np.float32),
    }
    names = [f"{name}.pos" for name in (*drive.names, *(["hand"] if drive.fingers else []))]
    shown = {"observation.images.front": np.array(frames)}
    write(folder, columns, LENGTHS, names=dict.fromkeys(columns, names), shown=shown)
    return found


@pytest.mark.parametrize("name", ARMS)
def test_an_own_arm_is_driven_within_its_limits_by_a_model_of_its_own_recording(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FOREARM_CONFIGS", "mine")
    Path("mine/robot").mkdir(parents=True)
    config = config_of(Path("mine/robot"), name) | {"model": f"{name}.xml"}
    Path(f"mine/robot/{name}.yaml").write_text(yaml.safe_dump(config | {"adapter": {"kind": "joint_position"}}))
    assert main(["robot", "check", f"mine/robot/{name}.yaml", "picture=arm.png"]) == 0

    drive = Drive(name)
    paths = recorded(drive, Path("data"))
    assert main(["data", "inspect", "data=data", "frames=true"]) == 0
    assert main(["train", "task=own", "data=data", "out=outputs/own", *SETTINGS, "task.resolution=64"]) == 0
    assert "absolute joint positions" in capsys.readouterr().out

    drive.set(paths[-1][-2])
    goal = drive.look()
    drive.set(paths[0][0])
    begun, sent, now = drive.position.copy(), list[Command](), 0.0
    robot = load_robot(name)
    with Controller.load("outputs/own", robot=name, mode="inline", clock=lambda: now) as control:
        control.reset(goal)
        for beat in range(round(4.0 / BEAT)):
            now = beat * BEAT
            seen: dict[str, Any] = {"proprio": drive.position.astype(np.float32), "time": now}
            if beat % 12 == 0:
                seen["pixels"] = drive.look()
            command = control.act(seen, now)
            sent.append(command)
            if command.positions is not None:
                opening = [] if command.gripper is None else [command.gripper]
                drive.set(np.concatenate([command.positions, opening]))
    assert audit(sent, robot).ok, str(audit(sent, robot))
    assert [each.status for each in sent].count(Status.MOVING) > len(sent) / 2
    assert Status.FAULT not in {each.status for each in sent}
    assert abs(drive.position - begun).max() > 0.02
