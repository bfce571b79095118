import json
import math
import random
import signal
import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from forearm.world_model import CheckpointError, LossConfig, ModelConfig, TrainConfig, load_checkpoint
from forearm.world_model.data import DatasetError, open_cache
from forearm.world_model.model.jepa import JEPA
from forearm.world_model.training import report, trainer
from forearm.world_model.training.losses import JepaLoss, contrast_over_time, inverse_error, unrolled
from forearm.world_model.training.normalisation import SEEN_FRAMES
from forearm.world_model.training.run import STATE_FILE, Training, train
from forearm.world_model.training.trainer import Trainer
from forearm.world_model.training.warm_start import Init
from tests.world_model.processes import finish, rows, start
from tests.world_model.trainee import LAST_DIGIT, LOSS, MODEL, run, training_of

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def trained(squares, tmp_path_factory):
    torch.set_num_threads(1)
    out = tmp_path_factory.mktemp("trained")
    return out, train(training_of(squares, out, 250, batch=32))


def test_training_learns_to_predict_without_collapse(trained):
    _, report = trained
    assert report["error"][-1] < 0.5 * report["copy_last"][-1]
    assert report["effective_rank"] > 1.5  # the square has two degrees of freedom; collapse would leave one or none
    assert report["probe_mm"]["object_position"]["mlp"] < 4  # pixels; guessing the middle is off by about 8


def test_the_checkpoint_says_what_it_is(trained):
    out, report = trained
    model, document = load_checkpoint(out)
    assert document["task"] == "squares" and document["model"]["latent_dim"] == 8
    assert document["metrics"] == json.loads(json.dumps(report))
    assert document["control_period"] == pytest.approx(0.1) and len(document["dataset"]["fingerprint"]) == 64
    assert not model.training and not any(p.requires_grad for p in model.parameters())
    assert len((out / "log.jsonl").read_text().splitlines()) > 5


def test_standardised_frames_are_seen_less_the_mean_of_those_trained_on(squares, tmp_path):
    training = training_of(squares, tmp_path / "first", 2)
    training = replace(training, model=replace(training.model, standardize=True))
    train(training)
    model, _ = load_checkpoint(tmp_path / "first")
    stem = model.encoder.trunk[0]
    pixels = open_cache(squares, 32).frames.astype(np.float32) / 255 - 0.5
    assert len(pixels) <= SEEN_FRAMES  # or the mean below is of others
    np.testing.assert_allclose(stem.mean, pixels.mean(0), atol=1e-5)
    np.testing.assert_allclose(stem.std, np.sqrt(np.square(pixels - pixels.mean(0)).mean()), rtol=1e-3)
    # An encoder that is taken over goes on seeing frames as it did: here the mean of a tenth of them would be another.
    second = replace(training, out=tmp_path / "second", init=Init(str(tmp_path / "first")))
    train(replace(second, train=replace(second.train, share=0.1)))
    assert load_checkpoint(tmp_path / "second")[0].encoder.trunk[0].mean.equal(stem.mean)


def test_a_bias_that_the_batch_norm_takes_off_is_not_trained(squares, tmp_path):
    """Its gradient is rounding alone, of which Adam would make a walk that is another one on every processor."""
    train(training := training_of(squares, tmp_path, 6))
    torch.manual_seed(training.train.seed)
    before, after = JEPA(training.model).state_dict(), load_checkpoint(tmp_path)[0].state_dict()
    assert torch.equal(before["project.bias"], after["project.bias"])
    assert not torch.equal(before["project.weight"], after["project.weight"])


