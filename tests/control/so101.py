"""An arm like an SO-101 in simulated time, behind LeRobot's `Robot`: the installed library's, or one like it."""

import sys
from abc import ABC
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

MOTORS = ("shoulder_pan", "shoulder_lift", "elbow_flex", "wrist_flex", "wrist_roll", "gripper")
HOME = np.array([5.0, 10.0, -10.0, 5.0, 0.0, 30.0])
LAG = 0.05
"""s, the time constant with which motors follow."""
FPS = 30.0
LINKS = (
    ("shoulder_pan", "0 0 .06", "0 0 1", 1.92, "0 0 .05"), ("shoulder_lift", "0 0 .06", "0 1 0", 1.745, "0 0 .1"),
    ("elbow_flex", "0 0 .11", "0 1 0", 1.69, ".12 0 0"), ("wrist_flex", ".13 0 0", "0 1 0", 1.658, ".05 0 0"),
    ("wrist_roll", ".06 0 0", "1 0 0", 2.74, ".03 0 0"),
)  # fmt: skip


def model(path: Path) -> None:
    """Write an MJCF of capsules: names and ranges as in the makers' `so101_new_calib.xml`."""
    text = """<site name="gripperframe" pos=".09 0 0"/><body name="jaw" pos=".04 .015 0">
      <joint name="gripper" axis="0 0 1" range="-.1745 1.7453"/>
      <geom type="capsule" fromto="0 .01 0 .05 .01 0" size=".005"/></body>"""
    for name, place, axis, far, end in reversed(LINKS):
        text = f"""<body name="{name}" pos="{place}"><joint name="{name}" axis="{axis}" range="-{far} {far}"/>
          <geom type="capsule" fromto="0 0 0 {end}" size=".015"/>{text}</body>"""
    path.write_text(f'<mujoco><compiler angle="radian"/><worldbody>{text}</worldbody></mujoco>', encoding="utf-8")


def picture(position: np.ndarray, camera: str) -> np.ndarray:
    """What a camera shows of motors at (6,): a bright square on a ramp, (24, 32, 3) uint8."""
    pan, lift = position[:2] if camera == "front" else position[2:4]
    frame = np.empty((24, 32, 3), np.uint8)
    frame[:] = (40 + 3 * np.arange(32, dtype=np.uint8))[None, :, None]
    row, column = int(np.clip(10 + lift / 8, 0, 19)), int(np.clip(14 + pan / 6, 0, 27))
    frame[row : row + 5, column : column + 5] = (220, 60, 20 + int(position[5]))
    return frame


class Time:
    """s that pass by being slept."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def _like_lerobot() -> tuple[type, dict[str, ModuleType]]:
    """The class of LeRobot's robots, and modules to be imported from in its place where it is not installed."""
    if find_spec("lerobot") is not None:
        from lerobot.robots.robot import Robot

        return Robot, {}

    class Base(ABC):  # noqa: B024
        def __init__(self, config: Any) -> None:
            self.id = config.id

    @dataclass
    class OpenCVCameraConfig:
        index_or_path: Any
        fps: int
        width: int
        height: int

    @dataclass
    class SO101FollowerConfig:
        port: str
        id: str | None = None
        use_degrees: bool = True
        cameras: dict[str, Any] = field(default_factory=dict)

    names = ("lerobot", "lerobot.cameras", "lerobot.cameras.opencv", "lerobot.robots", "lerobot.robots.so_follower")
    modules = {name: ModuleType(name) for name in names}
    vars(modules[names[2]])["OpenCVCameraConfig"] = OpenCVCameraConfig
    vars(modules[names[4]])["SO101FollowerConfig"] = SO101FollowerConfig
    return Base, modules


LEROBOT, MODULES = _like_lerobot()


class SimulatedSO101(LEROBOT):  # type: ignore[misc,valid-type]
    """Motors that follow what they are sent. `broken`, if set, is raised by whatever is asked; `held` motors stay."""

    name, config_class = "so101_simulated", object
    time = Time()

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.config, self.sent = config, []
        self.position, self.target, self._at = HOME.copy(), HOME.copy(), self.time()
        self.broken: Exception | None = None
        self.held = False
        self._connected = False
        self._frames: dict[str, Any] = {}
        self._taken = -np.inf

    @property
    def observation_features(self) -> dict[str, Any]:
        cameras = {name: (camera.height, camera.width, 3) for name, camera in self.config.cameras.items()}
        return {**self.action_features, **cameras}

    @property
    def action_features(self) -> dict[str, Any]:
        return {f"{motor}.pos": float for motor in MOTORS}

    @property
    def is_connected(self) -> bool:
        return self._connected

    @property
    def is_calibrated(self) -> bool:
        return True

    def connect(self, calibrate: bool = True) -> None:
        self._connected = True

    def calibrate(self) -> None: ...

    def configure(self) -> None: ...

    def disconnect(self) -> None:
        self._connected = False

    def get_observation(self) -> dict[str, Any]:
        self._go_on()
        if self.time() - self._taken >= 1.0 / FPS - 1e-6:
            self._taken = self.time()
            self._frames = {camera: picture(self.position, camera) for camera in self.config.cameras}
        return {**dict(zip(self.action_features, self.position.tolist(), strict=True)), **self._frames}

    def send_action(self, action: dict[str, Any]) -> dict[str, Any]:
        self._go_on()
        self.target = np.array([action[f"{motor}.pos"] for motor in MOTORS])
        self.sent.append((self.time(), self.target))
        return action

    def _go_on(self) -> None:
        if self.broken is not None:
            raise self.broken
        if not self._connected:
            raise ConnectionError("not connected")
        share = 0.0 if self.held else 1.0 - np.exp(-(self.time() - self._at) / LAG)
        self._at = self.time()
        self.position = self.position + share * (self.target - self.position)


def installed(monkeypatch: Any) -> None:
    """`from lerobot… import SO101Follower` gives the simulated arm, with the installed library and without one."""
    for name, module in MODULES.items():
        monkeypatch.setitem(sys.modules, name, module)
    from lerobot.robots import so_follower

    monkeypatch.setattr(so_follower, "SO101Follower", SimulatedSO101, raising=False)
