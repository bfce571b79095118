"""docs/tutorials/so101.md as its reader goes through it, with a simulated arm behind LeRobot's `Robot`."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from forearm.cli.main import main
from forearm.control import Controller
from forearm.integrations import lerobot_robot
from tests.control import so101
from tests.docs.markdown import PAGES, blocks, commands
from tests.world_model.foreign import write

PAGE = PAGES["docs/tutorials/so101.md"]
TINY = (
    *("task.frameskip=2", "task.resolution=64", "world_model.width=8", "world_model.latent_dim=8"),
    *("world_model.predictor_width=16", "world_model.history=2", "world_model.loss.rollout=1"),
    *("world_model.train.steps=2", "world_model.train.batch=8", "world_model.train.warmup=1"),
    *("world_model.train.validation=0.25", "world_model.loss.directions=8"),
)
SMALL = {"name": "cem", "samples": 8, "elites": 4, "iterations": 1}
OFTEN = 3600.0
"""False alarms an hour, of which seconds of motion can tell."""


def recorded(root: Path, episodes: int, length: int, seed: int) -> None:
    """What `lerobot-record` would have: the arm led about its home, ten frames a second."""
    rng = np.random.default_rng(seed)
    time = np.arange(length + 1)[:, None] / 10
    paths = [
        so101.HOME + rng.uniform(5, 20, 6) * np.sin(rng.uniform(0.5, 1.5, 6) * time + rng.uniform(0, 6, 6))
        for _ in range(episodes)
    ]
    state = np.concatenate([path[:-1] for path in paths]).astype(np.float32)
    columns = {"action": np.concatenate([path[1:] for path in paths]).astype(np.float32), "observation.state": state}
    motors = [f"{motor}.pos" for motor in so101.MOTORS]
    cameras = {f"observation.images.{camera}": camera for camera in ("front", "wrist")}
    shown = {key: np.stack([so101.picture(row, camera) for row in state]) for key, camera in cameras.items()}
    names = {"action": motors, "observation.state": motors}
    write(root, columns, [length] * episodes, cameras=dict.fromkeys(cameras, "image"), shown=shown, names=names)


@pytest.fixture
def arm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quick_probes: None) -> so101.Time:
    """The reader's folder with what was downloaded and recorded; LeRobot's arm, in the time that is returned."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FOREARM_CONFIGS", "mine")
    robot = tmp_path / "mine/robot"
    robot.mkdir(parents=True)
    so101.model(robot / "so101_new_calib.xml")
    [config] = blocks(PAGE, "yaml")
    (robot / "so101.yaml").write_text(config, encoding="utf-8")
    recorded(tmp_path / "data/so101", 4, 40, 0)
    recorded(tmp_path / "data/so101-held-out", 7, 400, 1)
    time = so101.Time()
    so101.installed(monkeypatch)
    monkeypatch.setattr(so101.SimulatedSO101, "time", time)
    return time


def test_the_page_goes_from_a_recording_to_an_arm_that_moves(
    arm: so101.Time, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = commands(PAGE)
    assert [words[0] for words in said] == ["robot", "data", "train", "calibrate"]
    for words, more in zip(said, ((), (), TINY, (f"rate={OFTEN}",)), strict=True):
        assert main([*words, *more]) == 0, words
    out = capsys.readouterr().out
    assert "LeRobotDataset v3.0" in out and "absolute" in out and "false alarms" in out
    load = partial(Controller.load, planner=SMALL, mode="inline", clock=arm, check_goals=False)
    monkeypatch.setattr(Controller, "load", lambda *task, **given: load(*task, **{**given, "surprise_rate": OFTEN}))
    monkeypatch.setattr(lerobot_robot, "LeRobotArm", partial(lerobot_robot.LeRobotArm, sleep=arm.sleep))
    names: dict = {"__name__": "page"}
    for block in blocks(PAGE, "python"):
        exec(compile(block, "so101.md", "exec"), names)
    robot, controller = names["robot"], names["controller"]
    assert isinstance(robot, so101.LEROBOT) and not robot.is_connected
    times, sent = np.array([at for at, _ in robot.sent]), np.array([position for _, position in robot.sent])
    limits = controller.robot.limits
    path = np.array([controller.adapter.read({"proprio": position}) for position in sent])
    assert abs(path - path[0]).max() > 0.02 and "moving" in names["said"]
    assert (path >= limits.low - 1e-9).all() and (path <= limits.high + 1e-9).all()
    assert (abs(np.diff(path, axis=0)) <= limits.velocity * np.diff(times)[:, None] * 1.001 + 1e-9).all()
    assert np.array_equal(sent[-1], sent[-2]) and times[-1] > 1.0
