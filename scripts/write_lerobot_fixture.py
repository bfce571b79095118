"""Writes tests/world_model/lerobot_0_4_4/: small datasets as the `lerobot` library itself writes them.

Run it in an environment with lerobot 0.4.4, which this project does not need:
    python scripts/write_lerobot_fixture.py tests/world_model/lerobot_0_4_4
A robot with six joints and a gripper, two cameras of different sizes, 20 frames a second, two tasks, three episodes
of 9, 12 and 7 frames; once with mp4 video, once with PNG images. A square moves with the first joint.
"""

import shutil
import sys
from pathlib import Path

import numpy as np
from lerobot.datasets.lerobot_dataset import LeRobotDataset

JOINTS = ["base", "shoulder", "elbow", "wrist_1", "wrist_2", "wrist_3", "gripper"]
FPS, LENGTHS, TASKS = 20, (9, 12, 7), ("push the block", "lift the block", "push the block")
CAMERAS = {"observation.images.wrist": (48, 64), "observation.images.overhead": (64, 80)}


def frame(camera: str, joints: np.ndarray) -> np.ndarray:
    """A grey gradient with a red square where the first joint says."""
    height, width = CAMERAS[camera]
    picture = np.tile(np.linspace(40, 160, width, dtype=np.uint8)[None, :, None], (height, 1, 3))
    column = int((joints[0] + 1) / 2 * (width - 12))
    picture[10:22, column : column + 12] = [220, 30, 30]
    return picture


def write(root: Path, videos: bool) -> None:
    """One dataset."""
    if root.exists():
        shutil.rmtree(root)
    kind = "video" if videos else "image"
    numbers = {"dtype": "float32", "shape": (len(JOINTS),), "names": JOINTS}
    images = {
        key: {"dtype": kind, "shape": (*size, 3), "names": ["height", "width", "channels"]}
        for key, size in CAMERAS.items()
    }
    data = LeRobotDataset.create(
        repo_id="local/robot",
        root=root,
        fps=FPS,
        features={"observation.state": numbers, "action": numbers, **images},
        robot_type="six_joints",
        use_videos=videos,
    )
    rng = np.random.default_rng(0)
    for length, task in zip(LENGTHS, TASKS, strict=True):
        joints = rng.uniform(-1, 1, len(JOINTS)).astype(np.float32)
        for _ in range(length):
            action = (joints * 60 + rng.normal(0, 5, len(JOINTS))).astype(np.float32)  # degrees
            row = {"observation.state": joints, "action": action, "task": task}
            data.add_frame({**row, **{camera: frame(camera, joints) for camera in CAMERAS}})
            joints = np.clip(joints + rng.normal(0, 0.08, len(JOINTS)), -1, 1).astype(np.float32)
        data.save_episode()
    data.finalize()


if __name__ == "__main__":
    for name, videos in (("video", True), ("images", False)):
        write(Path(sys.argv[1]) / name, videos)
