import os
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
import torch

from forearm.cli.main import main
from forearm.world_model.config import ModelConfig
from forearm.world_model.model.jepa import JEPA
from forearm.world_model.runtime.checkpoint import save_checkpoint

Failing = Callable[..., str]


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with a tiny, untrained `reach.json` and `push.json`."""
    folder = tmp_path_factory.mktemp("checkpoints")
    torch.manual_seed(0)
    for task in ("reach", "push"):
        model = JEPA(ModelConfig(width=8, latent_dim=16, predictor_width=32))
        for weights in model.predictor.parameters():
            # The predictor starts as the identity; with that no action would make a difference.
            torch.nn.init.normal_(weights, std=0.1)
        description = {"task": task, "camera": "observation.images.front", "control_period": 0.1}
        save_checkpoint(model.eval(), folder / task, description)
    return folder


@pytest.fixture
def failing(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Failing:
    """Run a command line that must fail as a user's error does; gives the one line that it says."""
    monkeypatch.delenv("FOREARM_DEBUG", raising=False)

    def run(*words: object) -> str:
        capsys.readouterr()
        code = main([str(word) for word in words])
        stderr = capsys.readouterr().err
        assert code == 2, stderr
        assert stderr.count("\n") == 1 and stderr.startswith("forearm: ")
        assert "Traceback" not in stderr
        return stderr

    return run
