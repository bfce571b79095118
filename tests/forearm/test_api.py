from pathlib import Path
from typing import Any

import numpy as np
import pytest

import forearm
from forearm import ForearmError


def test_everything_promised_is_there() -> None:
    assert all(hasattr(forearm, name) for name in forearm.__all__)
    with pytest.raises(AttributeError):
        _ = forearm.nothing  # type: ignore[attr-defined]


def test_a_plan_in_a_few_lines(checkpoints: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from forearm import planning

    brain = forearm.load(f"{checkpoints}/push.json")
    monkeypatch.setattr(planning, "load", lambda task: brain)
    env = forearm.make_env("push")
    observation, info = env.reset(seed=1)
    plan = forearm.plan(observation["pixels"], info["goal"], task="push", planner="cem", deadline_ms=1000)
    assert plan.actions.shape[1] == 4
    assert np.abs(plan.actions).max() <= 1
    assert plan.deadline_ms == 1000 and plan.checkpoint
    env.close()


def test_what_a_brain_refuses(checkpoints: Path) -> None:
    brain = forearm.load(f"{checkpoints}/push.json")
    frame = np.zeros((64, 64, 3), np.uint8)
    with pytest.raises(ForearmError, match=r"goal is float64 .* expects uint8 \(64, 64, 3\)"):
        brain.plan(frame, np.zeros((64, 64, 3)))
    with pytest.raises(ForearmError, match="no setting 'sample'"):
        brain.plan(frame, frame, sample=3)
    with pytest.raises(ForearmError, match="did you mean 'mppi'"):
        brain.plan(frame, frame, planner="mpi")
    with pytest.raises(ForearmError, match="did you mean 'reach'"):
        forearm.load("rech")
    with pytest.raises(ForearmError, match="made for task push, not reach"):
        forearm.load(f"{checkpoints}/push.json", task="reach")


def test_compare_from_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from forearm import comparison as engine

    monkeypatch.setattr(engine, "run_jobs", lambda function, jobs, workers: map(function, jobs))
    settings: dict[str, Any] = {"episodes": 2, "baselines": ["expert"], "films": 0}
    with pytest.raises(ForearmError, match="no key 'episods'"):
        forearm.compare("push", "cem", out=tmp_path, episods=2)
    with pytest.raises(Exception, match="no checkpoint"):
        forearm.compare("push", "cem", out=tmp_path, **{"push.checkpoint": "/nowhere.json", **settings})
