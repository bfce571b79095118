"""`forearm ros2` with a model that sees two cameras, each behind a topic of its own."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from forearm.control.robots.description import config_of
from forearm.control.robots.robot import Robot
from forearm.errors import InputError
from forearm.integrations.ros2 import messages
from forearm.integrations.ros2.bus import Bus
from forearm.integrations.ros2.definitions import IMAGE, JOINT_STATE, JOINT_TRAJECTORY
from forearm.integrations.ros2.episodes import read
from forearm.integrations.ros2.node import cameras_by_name
from forearm.integrations.ros2.recording import CAMERA
from forearm.world_model.config import ModelConfig
from forearm.world_model.model.jepa import JEPA
from forearm.world_model.runtime.checkpoint import save_checkpoint
from tests.control import so101
from tests.docs.markdown import PAGES, blocks

TWO = ("observation.images.front", "observation.images.wrist")
PATIENCE = 90.0  # s
RED, BLUE = (200, 0, 0), (0, 0, 200)


@pytest.mark.parametrize(
    ("image", "cameras", "said"),
    [
        (
            "/image",
            TWO,
            r"wrist, but image is of one topic, /image: give image=front:TOPIC,wrist:TOPIC",
        ),
        ({"front": "/a"}, TWO, r"but image is of front: give"),
        ({"front": "/a", "side": "/b"}, TWO, "but image is of front, side: give"),
        ({"front": "/a", "wrist": "/a"}, TWO, "one topic for two cameras: /a, /a"),
        ({"front": "/a", "wrist": 3}, TWO, "give image="),
        ({"wrist": "/a"}, TWO[:1], "sees front, but image is of wrist"),
        ({"a": "/a", "b": "/b"}, (), "sees one camera, but image is of a, b"),
        (["/a"], (), "sees one camera"),
    ],
)
def test_topics_are_those_of_the_models_cameras(image: Any, cameras: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        cameras_by_name(image, cameras)
    assert cameras_by_name({"wrist": "/b", "front": "/a"}, TWO) == {"front": "/a", "wrist": "/b"}
    assert list(cameras_by_name({"wrist": "/b", "front": "/a"}, TWO)) == ["front", "wrist"]
    assert cameras_by_name("/a", TWO[:1]) == {"": "/a"}


class Arm:
    """Joints that are where the newest trajectory has them, and two cameras, of which one may fall silent."""

    def __init__(self, bus: Bus, start: np.ndarray) -> None:
        self.position, self.start, self.silent = start.copy(), start, False
        self.states = bus.publisher("/joint_states", JOINT_STATE)
        self.images = {name: bus.publisher(f"/{name}/image", IMAGE) for name in ("front", "wrist")}
        self.orders = bus.subscription("/arm/joint_trajectory", JOINT_TRAJECTORY)
        self.order: tuple[float, Any] | None = None
        self.heard: list[Any] = []
        self.beats = self.still = 0

    def beat(self) -> None:
        now, before = time.time(), self.position.copy()
        for message in self.orders.taken():
            self.order = (now, message)
            self.heard.append(message)
        if self.order is not None:
            since, message = self.order
            times = [messages.seconds(point.time_from_start) for point in message.points]
            places = np.array([point.positions for point in message.points])
            self.position[:5] = [np.interp(now - since, times, column) for column in places.T]
        self.states.send(messages.joint_state(so101.MOTORS, self.position, np.zeros(6), now))
        for name, colour, at in (("front", RED, 0), ("wrist", BLUE, 3)):
            if self.beats % 5 == at and not (self.silent and name == "wrist"):
                frame = np.full((24, 32, 3), colour, np.uint8)
                frame[self.beats % 20, :, 1] = 255
                self.images[name].send(messages.image(frame, now))
        self.still = self.still + 1 if np.allclose(self.position, before, atol=1e-6) else 0
        self.beats += 1
        time.sleep(0.01)


def prepared(folder: Path) -> Robot:
    """In a folder: a small model that sees two cameras, an arm's config, and pictures of a goal."""
    torch.manual_seed(0)
    model = JEPA(ModelConfig(width=8, latent_dim=8, predictor_width=16, history=2, action_dim=5)).eval()
    for weights in model.predictor.parameters():
        torch.nn.init.normal_(weights, std=0.3)
    bounds = {"action_low": [-1.0] * 5, "action_high": [1.0] * 5}
    document = {"task": "own", "camera": "+".join(TWO), "control_period": 0.1, **bounds}
    save_checkpoint(model, folder / "outputs/own/model", document)
    (folder / "configs/robot").mkdir(parents=True)
    so101.model(folder / "configs/robot/so101_new_calib.xml")
    [text] = blocks(PAGES["docs/tutorials/so101.md"], "yaml")
    adapter = {"kind": "joint_displacement", "scale": 0.05, "axes": list(so101.MOTORS[:5])}
    config = yaml.safe_dump(yaml.safe_load(text) | {"adapter": adapter})
    (folder / "configs/robot/so101.yaml").write_text(config, encoding="utf-8")
    for name, colour in (("a", RED), ("b", BLUE)):
        Image.fromarray(np.full((24, 32, 3), colour, np.uint8)).save(folder / f"{name}.png")
    return Robot(config_of(str(folder / "configs/robot/so101.yaml")))


