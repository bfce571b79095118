"""Heads are kept beside a checkpoint, and serve no other."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from forearm.world_model.config import ModelConfig
from forearm.world_model.data import DatasetError, open_cache
from forearm.world_model.heads.action_prior import ActionPrior, PriorConfig
from forearm.world_model.heads.checkpoint import Heads, heads_path, load_heads, save_heads
from forearm.world_model.heads.distance import DistanceConfig
from forearm.world_model.heads.distances import make_distance
from forearm.world_model.heads.training import HeadsTraining, train_heads
from forearm.world_model.heads.trajectories import encode_episodes
from forearm.world_model.model.jepa import JEPA
from forearm.world_model.runtime.checkpoint import (
    CheckpointError,
    load_checkpoint,
    pretrained_folder,
    save_checkpoint,
    shipped,
)

MODEL = ModelConfig(width=8, latent_dim=6, predictor_width=16, resolution=32)
SHA = "0123456789abcdef" * 4
SMALL = {"width": 32, "steps": 200, "batch": 64}


def untrained(kind="reachability", readings=0):
    torch.manual_seed(0)
    prior = ActionPrior(6, 4, PriorConfig(horizon=5, width=8), readings)
    distance = make_distance(6, DistanceConfig(kind=kind, farthest=7, width=8))
    return Heads(prior.eval(), distance.eval(), torch.arange(6.0), torch.eye(6))


@pytest.mark.parametrize(("kind", "readings"), [("reachability", 0), ("quasimetric", 0), ("reachability", 3)])
def test_what_was_saved_is_loaded(tmp_path, kind, readings):
    heads, path = untrained(kind, readings), tmp_path / "a.b.heads.json"
    save_heads(heads, path, SHA, {"task": "push", "metrics": {"prior_nats": 0.5}})
    assert {file.name for file in tmp_path.iterdir()} == {"a.b.heads.json", "a.b.heads.safetensors"}
    again = load_heads(path, SHA)
    latents, goals, noise = torch.randn(3, 6), torch.randn(3, 6), torch.randn(3, 2, 5, 4)
    states = torch.cat([latents, torch.randn(3, readings)], dim=1)
    assert torch.equal(again.prior.sample(states, goals, noise), heads.prior.sample(states, goals, noise))
    with torch.no_grad():
        assert torch.equal(again.distance(latents, goals), heads.distance(latents, goals))
    assert torch.equal(again.mean, heads.mean) and torch.equal(again.covariance, heads.covariance)
    assert again.document["task"] == "push" and again.document["world_model_sha256"] == SHA
    assert not any(p.requires_grad for module in (again.prior, again.distance) for p in module.parameters())


def test_heads_of_another_world_model_are_refused(tmp_path):
    path = tmp_path / "m.heads.json"
    save_heads(untrained(), path, SHA, {})
    with pytest.raises(CheckpointError, match=r"trained on the world model 0123456789abcdef, not on ffffffffffffffff"):
        load_heads(path, "f" * 64)


def test_damage_is_named(tmp_path):
    path = tmp_path / "m.heads.json"
    with pytest.raises(CheckpointError, match="no such file"):
        load_heads(path, SHA)
    save_heads(untrained(), path, SHA, {})
    good, weights = json.loads(path.read_text()), path.with_suffix(".safetensors")

    def refused(document, message):
        path.write_text(document if isinstance(document, str) else json.dumps(document))
        with pytest.raises(CheckpointError, match=message):
            load_heads(path, SHA)

    refused("{", "is not a file of heads")
    refused({**good, "format": 9}, "has format 9, this version reads 1")
    refused({key: value for key, value in good.items() if key != "prior"}, "is not a file of heads")
    refused({**good, "distance": {"kind": "euclid"}}, "is not a file of heads .*euclid")
    refused({**good, "latent_dim": 7}, "does not fit the architecture")
    path.write_text(json.dumps(good))
    kept = weights.read_bytes()
    weights.write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
    with pytest.raises(CheckpointError, match=r"is not the file that m\.heads\.json describes"):
        load_heads(path, SHA)
    weights.unlink()
    with pytest.raises(CheckpointError, match=r"it belongs beside m\.heads.json"):
        load_heads(path, SHA)


def test_a_checkpoint_is_the_same_with_heads_beside_it(tmp_path):
    save_checkpoint(JEPA(MODEL), tmp_path / "model", {"task": "push"})
    before = {file: file.read_bytes() for file in tmp_path.iterdir()}
    document = load_checkpoint(tmp_path)[1]
    path = heads_path(tmp_path)
    assert path == tmp_path / "model.heads.json" == heads_path(tmp_path / "model.safetensors")
    save_heads(untrained(), path, document["weights_sha256"], {})
    assert all(file.read_bytes() == content for file, content in before.items())
    assert load_checkpoint(tmp_path)[1] == document
    load_heads(path, document["weights_sha256"])
    with pytest.raises(CheckpointError, match="not a forearm checkpoint"):
        load_checkpoint(path)


def test_shipped_heads_are_small_belong_to_their_checkpoint_and_are_no_checkpoints():
    assert not [name for name in shipped() if "heads" in name]
    found = list(pretrained_folder().glob("*.heads.json"))
    names = {path.name.removesuffix(".heads.json") for path in found}
    assert names == {
        "push", "reach", "pick_place", "fetch-push", "fetch-reach", "fetch-pick-and-place", "metaworld-drawer-open-v3",
        "metaworld-push-v3", "metaworld-reach-v3", "metaworld-reach-wall-v3", "ogbench-cube-single", "pusht",
    }  # fmt: skip
    for path in found:
        assert path.with_suffix(".safetensors").stat().st_size < 4e6
        model, document = load_checkpoint(path.name.removesuffix(".heads.json"))
        heads = load_heads(path, document["weights_sha256"])
        metrics = heads.document["metrics"]
        assert metrics["prior_nats"] < metrics["marginal_nats"]
        assert metrics["distance_ordered"] > metrics["latent_ordered"]
        goal = torch.randn(4, model.config.latent_dim)
        assert heads.distance(goal, goal).shape == (4,)


def test_training_from_video_beats_what_knows_no_latents(squares, tmp_path):
    torch.manual_seed(0)
    model, frames = JEPA(MODEL), torch.from_numpy(np.array(open_cache(squares, resolution=32).frames[::4]))
    with torch.no_grad():
        for _ in range(40):
            model.train().encode(frames)  # latents of unit variance, as in a trained model
    save_checkpoint(model.eval(), tmp_path / "model", {"camera": "observation.images.front"})
    told = []
    report = train_heads(
        HeadsTraining(
            tmp_path, squares, heads_path(tmp_path),
            PriorConfig(horizon=6, farthest=8, **SMALL), DistanceConfig(farthest=8, **SMALL), validation=0.2,
        ),
        lambda what, done, of: told.append((what, done, of)),
    )  # fmt: skip
    heads = load_heads(heads_path(tmp_path), load_checkpoint(tmp_path)[1]["weights_sha256"])
    assert heads.document["metrics"] == report and heads.document["dataset"]["episodes"] == 40
    assert report["distance_ordered"] > 0.55 and report["prior_nats"] < report["marginal_nats"], report
    assert torch.isfinite(heads.mean).all() and torch.linalg.eigvalsh(heads.covariance).min() > -1e-6
    assert {"encoding frames", "action prior", "distance"} <= {what for what, _, _ in told}
    assert ("distance", 200, 200) in told


def test_data_that_does_not_fit_is_refused(squares, tmp_path):
    save_checkpoint(JEPA(MODEL).eval(), tmp_path / "model", {"camera": "observation.images.side"})
    with pytest.raises(DatasetError, match=r"filmed by observation.images.front.*trained on observation.images.side"):
        train_heads(HeadsTraining(tmp_path, squares, heads_path(tmp_path)))
    slower = {"camera": "observation.images.front", "control_period": 0.25}
    save_checkpoint(JEPA(MODEL).eval(), tmp_path / "model", slower)
    with pytest.raises(DatasetError, match=r"one command every 100 ms, but checkpoint .* on one every 250 ms"):
        train_heads(HeadsTraining(tmp_path, squares, heads_path(tmp_path)))
    other = ModelConfig(width=8, latent_dim=6, predictor_width=16, resolution=32, action_dim=3)
    save_checkpoint(JEPA(other).eval(), tmp_path / "model", {"camera": "observation.images.front"})
    with pytest.raises(DatasetError, match="actions have 4 numbers, the model expects 3"):
        train_heads(HeadsTraining(tmp_path, squares, heads_path(tmp_path)))


def test_episodes_are_encoded_with_the_joint_readings_that_the_model_uses(squares):
    cache = open_cache(squares, resolution=32)
    model = JEPA(replace(MODEL, proprio_dim=cache.state.shape[1])).eval()
    model.proprio_mean.fill_(0.5)
    model.proprio_std.fill_(2.0)
    data = encode_episodes(model, cache, np.array([1]))
    rows = cache.rows(np.array([1]))
    torch.testing.assert_close(data.readings, (torch.from_numpy(cache.state[rows]) - 0.5) / 2.0)
    assert data.states(torch.tensor([0, 3])).shape == (2, 6 + cache.state.shape[1])
    assert encode_episodes(JEPA(MODEL).eval(), cache, np.array([1])).readings is None
    with pytest.raises(DatasetError, match="joint readings, the model expects 9"):
        encode_episodes(JEPA(replace(MODEL, proprio_dim=9)), cache, np.array([1]))
