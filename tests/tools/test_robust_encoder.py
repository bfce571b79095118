"""An encoder that is taught to see the same: the experiment runs, and what it made and ships does."""

from pathlib import Path

import numpy as np
import pytest
import torch

from forearm import envs
from forearm.envs.variation.factors import Variation
from forearm.envs.varied import VariedEnvironment
from forearm.world_model.model.jepa import JEPA
from forearm.world_model.runtime.checkpoint import load_checkpoint
from tools.experiments.robust_encoder import in_other_light, main


def test_the_experiment_makes_a_checkpoint_that_plans_with_what_stood_on_the_latents(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [f"out={tmp_path}", "episodes=2", "updates=3", "batch=8", "rate=0.0001"]
    assert main(words) == 0
    made, document = load_checkpoint(tmp_path)
    teacher, theirs = load_checkpoint("push")
    assert document["model"]["balance"] and "metrics" not in document
    assert document["robust_encoder"]["teacher"] == theirs["weights_sha256"]
    ours = made.state_dict()
    changed = {key.partition(".")[0] for key, value in teacher.state_dict().items() if not ours[key].equal(value)}
    assert changed == {"encoder", "project"}
    assert "of 3" not in capsys.readouterr().out  # no line before a hundred updates
    frames = np.load(tmp_path / "frames.npy")
    assert frames.shape == (102, 3, 64, 64, 3)
    assert main(words) == 0  # on what was filmed before
    again = load_checkpoint(tmp_path)[0].state_dict()
    assert all(again[key].equal(value) for key, value in ours.items())


def test_unknown_words_are_told() -> None:
    with pytest.raises(SystemExit, match="unknown: epochs"):
        main(["epochs=3"])


def test_some_frames_keep_their_light() -> None:
    frames = torch.full((400, 4, 4, 3), 100, dtype=torch.uint8)
    lit = in_other_light(frames, torch.Generator().manual_seed(0)).float().mean((1, 2, 3))
    assert 0.2 < float((lit == 100).float().mean()) < 0.35
    assert lit.min() < 65 and lit.max() > 135


@pytest.mark.parametrize(("factor", "strength"), [("table", 1.0), ("object", 1.0), ("light", 0.7)])
def test_what_ships_sees_the_same_whatever_it_looks_like(factor: str, strength: float) -> None:
    env = envs.make("push")
    wrong: dict[str, list[float]] = {"push": [], "push-robust": []}
    models: dict[str, JEPA] = {name: load_checkpoint(name)[0] for name in wrong}
    for seed in range(8):
        plain = env.reset(seed=seed)[0]["pixels"]
        varied = VariedEnvironment(env, Variation(factor, strength))
        frame = varied.vary(np.random.default_rng(seed))["pixels"]
        varied.restore_nominal()
        wanted = models["push"].encode(plain[None])
        for name, model in models.items():
            wrong[name].append(float((model.encode(frame[None]) - wanted).square().mean()))
    env.close()
    assert np.mean(wrong["push-robust"]) < 0.02 < 0.2 < np.mean(wrong["push"])  # latents have unit variance
