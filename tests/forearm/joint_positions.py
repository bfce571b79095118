"""A recording of an arm of eight joints that is told where its joints shall be, and a model trained on it."""

from pathlib import Path

import numpy as np

from forearm.cli.main import main
from tests.world_model.foreign import write

JOINTS = [f"joint{number}.pos" for number in range(1, 9)]
LENGTHS = (40, 50, 45, 40)
SETTINGS = (
    *("world_model.width=8", "world_model.latent_dim=8", "world_model.predictor_width=16", "world_model.history=2"),
    *(
        "world_model.loss.rollout=1",
        "world_model.train.steps=2",
        "world_model.train.batch=8",
        "world_model.frameskip=2",
    ),
    *("world_model.train.warmup=1", "world_model.train.validation=0.25", "world_model.loss.directions=8"),
)
PERIOD = 0.1


def recorded(seed: int = 0) -> dict[str, np.ndarray]:
    """Commands and the readings that follow them, (N, 8) each, in rad, with one value of the hand beside them."""
    rng = np.random.default_rng(seed)
    commands, readings = [], []
    for length in LENGTHS:
        time = np.arange(length + 1)[:, None] * PERIOD
        rate, phase, size = rng.uniform(0.3, 1.2, 8), rng.uniform(0, 6, 8), rng.uniform(0.2, 0.7, 8)
        path = size * np.sin(rate * time + phase)
        commands.append(path[1:])
        readings.append(path[:-1] - 0.01)  # behind, and sagging
    state = np.concatenate(readings)
    beside = rng.normal(size=(len(state), 1))
    return {
        "action": np.concatenate(commands).astype(np.float32),
        "observation.state": np.concatenate([beside, state], axis=1).astype(np.float32),
    }


def dataset(root: Path) -> Path:
    """It as a LeRobotDataset, with names."""
    names = {"action": JOINTS, "observation.state": ["hand", *JOINTS]}
    return write(root, recorded(), LENGTHS, names=names)


def trained(data: Path, out: Path, *more: str) -> int:
    """What `forearm train` returns for it."""
    return main(["train", "task=own", f"data={data}", f"out={out}", *SETTINGS, "task.resolution=64", *more])
