import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import forearm
from forearm import ForearmError
from forearm.world_model.config import ModelConfig
from forearm.world_model.model.jepa import JEPA
from forearm.world_model.runtime.checkpoint import save_checkpoint


def test_everything_promised_is_there() -> None:
    assert all(hasattr(forearm, name) for name in forearm.__all__)
    with pytest.raises(AttributeError):
        _ = forearm.nothing  # type: ignore[attr-defined]


def test_a_plan_in_a_few_lines(checkpoints: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from forearm.agent import loaded_model as planning

    loaded = forearm.load(f"{checkpoints}/push.json")
    monkeypatch.setattr(planning, "load", lambda task: loaded)
    env = forearm.make_env("push")
    observation, info = env.reset(seed=1)
    plan = forearm.plan(observation["pixels"], info["goal"], task="push", planner="cem", deadline_ms=1000)
    assert plan.actions.shape[1] == 4
    assert np.abs(plan.actions).max() <= 1
    assert plan.deadline_ms == 1000 and plan.checkpoint
    env.close()


def test_what_a_brain_refuses(checkpoints: Path) -> None:
    loaded = forearm.load(f"{checkpoints}/push.json")
    frame = np.zeros((64, 64, 3), np.uint8)
    with pytest.raises(ForearmError, match=r"goal is float64 .* a frame is uint8 \(height, width, 3\)"):
        loaded.plan(frame, np.zeros((64, 64, 3)))
    with pytest.raises(ForearmError, match="no setting 'sample'"):
        loaded.plan(frame, frame, sample=3)
    with pytest.raises(ForearmError, match="did you mean 'mppi'"):
        loaded.plan(frame, frame, planner="mpi")
    with pytest.raises(ForearmError, match="did you mean 'reach'"):
        forearm.load("rech")
    with pytest.raises(ForearmError, match="made for task push, not reach"):
        forearm.load(f"{checkpoints}/push.json", task="reach")


def test_a_checkpoint_is_read_once(checkpoints: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from forearm.world_model.runtime import checkpoint

    for suffix in ("json", "safetensors"):
        shutil.copy(checkpoints / f"push.{suffix}", tmp_path)
    read: list[Any] = []
    weights = checkpoint.read_weights
    monkeypatch.setattr(checkpoint, "read_weights", lambda *of: read.append(of) or weights(*of))
    assert forearm.load(f"{tmp_path}/push.json").task["name"] == "push" and len(read) == 1


def test_compare_from_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from forearm.evaluation import comparison as engine

    monkeypatch.setattr(engine, "run_jobs", lambda function, jobs, workers: map(function, jobs))
    settings: dict[str, Any] = {"episodes": 2, "baselines": ["expert"], "films": 0}
    with pytest.raises(ForearmError, match="no key 'episods'"):
        forearm.compare("push", "cem", out=tmp_path, episods=2)
    with pytest.raises(Exception, match="no checkpoint"):
        forearm.compare("push", "cem", out=tmp_path, **{"push.checkpoint": "/nowhere.json", **settings})


def test_a_checkpoint_that_was_trained_again_is_read_again(tmp_path: Path) -> None:
    description = {"task": "reach", "camera": "observation.images.front", "control_period": 0.1}
    path = tmp_path / "run" / "model"
    frame = np.zeros((64, 64, 3), np.uint8)
    loaded_models, plans = [], []
    for seed in range(2):
        torch.manual_seed(seed)
        model = JEPA(ModelConfig(width=8, latent_dim=16, predictor_width=32)).eval()
        for weights in model.predictor.parameters():
            torch.nn.init.normal_(weights, std=0.1)
        save_checkpoint(model, path, description)
        loaded_models.append(forearm.load(path.parent))
        plans.append(loaded_models[-1].plan(frame, frame + 99, planner="cem", samples=16, elites=4, iterations=2))
        assert forearm.load(path.parent).model is loaded_models[-1].model  # what has not changed is read once
    first, second = loaded_models
    assert first.document["weights_sha256"] != second.document["weights_sha256"]
    assert not np.array_equal(plans[0].actions, plans[1].actions)
    # One that was loaded before stays what it was.
    again = first.plan(frame, frame + 99, planner="cem", samples=16, elites=4, iterations=2)
    assert np.array_equal(again.actions, plans[0].actions) and again.checkpoint == plans[0].checkpoint
