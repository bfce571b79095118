"""What commands of anybody's data do to a model: bounds, scale, rest, and what the checkpoint says about them."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

import forearm
from forearm.world_model.config import LossConfig, ModelConfig, TrainConfig
from forearm.world_model.data import DatasetError, DatasetWriter, Episode, WindowSampler, open_cache
from forearm.world_model.data.merging import merge
from forearm.world_model.heads.training import HeadsTraining, train_heads
from forearm.world_model.runtime.checkpoint import CheckpointError, load_checkpoint
from forearm.world_model.runtime.tracker import LatentTracker
from forearm.world_model.training.normalisation import command_scale, known_commands
from forearm.world_model.training.run import train
from forearm.world_model.training.trainer import Training
from tests.world_model.foreign import write

pytestmark = pytest.mark.usefixtures("one_thread")
LENGTHS = (9, 8, 10)


def trained(data, out, **more):
    """A tiny model, after one step; its description."""
    size, side = more.pop("action_dim", 3), more.pop("resolution", 32)
    config = ModelConfig(
        resolution=side, width=8, latent_dim=8, predictor_width=16, action_dim=size, history=2, frameskip=1
    )
    few = TrainConfig(steps=1, batch=8, warmup=1, validation=0.34)
    training = Training(
        data=data, out=out, model=config, loss=LossConfig(rollout=1, directions=4), train=few,
        description={"task": "own"}, **more,
    )  # fmt: skip
    train(training, device="cpu")
    return json.loads((out / "model.json").read_text(), parse_constant=pytest.fail)


def recorded(root, action, **more):
    return write(root, {"action": action.astype(np.float32), **more}, LENGTHS)


def uniform(low, high, seed=0):
    return np.random.default_rng(seed).uniform(low, high, (27, len(low))).astype(np.float32)


def test_small_commands_are_bounded_by_the_data_and_an_idle_one_stays(tmp_path):
    action = uniform([0.2, -0.3, 0.1], [0.6, 0.1, 0.1])
    document = trained(recorded(tmp_path / "a", action), tmp_path / "out", resolution=64)
    assert document["action_low"] == action.min(0).tolist() and document["action_high"] == action.max(0).tolist()
    loaded, frame = forearm.load(str(tmp_path / "out/model.json")), np.zeros((64, 64, 3), np.uint8)
    for planner in ("cem", "mppi", "cma_es", "gauss_newton", "gradient"):
        plan = loaded.plan(frame, frame + 9, planner=planner)
        assert (plan.actions >= action.min(0)).all() and (plan.actions <= action.max(0)).all()
        assert (plan.actions[:, 2] == action[0, 2]).all()


def test_the_zeros_behind_the_last_command_count_nowhere(tmp_path):
    rng = np.random.default_rng(0)
    writer = DatasetWriter(
        tmp_path / "a", fps=10, resolution=16, state_names=["a"], action_names=["x", "y"], task="own", total_episodes=3,
        fingerprint={},
    )  # fmt: skip
    action = rng.uniform(5, 6, (3, 8, 2)).astype(np.float32)
    pixels = rng.integers(0, 256, (3, 9, 16, 16, 3)).astype(np.uint8)
    episodes = [Episode(p, np.zeros((9, 1), np.float32), a) for p, a in zip(pixels, action, strict=True)]
    writer.write_shard(0, episodes)
    writer.finalise()
    merge([tmp_path / "a", tmp_path / "a"], tmp_path / "m")
    for name in "am":
        document = trained(tmp_path / name, tmp_path / f"out-{name}", action_dim=2)
        assert document["action_low"] == action.min((0, 1)).tolist()
        model = load_checkpoint(tmp_path / f"out-{name}")[0]
        torch.testing.assert_close(model.action_mean, torch.tensor(action.mean((0, 1))))
        torch.testing.assert_close(model.action_std, torch.tensor(action.std((0, 1))))


def test_a_last_command_that_was_given_counts(tmp_path):
    action = uniform([1.0, 1.0, 1.0], [2.0, 2.0, 2.0])
    action[8, 0], action[16] = 9.0, 0.0
    cache = open_cache(recorded(tmp_path / "a", action))
    assert np.array_equal(known_commands(WindowSampler(cache, 1, 1, 1), 1.0), np.delete(action, 16, axis=0))
    document = trained(recorded(tmp_path / "b", action), tmp_path / "out")
    assert document["action_high"][0] == 9.0 and min(document["action_low"]) >= 1.0


def test_data_may_say_what_was_possible(tmp_path):
    """As simulators do: what was recorded need not have come near."""
    action = uniform([-0.4] * 3, [0.4] * 3)
    roots = [recorded(tmp_path / name, action) for name in "ab"]
    for root in roots:
        path = root / "meta/info.json"
        info = json.loads(path.read_text())
        info["features"]["action"]["bounds"] = {"low": [-1, -1, -1], "high": [1, 1, 2]}
        path.write_text(json.dumps(info))
    merge(roots, tmp_path / "m")
    for name in "am":
        document = trained(tmp_path / name, tmp_path / f"out-{name}")
        assert (document["action_low"], document["action_high"]) == ([-1, -1, -1], [1, 1, 2])
        assert "action_rest" not in document


def test_what_was_collected_before_bounds_were_written_down_is_between_minus_one_and_one(tmp_path):
    root = recorded(tmp_path / "a", uniform([-0.4] * 3, [0.4] * 3))
    (root / "meta/collection.json").write_text(json.dumps({"fingerprint": {"policy": "explorer"}}))
    assert open_cache(root).action_bounds == ((-1.0,) * 3, (1.0,) * 3)


def test_of_several_tasks_the_bounds_hold_all(tmp_path):
    a, b = uniform([0.2, 0.0, 0.5], [0.6, 1.0, 0.5]), uniform([-0.1, 0.2, 0.7], [0.3, 0.4, 0.7], 1)
    roots = {name: recorded(tmp_path / name, action) for name, action in (("a", a), ("b", b))}
    document = trained(roots, tmp_path / "out", episodes=[[0, 1], [1, 2]])
    used = np.concatenate([a[:17], b[9:]])
    assert document["action_low"] == used.min(0).tolist() and document["action_high"] == used.max(0).tolist()
    assert document["dataset"]["episodes"] == 4


def test_before_an_episode_stands_the_command_nearest_to_zero(tmp_path):
    action = uniform([50, -3, -9], [60, 2, -4])
    document = trained(recorded(tmp_path / "a", action), tmp_path / "out")
    rest = [action[:, 0].min(), 0.0, action[:, 2].max()]
    assert document["action_rest"] == [float(value) for value in rest]
    model, _ = load_checkpoint(tmp_path / "out")
    tracker = LatentTracker(model)
    tracker.begin(np.zeros((32, 32, 3), np.uint8))
    assert torch.equal(tracker.state().actions[0], torch.tensor([rest]))
    sampler = WindowSampler(open_cache(tmp_path / "a"), 2, 1, 1)
    sampler.rest_at(np.array(rest, np.float32))
    assert np.array_equal(sampler.gather(np.array([0]))["actions"][0, 0], np.array(rest, np.float32))
    broken = tmp_path / "out/model.json"
    broken.write_text(json.dumps({**document, "action_rest": [1.0]}))
    with pytest.raises(CheckpointError, match=r"action_rest is .* expected 3 numbers"):
        load_checkpoint(tmp_path / "out")


@pytest.mark.parametrize("unit", [1e-6, 1e-3, 1.0, 1e3])
def test_commands_of_any_unit_are_scaled_to_one(tmp_path, unit):
    action = uniform([-1, 2, 0.1], [1, 3, 0.1]) * np.float32(unit)
    trained(recorded(tmp_path / "a", action), tmp_path / "out")
    model, _ = load_checkpoint(tmp_path / "out")
    blocks = model.blocks(torch.tensor(action))
    torch.testing.assert_close(blocks[:, :2].std(0, correction=0), torch.ones(2), atol=1e-3, rtol=0)
    assert model.action_std[2] == 1.0 and blocks[:, 2].abs().max() < 1e-3


def test_rounding_is_no_movement():
    found = {"min": [1e6, 0.0, -1.0], "max": [1e6 + 0.06, 0.0, 1.0], "std": [0.02, 0.0, 0.5]}
    assert command_scale(found).tolist() == [1.0, 1.0, 0.5]


def test_only_what_is_known_to_be_metres_is_reported_in_millimetres(tmp_path):
    rng = np.random.default_rng(0)
    more = {
        name: rng.normal(size=(27, 3)).astype(np.float32) for name in ("gripper_position", "tool_place", "tcp_position")
    }
    more["tool_place"][4, 1] = np.nan
    names = {name: ["x", "y", "z"] for name in more}
    root = write(tmp_path / "a", {"action": uniform([0] * 3, [1] * 3), **more}, LENGTHS, names=names)
    path = root / "meta/info.json"
    info = json.loads(path.read_text())
    info["features"]["tool_place"]["unit"] = "m"
    path.write_text(json.dumps(info))
    metrics = trained(root, tmp_path / "out")["metrics"]
    assert set(metrics["probe_mm"]) == {"tool_place"}
    assert all(np.isfinite(value) for value in metrics["probe_mm"]["tool_place"].values())


def test_a_place_that_is_never_known_is_left_out(tmp_path):
    place = np.full((27, 3), np.nan, np.float32)
    root = write(tmp_path / "a", {"action": uniform([0] * 3, [1] * 3), "tool_place": place}, LENGTHS)
    path = root / "meta/info.json"
    path.write_text(path.read_text().replace('"tool_place": {', '"tool_place": {"unit": "m", '))
    assert trained(root, tmp_path / "out")["metrics"]["probe_mm"] == {}


def test_a_run_of_other_columns_or_episodes_is_not_gone_on_with(tmp_path):
    root = write(tmp_path / "a", {"left": uniform([0], [1]), "right": uniform([0, 1], [1, 2])}, LENGTHS)
    document = trained(root, tmp_path / "out", action_key=["right", "left"], exclude=[1])
    assert document["dataset"]["chosen"] == {"action_key": ["right", "left"], "exclude": [1]}
    assert document["dataset"]["episodes"] == 2 and document["action_names"] == ["right.0", "right.1", "left.0"]
    for other in ({"action_key": ["left", "right"], "exclude": [1]}, {"action_key": ["right", "left"]}):
        with pytest.raises(DatasetError, match=r"other settings .*(action_key|exclude) was"):
            trained(root, tmp_path / "out", **other)


def test_a_checkpoint_says_how_large_the_frames_were_and_how_they_were_resized(tmp_path):
    root = recorded(tmp_path / "data", uniform([-1] * 3, [1] * 3))
    document = trained(root, tmp_path / "out", resolution=64)
    height, width = open_cache(root, 64).source_resolution
    assert document["frames"] == {"resize": "area", "recorded": [[height, width]]}
    assert not forearm.load(tmp_path / "out").fit.note((3 * height, 3 * width))
    kept = json.loads((tmp_path / "out/model.json").read_text())
    (tmp_path / "out/model.json").write_text(json.dumps({**kept, "frames": {"resize": "cubic"}}))
    with pytest.raises(ValueError, match="resized by 'cubic'"):
        forearm.load(tmp_path / "out")


def test_heads_take_the_columns_and_the_camera_of_their_checkpoint(tmp_path):
    columns = {"left": uniform([0], [1]), "right": uniform([0, 1], [1, 2])}
    cameras = {"top": "image", "wrist": "image"}
    root = write(tmp_path / "a", columns, LENGTHS, cameras=cameras)
    trained(root, tmp_path / "out", action_key=["right", "left"], camera_key="wrist")
    training = HeadsTraining(tmp_path / "out", root, tmp_path / "out/model.heads.json", validation=0.34, exclude=[1])
    few = {"steps": 1, "batch": 4, "farthest": 3}
    training = replace(
        training, prior=replace(training.prior, horizon=2, **few), distance=replace(training.distance, **few)
    )
    train_heads(training)
    heads = json.loads((tmp_path / "out/model.heads.json").read_text(), parse_constant=pytest.fail)
    assert heads["action_dim"] == 3 and heads["dataset"]["episodes"] == 2