def test_an_arm_with_two_cameras_is_driven_through_topics_and_rests_without_one(tmp_path: Path) -> None:
    robot, domain = prepared(tmp_path), 40 + (1 + os.getpid()) % 150
    arm = Arm(Bus(domain), np.append(np.deg2rad(so101.HOME[:5]), 0.4))
    words = [
        "task=own", "robot=so101", f"domain={domain}", "image=front:/front/image,wrist:/wrist/image",
        "goal=front:a.png,wrist:b.png", "command=/arm/joint_trajectory", "record=run.mcap", "planner.samples=8",
        "planner.elites=4", "planner.iterations=1",
    ]  # fmt: skip
    begun, configs = time.monotonic(), {"FOREARM_CONFIGS": "configs"}
    command = [sys.executable, "-u", "-m", "forearm", "ros2", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=tmp_path, env=os.environ | configs) as node:
        lines: list[str] = []
        reader = threading.Thread(target=lambda: lines.extend(line.decode() for line in node.stdout or ()))
        reader.start()

        def until(done: Any) -> None:
            while not done():
                assert node.poll() is None and time.monotonic() - begun < PATIENCE, lines
                arm.beat()

        try:
            until(lambda: abs(arm.position - arm.start).max() > 0.02)
            arm.silent = True
            until(lambda: arm.still > 50 and lines[-1].startswith("stale"))
            arm.silent, rested = False, arm.position.copy()
            until(lambda: abs(arm.position - rested).max() > 0.005)
        finally:
            node.send_signal(signal.SIGINT)
            while node.poll() is None and time.monotonic() - begun < 2 * PATIENCE:
                arm.beat()
            node.kill()
            reader.join()
    assert node.returncode == 0, lines
    low, high = robot.limits.low[:5] - 1e-9, robot.limits.high[:5] + 1e-9
    for message in arm.heard:
        assert list(message.points[-1].velocities) == [0.0] * 5, "every message leads to rest"
        places = np.array([point.positions for point in message.points])
        assert (places >= low).all() and (places <= high).all()
    frames = [messages.pixels(message) for topic, message in read(tmp_path / "run.mcap") if topic == CAMERA]
    assert len(frames) > 5
    for frame in frames:
        assert frame.shape == (64, 64, 3) and frame[:, :30, 0].min() > 150 and frame[:, 34:, 2].min() > 150
        assert frame[:, :30, 2].max() == 0 and frame[:, 34:, 0].max() == 0