@pytest.mark.parametrize("seed", range(3))
def test_a_batch_in_another_order_gives_the_same_validation(squares, tmp_path, monkeypatch, seed):
    """In single precision: frames are encoded by running means, and nothing that rounding decides may move those."""
    train(training_of(squares, tmp_path / "one", 12, validate_every=6))
    step = Trainer._advance

    def shuffled(self, batch):
        order = torch.randperm(len(batch["actions"]), generator=torch.Generator().manual_seed(100 * seed + self.step))
        step(self, {key: value[order] for key, value in batch.items()})

    monkeypatch.setattr(Trainer, "_advance", shuffled)
    train(training_of(squares, tmp_path / "other", 12, validate_every=6))
    for one, other in zip(rows(tmp_path / "one"), rows(tmp_path / "other"), strict=True):
        # Rounding to 24 bits, of which training may make a hundred times as much.
        expected = pytest.approx(other["validation"]["error"], rel=1e2 * 2**-24, abs=LAST_DIGIT)
        assert one["validation"]["error"] == expected


class Killed(Exception):
    pass


def test_a_killed_run_goes_on_to_the_same_weights(squares, tmp_path):
    whole = train(training_of(squares, tmp_path / "whole", 12), every=1)

    def kill(progress):
        if progress.step == 7:
            raise Killed

    with pytest.raises(Killed):
        train(training_of(squares, tmp_path / "killed", 12), every=1, on_progress=kill)
    resumed = train(training_of(squares, tmp_path / "killed", 12), every=1)
    one, other = (load_checkpoint(tmp_path / name)[0].state_dict() for name in ("whole", "killed"))
    assert all(torch.equal(one[key], other[key]) for key in one)
    assert resumed == whole
    assert not list((tmp_path / "killed").glob("*.tmp"))


def kill_at(process, out, steps, delay):
    """Kill the process `delay` seconds after its log has come to one of `steps`."""
    log, marks = out / "log.jsonl", [f'"step": {step},' for step in steps]
    while process.poll() is None and not (log.exists() and any(mark in log.read_text() for mark in marks)):
        time.sleep(0.002)
    time.sleep(delay)
    process.kill()
    _, err = process.communicate()
    assert process.returncode == -signal.SIGKILL, err


def test_a_process_killed_at_any_moment_goes_on_to_the_same_weights_and_log(squares, tmp_path):
    steps, seed = 30, random.randrange(1 << 30)  # another moment in every run
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    words = ("tests.world_model.trainee", squares, killed, steps, "sigreg")
    run(squares, whole, steps)
    draw = random.Random(seed)
    for low in (1, 12):
        first = draw.randrange(low, low + 8)
        kill_at(start(*words), killed, range(first, steps), draw.uniform(0.0, 0.1))
    with (killed / "log.jsonl").open("a") as log:  # what a kill in the midst of a write leaves
        log.write('{"step": 28, "lo')
    (killed / f".{STATE_FILE}.0.tmp").write_bytes(b"half")
    finish(start(*words))
    one, other = (load_checkpoint(out)[0].state_dict() for out in (whole, killed))
    assert [key for key in one if not torch.equal(one[key], other[key])] == [], f"seed {seed}"
    assert rows(killed) == rows(whole), f"seed {seed}"
    assert sorted(path.name for path in killed.iterdir()) == sorted(path.name for path in whole.iterdir())


def test_reported_losses_are_means_whatever_the_intervals(squares, tmp_path):
    def losses(name, every, validate_every):
        seen = []
        settings = training_of(squares, tmp_path / name, 12, validate_every=validate_every)
        train(settings, every=every, on_progress=lambda progress: seen.append((progress.step, progress.terms["loss"])))
        return seen

    single = [loss for _, loss in losses("single", 1, 12)]
    reported = losses("uneven", 4, 6)  # the validation at step 6 cuts an interval short
    assert [step for step, _ in reported] == [4, 6, 8, 12]
    starts = [0, 4, 6, 8]
    for begin, (step, loss) in zip(starts, reported, strict=True):
        assert loss == pytest.approx(sum(single[begin:step]) / (step - begin), rel=1e-6)


def test_a_run_with_other_settings_is_not_mixed_in(squares, tmp_path):
    train(training_of(squares, tmp_path, 4))
    with pytest.raises(DatasetError, match=r"train.learning_rate was 0.002, is 0.001"):
        train(training_of(squares, tmp_path, 4, learning_rate=1e-3))
    with pytest.raises(DatasetError, match="already there"):
        train(training_of(squares, tmp_path, 4), resume=False)
    (tmp_path / STATE_FILE).write_bytes(b"damaged")
    with pytest.raises(DatasetError, match="cannot be resumed from"):
        train(training_of(squares, tmp_path, 4))


