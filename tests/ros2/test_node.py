"""`forearm ros2` in a process of its own drives an arm that it knows through ROS 2's topics alone."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
import pytest
from PIL import Image

from forearm import envs
from forearm.common.seeds import evaluation_reset_seed
from forearm.control.action_adapter import ToolActionAdapter
from forearm.integrations.ros2 import messages
from forearm.integrations.ros2.bus import Bus
from forearm.integrations.ros2.definitions import IMAGE, JOINT_STATE, JOINT_TRAJECTORY
from forearm.integrations.ros2.episodes import episodes

NAMES = [f"panda_joint{number}" for number in range(1, 8)]
FINGERS = ["panda_finger_joint1", "panda_finger_joint2"]
BEAT = 0.01
PATIENCE = 90.0  # s


class SimulatedArm:
    """A simulated arm behind topics: follows the newest trajectory, says where its joints are, films itself."""

    def __init__(self, bus: Bus) -> None:
        self.env = envs.make("reach")
        _, info = self.env.reset(seed=evaluation_reset_seed(5, 0))
        self.goal = info["goal"]
        self.states = bus.publisher("/joint_states", JOINT_STATE)
        self.images = bus.publisher("/wrist/image", IMAGE)
        self.orders = bus.subscription("/panda/joint_trajectory", JOINT_TRAJECTORY)
        self.order: tuple[float, Any] | None = None
        self.received = 0
        self.beats = 0
        self.begun = time.time() - self.env.data.time
        self.sent: deque[np.ndarray] = deque(maxlen=10_000)

    def beat(self) -> None:
        now = time.time()
        for message in self.orders.taken():
            assert list(message.joint_names) == NAMES
            assert list(message.points[-1].velocities) == [0.0] * 7, "every message leads to rest"
            self.order, self.received = (now, message), self.received + 1
        if self.order is not None:
            since, message = self.order
            times = [messages.seconds(point.time_from_start) for point in message.points]
            places = np.array([point.positions for point in message.points])
            self.env.data.ctrl[:7] = [np.interp(now - since, times, column) for column in places.T]
            self.sent.append(self.env.data.ctrl[:7].copy())
        while self.env.data.time < now - self.begun:  # physics keeps up with the clock that the commands go by
            mujoco.mj_step(self.env.model, self.env.data)
        data = self.env.data
        state = messages.joint_state(
            [*FINGERS, *NAMES], np.append(data.qpos[7:9], data.qpos[:7]),
            np.append(data.qvel[7:9], data.qvel[:7]), now,
        )  # fmt: skip
        self.states.send(state)
        if self.beats % 10 == 0:
            mujoco.mj_forward(self.env.model, data)
            pixels = np.repeat(np.repeat(self.env.observe()["pixels"], 2, axis=0), 2, axis=1)  # a larger camera
            self.images.send(messages.image(pixels, now))
        self.beats += 1


def test_an_arm_behind_topics_reaches_its_goal_and_is_left_at_rest(tmp_path: Path) -> None:
    domain = 40 + os.getpid() % 150
    arm = SimulatedArm(Bus(domain))
    Image.fromarray(arm.goal).save(tmp_path / "goal.png")
    words = [
        "task=reach", f"goal={tmp_path / 'goal.png'}", f"domain={domain}", "image=/wrist/image", "seed=1",
        "command=/panda/joint_trajectory", f"joints=[{','.join([*NAMES, FINGERS[0]])}]",
        f"record={tmp_path / 'run.mcap'}",
    ]  # fmt: skip
    begun = time.monotonic()
    with subprocess.Popen([sys.executable, "-u", "-m", "forearm", "ros2", *words], stdout=subprocess.PIPE) as node:
        lines: list[str] = []
        reader = threading.Thread(target=lambda: lines.extend(line.decode() for line in node.stdout or ()))
        reader.start()
        try:
            reached = 0
            while reached < 50:  # half a second at the goal
                assert node.poll() is None and time.monotonic() - begun < PATIENCE, lines
                arm.beat()
                reached = reached + 1 if arm.env.success() else 0
                time.sleep(BEAT)
        finally:
            node.send_signal(signal.SIGINT)
            while node.poll() is None and time.monotonic() - begun < 2 * PATIENCE:
                arm.beat()
                time.sleep(BEAT)
            node.kill()
            reader.join()
    assert node.returncode == 0, lines
    assert "ended: the arm was led to rest" in lines[-1]
    assert arm.received > 10
    found = episodes(tmp_path / "run.mcap", ToolActionAdapter("reach"))
    assert found and sum(map(len, found)) > 10
    assert np.abs(found[0].action).max() > 0.1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "where to? give a picture of the goal, goal=FILE"),
        (["goal=missing.png"], "missing.png: no such file"),
        (["goal=g.png", "rate=5"], "rate must lie between 20 and 1000"),
        (["goal=g.png", "domain=500"], "domain is 500: ROS 2 has domains 0 to 232"),
        (["goal=g.png", "domain=41", "image=a b"], "topic 'a b' is no name of a topic"),
        (["goal=g.png", "domain=41", "joints=[a,b]"], "joints names a, b: expected 8 different names, for joint1, "),
        (["goal=g.png", "domain=41", "record=run.bag"], "name it so, FILE.mcap"),
    ],
)
def test_what_it_cannot_do_is_one_line(
    words: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from forearm.cli.main import main

    monkeypatch.chdir(tmp_path)
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save("g.png")
    before = signal.getsignal(signal.SIGINT)
    assert main(["ros2", *words]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
    assert signal.getsignal(signal.SIGINT) is before
