"""Muon for matrices, AdamW for the rest."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from forearm.world_model import TrainConfig, load_checkpoint
from forearm.world_model.data import DatasetError
from forearm.world_model.training.optimizers import Updates
from forearm.world_model.training.run import Training, train
from tests.world_model.trainee import training_of

pytestmark = pytest.mark.usefixtures("one_thread")
has_muon = pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="torch before 2.9 has no Muon")


def gradients(model, seed=0):
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=generator)


def updated(optimizer, steps=1):
    """The changes that so many steps make to the weights of a convolution and a narrow layer behind it."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(8, 32, 3), nn.Linear(20, 4))
    before = [parameter.detach().clone() for parameter in model.parameters()]
    config = TrainConfig(optimizer=optimizer, weight_decay=0.0)
    updates = Updates(model.parameters(), config, torch.device("cpu"))
    for step in range(steps):
        gradients(model, step)
        updates.step(1e-3)
    return [after.detach() - old for after, old in zip(model.parameters(), before, strict=True)]


@has_muon
def test_a_convolution_is_learned_equally_fast_in_all_directions():
    kernel, bias, narrow, last = updated("muon")
    sizes = torch.linalg.svdvals(kernel.flatten(1))
    # Five steps of Newton and Schulz leave singular values between about 0.7 and 1.2 times one size, that of AdamW's
    # update, 0.2 to each entry: 0.2 * sqrt(longer side).
    assert torch.all((sizes / (1e-3 * 0.2 * math.sqrt(8 * 3 * 3)) - 1).abs() < 0.35)
    for ours, adams in zip((bias, narrow, last), updated("adamw")[1:], strict=True):
        assert torch.equal(ours, adams)
    assert not torch.equal(kernel, updated("adamw")[0])


@has_muon
def test_a_killed_run_goes_on_to_the_same_weights(squares, tmp_path):
    def training(name):
        found = training_of(squares, tmp_path / name, 8)
        return replace(found, train=replace(found.train, optimizer="muon", save_every=1))

    class Killed(Exception):
        pass

    def kill(progress):
        if progress.step == 5:
            raise Killed

    train(training("whole"), every=1)
    with pytest.raises(Killed):
        train(training("killed"), every=1, on_progress=kill)
    train(training("killed"), every=1)
    one, other = (load_checkpoint(tmp_path / name)[0].state_dict() for name in ("whole", "killed"))
    assert all(torch.equal(one[key], other[key]) for key in one)
    with pytest.raises(DatasetError, match=r"other settings.*optimizer"):
        train(training_of(squares, tmp_path / "whole", 8))


def test_a_torch_without_muon_says_which_has_it(monkeypatch, tmp_path):
    monkeypatch.delattr(torch.optim, "Muon", raising=False)
    with pytest.raises(ValueError, match=r"optimizer is 'muon'.*torch 2\.9 or newer.*optimizer=adamw"):
        updated("muon")
    with pytest.raises(ValueError, match="optimizer is 'muon'"):  # before anything is filmed or decoded
        Training(tmp_path, tmp_path, train=TrainConfig(optimizer="muon"))


def test_an_optimizer_that_nobody_knows_is_refused():
    with pytest.raises(ValueError, match="optimizer is 'sgd': expected one of adamw, muon"):
        TrainConfig(optimizer="sgd")
