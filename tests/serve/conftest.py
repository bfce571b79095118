import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
import torch
from PIL import Image

pytest.importorskip("websockets")
pytest.importorskip("msgpack")

from forearm.agent.loaded_model import LoadedModel
from forearm.agent.setup import planner_config, task_config
from forearm.serve.config import ServeConfig
from forearm.serve.goals import Goals
from forearm.serve.running import running
from forearm.serve.server import Server
from forearm.world_model.config import ModelConfig
from forearm.world_model.model.jepa import JEPA
from forearm.world_model.runtime.checkpoint import save_checkpoint

HORIZON = 16
Serving = Callable[..., Server]


def frame(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (64, 64, 3), dtype=np.uint8)


def planner(**changes: Any) -> dict[str, Any]:
    return {**planner_config("cem"), "samples": 16, "elites": 4, "iterations": 2, **changes}


@pytest.fixture(scope="session")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    """A tiny, untrained world model."""
    torch.manual_seed(0)
    model = JEPA(ModelConfig(width=8, latent_dim=16, predictor_width=32))
    for weights in model.predictor.parameters():
        torch.nn.init.normal_(weights, std=0.1)
    path = tmp_path_factory.mktemp("checkpoint") / "push"
    description = {
        "task": "push",
        "camera": "observation.images.front",
        "control_period": 0.1,
        "action_names": ["dx", "dy", "dz", "gripper"],
    }
    save_checkpoint(model.eval(), path, description)
    return LoadedModel({**task_config("push"), "checkpoint": f"{path}.json"})


@pytest.fixture(scope="session")
def goal_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("goals")
    for number, name in enumerate(("left", "right")):
        Image.fromarray(frame(100 + number)).save(folder / f"{name}.png")
    return folder


@pytest.fixture
def serving(loaded: LoadedModel, goal_folder: Path) -> Iterator[Serving]:
    """Starts servers on free ports of loopback; all are ended after the test."""
    with ExitStack() as stack:

        def start(search: dict[str, Any] | None = None, **settings: Any) -> Server:
            config = ServeConfig(**{"port": 0, **settings})
            server = Server(loaded.setup(search or planner()), config, Goals(goal_folder, loaded))
            return stack.enter_context(running(server))

        yield start
