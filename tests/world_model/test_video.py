"""Frames alone teach an encoder, and an encoder that is kept teaches the rest on few episodes with commands."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from forearm.world_model import CheckpointError, LatentDynamics, LossConfig, ModelConfig, TrainConfig, load_checkpoint
from forearm.world_model.data import DatasetError, open_cache, share_of, split_episodes
from forearm.world_model.model.jepa import ENCODING
from forearm.world_model.training.run import STATE_FILE, train
from forearm.world_model.training.warm_start import Init
from tests.world_model.trainee import LOSS, MODEL, training_of

pytestmark = pytest.mark.usefixtures("one_thread")
SHORT = LossConfig(rollout=2, directions=32)
SILENT = replace(MODEL, action_dim=0)


def filmed_alone(data, out, steps, model=SILENT, **more):
    return replace(training_of(data, out, steps, loss=SHORT, **more), model=model)


def begun_with(data, out, steps, init, freeze=True, **more):
    return replace(training_of(data, out, steps, **more), init=Init(str(init), freeze))


def weights(out, *parts):
    return {k: v for k, v in load_checkpoint(out)[0].state_dict().items() if k.startswith(parts or "")}


def equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


@pytest.fixture(scope="module")
def silent(squares, tmp_path_factory):
    """The squares without a column of actions."""
    root = tmp_path_factory.mktemp("silent") / "squares"
    shutil.copytree(squares, root, ignore=shutil.ignore_patterns(".cache"))
    info = json.loads((root / "meta/info.json").read_text())
    del info["features"]["action"]
    (root / "meta/info.json").write_text(json.dumps(info))
    for path in root.glob("data/*/*.parquet"):
        pq.write_table(pq.read_table(path).drop_columns(["action"]), path)
    return root


@pytest.fixture(scope="module")
def video(silent, tmp_path_factory):
    torch.set_num_threads(1)
    out = tmp_path_factory.mktemp("video")
    return out, train(filmed_alone(silent, out, 250, batch=32))


def test_frames_alone_are_learned_from_without_collapse(video):
    _, report = video
    assert report["error"][0] < 0.75 * report["copy_last"][0]
    assert report["effective_rank"] > 1.5
    assert report["probe_mm"]["object_position"]["mlp"] < 3  # pixels


@pytest.mark.parametrize("inferred_dim", [0, 2])
def test_actions_are_ignored_where_there_are_some(squares, silent, tmp_path, inferred_dim):
    model = replace(SILENT, inferred_dim=inferred_dim)
    reports = [
        train(filmed_alone(data, tmp_path / data.parent.name, 4, model)) for data in (squares, silent)
    ]  # their data are told apart by the fingerprint alone
    assert reports[0] == reports[1]
    assert equal(weights(tmp_path / squares.parent.name), weights(tmp_path / silent.parent.name))
    document = load_checkpoint(tmp_path / squares.parent.name)[1]
    assert document["action_names"] is None and "action_low" not in document


def test_video_with_and_without_actions_is_learned_from_together(squares, silent, tmp_path):
    both = replace(filmed_alone(squares, tmp_path, 4), data={"moved": squares, "silent": silent})
    train(both)
    found = load_checkpoint(tmp_path)[1]["dataset"]
    assert found["learned_from"] == 76 and set(found["tasks"]) == {"moved", "silent"}
    with pytest.raises(DatasetError, match="has no actions"):
        train(replace(both, model=MODEL, out=tmp_path / "other"))


def test_what_was_done_between_two_frames_can_be_inferred(squares, tmp_path, video):
    report = train(filmed_alone(squares, tmp_path, 150, replace(SILENT, inferred_dim=2), batch=32))
    blind = video[1]["error"][0] / video[1]["copy_last"][0]
    assert report["error"][0] / report["copy_last"][0] < blind  # in fewer steps


def test_an_encoder_that_is_kept_does_not_change_and_one_that_is_not_does(squares, video, tmp_path):
    out, _ = video
    train(begun_with(squares, tmp_path / "kept", 12, out))
    train(begun_with(squares, tmp_path / "tuned", 12, out, freeze=False))
    before = weights(out, *ENCODING)
    assert equal(weights(tmp_path / "kept", *ENCODING), before)
    assert not equal(weights(tmp_path / "tuned", *ENCODING), before)
    kept, document = load_checkpoint(tmp_path / "kept")
    assert torch.equal(kept.step_covariance, load_checkpoint(out)[0].step_covariance)
    assert document["init"]["weights_sha256"] == load_checkpoint(out)[1]["weights_sha256"]
    assert str(out) not in json.dumps(document)  # where it lay is nobody's business but this machine's


def test_latents_that_are_kept_are_those_of_the_frames(squares, video, tmp_path):
    model = load_checkpoint(video[0])[0]
    model.fix_encoder()
    frames = np.array(open_cache(squares, 32).frames[:40])
    assert not model.train().norm.training and model.kept is not None and model.kept[1] == (8,)
    found = model.latents({"features": torch.from_numpy(model.features(frames))[None]})[0]
    assert torch.allclose(found, model.encode(frames), atol=2e-3)  # half precision


@pytest.mark.parametrize("freeze", [True, False])
def test_a_killed_run_from_an_encoder_goes_on_to_the_same_weights(squares, video, tmp_path, freeze):
    class Killed(Exception):
        pass

    def kill(progress):
        if progress.step == 7:
            raise Killed

    def settings(name, share=0.4):
        return begun_with(squares, tmp_path / name, 12, video[0], freeze, share=share)

    whole = train(settings("whole"), every=1)
    with pytest.raises(Killed):
        train(settings("killed"), every=1, on_progress=kill)
    assert train(settings("killed"), every=1) == whole
    assert equal(weights(tmp_path / "killed"), weights(tmp_path / "whole"))
    for other, complaint in [
        (settings("killed", 0.5), "train.share was 0.4, is 0.5"),
        (replace(settings("killed"), init=None), "init.weights_sha256 was [0-9a-f]{64}, is None"),
        (
            begun_with(squares, tmp_path / "killed", 12, tmp_path / "whole", freeze, share=0.4),
            "init.weights_sha256 was",
        ),
    ]:
        with pytest.raises(DatasetError, match=complaint):
            train(other)


def test_states_of_runs_before_there_were_shares_are_taken_up(squares, tmp_path, monkeypatch):
    settings = training_of(squares, tmp_path, 8)
    mapping = type(settings).settings

    def before(self):
        found = mapping(self)
        del found["train"]["share"], found["model"]["inferred_dim"]
        return found

    with monkeypatch.context() as patch:
        patch.setattr(type(settings), "settings", before)
        train(settings)
    train(settings)
    assert (tmp_path / STATE_FILE).exists()


@given(count=st.integers(2, 300), seed=st.integers(0, 5), shares=st.tuples(*2 * [st.floats(0.01, 1.0)]))
def test_a_smaller_share_is_part_of_a_larger_one(count, seed, shares):
    fitting, held_out = split_episodes(count, 0.1, seed)
    low, high = sorted(shares)
    if round(low * len(fitting)) < 1:
        with pytest.raises(ValueError, match="not one of"):
            share_of(fitting, low, seed)
        return
    small, large = share_of(fitting, low, seed), share_of(fitting, high, seed)
    assert set(small) <= set(large) <= set(fitting) and not set(large) & set(held_out)
    assert len(small) == round(low * len(fitting)) and (np.diff(small) > 0).all()
    assert np.array_equal(share_of(fitting, 1.0, seed), fitting)


def test_a_share_knows_of_no_commands_outside(squares, tmp_path):
    train(training_of(squares, tmp_path, 2, share=0.1))
    model, document = load_checkpoint(tmp_path)
    cache = open_cache(squares, 32)
    episodes = share_of(split_episodes(40, 0.05, 0)[0], 0.1, 0)
    assert document["dataset"]["learned_from"] == len(episodes) == 4
    ends = cache.starts + cache.lengths - 1  # where the zeros behind the last command are
    known = np.concatenate([cache.action[cache.starts[e] : ends[e]] for e in episodes])
    assert np.allclose(model.action_mean, known.mean(0), atol=1e-6)


def test_few_episodes_with_commands_go_further_with_an_encoder_from_video(squares, video, tmp_path):
    """How much of the error of copying the last frame is left, three latent steps ahead on held-out episodes."""
    left = {}
    for name, settings in {
        "none": training_of(squares, tmp_path / "none", 200, batch=32, share=0.3),
        "video": begun_with(squares, tmp_path / "video", 200, video[0], batch=32, share=0.3),
    }.items():
        report = train(settings)
        left[name] = report["error"][-1] / report["copy_last"][-1]
    assert left["video"] < 0.8 * left["none"]


def test_what_cannot_be_begun_with_is_named(squares, silent, video, tmp_path):
    out, _ = video
    with pytest.raises(
        DatasetError, match=r"has no actions .*say which, action_key=.* from its frames alone with world_model=video"
    ):
        train(training_of(silent, tmp_path, 4))
    for changes, complaint in [
        ({"latent_dim": 16}, "latent_dim 8, not 16"),
        ({"width": 16}, "width 8, not 16"),
        ({"encoder": "vit"}, "encoder conv, not vit"),
        ({"resolution": 48}, "resolution 32, not 48"),
    ]:
        settings = begun_with(squares, tmp_path, 4, out)
        with pytest.raises(CheckpointError, match=f"{complaint}.*give the same settings"):
            train(replace(settings, model=replace(MODEL, **changes)))
    with pytest.raises(CheckpointError, match="no checkpoint 'nowhere'"):
        train(begun_with(squares, tmp_path, 4, "nowhere"))
    with pytest.raises(ValueError, match="no actions to predict"):
        train(replace(filmed_alone(silent, tmp_path, 4), loss=replace(LOSS, inverse_dynamics=0.1)))
    with pytest.raises(ValueError, match="either told or inferred"):
        ModelConfig(action_dim=4, inferred_dim=2)
    for share in (0.0, 1.5):
        with pytest.raises(ValueError, match=f"share is {share}"):
            TrainConfig(share=share)
    with pytest.raises(ValueError, match=r"not one of 38 episodes; it must be at least 0\.026"):
        train(training_of(squares, tmp_path, 4, share=0.005))
    assert not (tmp_path / STATE_FILE).exists()


def test_a_model_of_frames_alone_cannot_plan(video):
    with pytest.raises(ValueError, match="trained on frames alone and cannot plan"):
        LatentDynamics(load_checkpoint(video[0])[0])


def test_a_whole_model_goes_on_with_other_data_as_it_saw_the_first(squares, more_squares, tmp_path):
    train(training_of(squares, tmp_path / "first", 4))
    still = training_of(more_squares, tmp_path / "second", 1, learning_rate=1e-30, weight_decay=0.0)
    train(replace(still, init=Init(str(tmp_path / "first"), whole=True)))
    train(replace(still, out=tmp_path / "third", init=Init(str(tmp_path / "first"))))
    kept = ("predictor.", "action_mean", "action_std", "encoder.trunk.")
    assert equal(weights(tmp_path / "second", *kept), weights(tmp_path / "first", *kept))
    for part in ("predictor.", "action_mean"):  # which an encoder alone does not bring
        assert not equal(weights(tmp_path / "third", part), weights(tmp_path / "first", part))
    told = json.loads((tmp_path / "second" / "model.json").read_text())["init"]
    assert told["whole"] is True and "whole" not in json.loads((tmp_path / "third" / "model.json").read_text())["init"]
    other = replace(still, model=replace(MODEL, predictor_width=32), out=tmp_path / "fourth")
    with pytest.raises(CheckpointError, match="has a model with predictor_width 64, not 32"):
        train(replace(other, init=Init(str(tmp_path / "first"), whole=True)))