@pytest.mark.parametrize("precision", ["bfloat16", "auto"])
def test_other_precisions_and_losses_train_too(squares, tmp_path, precision):
    loss = LossConfig(rollout=2, regularizer="vicreg", regularizer_weight=1.0, inverse_dynamics=0.1)
    seen = []
    train(
        training_of(squares, tmp_path, 40, loss=loss, precision=precision), every=10,
        on_progress=lambda progress: seen.append(progress.terms["loss"]),
    )  # fmt: skip
    assert seen[-1] < seen[0]


@pytest.mark.parametrize("every", [7, 100])  # noticed by a report, or by a save
def test_a_gradient_that_is_not_finite_ends_the_run_and_keeps_what_was_saved(squares, tmp_path, monkeypatch, every):
    forward = JepaLoss.forward

    def broken(self, model, batch, step):
        terms = forward(self, model, batch, step)
        return {**terms, "loss": terms["loss"] * float("nan")} if step == 6 else terms

    with monkeypatch.context() as patch:
        patch.setattr(JepaLoss, "forward", broken)
        with pytest.raises(FloatingPointError, match="not finite at step 6: lower world_model"):
            train(training_of(squares, tmp_path / "broken", 12), every=every)
    resumed = train(training_of(squares, tmp_path / "broken", 12), every=every)
    assert resumed == train(training_of(squares, tmp_path / "whole", 12), every=every)


def test_data_that_do_not_fit_the_model_are_refused(squares, tmp_path):
    wrong = Training(squares, tmp_path, ModelConfig(resolution=32, action_dim=7), LOSS, TrainConfig(batch=8))
    with pytest.raises(DatasetError, match="actions have 4 numbers, the model expects 7"):
        train(wrong)
    wrong = Training(squares, tmp_path, ModelConfig(resolution=32, proprio_dim=15), LOSS, TrainConfig(batch=8))
    with pytest.raises(DatasetError, match="2 joint readings, the model expects 15"):
        train(wrong)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"patch": 3}, "patch is 3: expected one of 2, 4, 8"),
        ({"patch": 8, "resolution": 48}, "patch is 8.*the resolution, 48, is a multiple"),
        ({"encoder": "frozen", "backbone": {"weights_file": "w"}, "standardize": True}, "standardize is true"),
        ({"encoder": "frozen", "backbone": {"weights_file": "w"}, "balance": True}, "balance is true"),
    ],
)
def test_settings_that_make_no_model_are_refused(changes, complaint):
    with pytest.raises(ValueError, match=complaint):
        ModelConfig(**changes)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"batch": 4}, "batch is 4"),
        ({"accumulate": 2}, "statistics are those of a whole batch"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0"),
        ({"validation": 1.5}, "validation is 1.5"),
        ({"precision": "half"}, "precision is 'half'"),
    ],
)
def test_settings_that_make_no_run_are_refused(changes, complaint):
    with pytest.raises(ValueError, match=complaint):
        TrainConfig(**changes)


def test_damaged_and_foreign_checkpoints_are_named(trained, tmp_path):
    out, _ = trained
    with pytest.raises(CheckpointError, match="no checkpoint 'nosuch'"):
        load_checkpoint("nosuch")
    document, weights = (out / "model.json").read_text(), (out / "model.safetensors").read_bytes()
    (tmp_path / "model.json").write_text(document)
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_checkpoint(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(weights[:-1] + b"x")
    with pytest.raises(CheckpointError, match="its hash differs"):
        load_checkpoint(tmp_path)
    (tmp_path / "model.json").write_text(json.dumps({**json.loads(document), "format": 99}))
    with pytest.raises(CheckpointError, match="has format 99"):
        load_checkpoint(tmp_path)
    (tmp_path / "model.json").write_text('{"weights": "pickle"}')
    with pytest.raises(CheckpointError, match="is not a forearm checkpoint"):
        load_checkpoint(tmp_path)


def test_the_inverse_model_looks_as_far_ahead_as_it_is_told():
    latents, blocks = torch.randn(3, 5, 4), torch.randn(3, 4, 2)
    asked = []

    def inverse(first, last):
        asked.append((first, last))
        return torch.zeros(3, first.shape[1], 2)

    next_alone = inverse_error(inverse, latents, blocks, 1)
    assert next_alone == pytest.approx(float(blocks.square().mean()))
    assert torch.equal(asked[0][0], latents[:, :-1]) and torch.equal(asked[0][1], latents[:, 1:])
    further = inverse_error(inverse, latents, blocks, 99)
    pairs = [(i, j) for i in range(5) for j in range(i + 1, 5)]
    assert torch.equal(asked[1][0], latents[:, [i for i, _ in pairs]])
    assert torch.equal(asked[1][1], latents[:, [j for _, j in pairs]])
    assert further == pytest.approx(float(blocks[:, [i for i, _ in pairs]].square().mean()))


def test_contrast_over_time_is_low_where_windows_can_be_told_apart_by_what_stays():
    def contrast(first, last):
        return contrast_over_time(torch.stack([first, last], dim=1))

    torch.manual_seed(0)
    stays = torch.randn(64, 8)
    told = contrast(stays, stays + 0.1 * torch.randn(64, 8))
    assert told < 0.5 < contrast(stays, torch.randn(64, 8))
    assert contrast(torch.ones(64, 8), torch.ones(64, 8)) == pytest.approx(math.log(64))  # by chance
    assert contrast(stays, 3.0 * stays) == pytest.approx(float(contrast(stays, stays)))  # of angles


class Ticking:
    """A clock on which every look takes a second."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        self.now += 1.0
        return self.now


def test_a_run_of_so_many_seconds_ends_with_them_and_goes_on_with_what_is_left(squares, tmp_path, monkeypatch):
    monkeypatch.setattr(report, "PROBE_STEPS", 2)
    rates, steps = [], []

    def run(seconds, stop=None):
        monkeypatch.setattr(trainer, "CLOCK", Ticking())
        training = replace(training_of(squares, tmp_path / "run", 1, warmup=0, save_every=2), seconds=seconds)

        def see(progress):
            steps.append(progress.step)
            if progress.step == stop:
                raise KeyboardInterrupt

        return train(training, on_progress=see, every=1)

    real = trainer._falling
    monkeypatch.setattr(trainer, "_falling", lambda *about: rates.append(real(*about)) or rates[-1])
    with pytest.raises(KeyboardInterrupt):
        run(40.0, stop=5)
    saved = steps[-1] // 2 * 2
    run(40.0)
    assert steps[:5] == [1, 2, 3, 4, 5] and steps[5] == saved + 1  # not from the beginning
    assert 8 < steps[-1] < 16 and rates[0] < 0.6 and max(rates) > 0.9 and rates[-1] < 0.1
    document = json.loads((tmp_path / "run" / "model.json").read_text())
    assert document["train"]["done"] == steps[-1]
    before = steps[-1]
    run(40.0)  # over already
    assert steps[-1] == before


def test_paths_from_several_beginnings_are_those_of_single_windows():
    """One long window tells what all windows within it tell; each frame is encoded once."""
    torch.manual_seed(0)
    model = JEPA(MODEL).eval()
    torch.nn.init.normal_(model.predictor.leave[-1].weight)
    long = {
        "pixels": torch.randint(0, 255, (3, 7, 32, 32, 3), dtype=torch.uint8),
        "actions": torch.randn(3, 6, 2 * MODEL.action_dim),
        "state": torch.zeros(3, 7, 1),
    }
    latents, _, error = unrolled(model, long, 3)
    parts = [{key: rows[:, at : at + 5 - (key == "actions")] for key, rows in long.items()} for at in range(3)]
    each = [unrolled(model, part)[2] for part in parts]
    assert latents.shape[:2] == (3, 7) and torch.stack(each).std() > 0
    torch.testing.assert_close(error, torch.stack(each).mean())
