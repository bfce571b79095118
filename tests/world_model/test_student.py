"""A student foretells what its teacher does, with fewer units; its files, and what cannot be taught."""

import json
from dataclasses import replace

import pytest
import torch

from forearm.errors import InputError
from forearm.world_model.heads.student import StudentConfig, student_errors, train_student, with_student
from forearm.world_model.heads.student_checkpoint import load_student, save_student
from forearm.world_model.heads.trajectories import Trajectories
from forearm.world_model.model.jepa import JEPA, ModelConfig
from forearm.world_model.runtime.checkpoint import CheckpointError

CONFIG = StudentConfig(steps=120, batch=32, width=24, depth=1, rollout=2, tried=1.0)
SIZES = {"resolution": 32, "latent_dim": 4, "width": 8, "depth": 1, "predictor_width": 64}


def pushed(episodes, seed):
    """A point that goes where it is pushed, half as far each time; four numbers of it, two commands."""
    draw = torch.Generator().manual_seed(seed)
    actions = 2 * torch.rand(episodes, 12, 2, generator=draw) - 1
    way = torch.cat([torch.zeros(episodes, 1, 2), actions.cumsum(1)], dim=1)
    return Trajectories.of(torch.cat([0.5 * way, way.flip(-1)], dim=-1), actions)


@pytest.fixture(scope="module")
def teacher():
    torch.manual_seed(0)
    model = JEPA(ModelConfig(action_dim=2, frameskip=2, **SIZES)).eval().requires_grad_(False)
    model.predictor.leave[1].weight.normal_(0.0, 0.2)
    return model


@pytest.fixture(scope="module")
def student(teacher):
    return train_student(teacher, pushed(60, 0), CONFIG)[0]


def test_it_foretells_what_the_teacher_does_with_fewer_numbers(teacher, student):
    data = pushed(20, 2)
    found = student_errors(teacher, student, data, CONFIG, 512)
    assert set(found) == {"student", "own", "stay"} and all(len(errors) == 2 for errors in found.values())
    states = data.latents[2:62].view(20, 3, 4)
    past, blocks = teacher.blocks(data.actions[:80].view(20, 4, 2)), teacher.blocks(data.actions[80:160].view(20, 4, 2))
    mine, own = (part.rollout(states, past, blocks) for part in (student, teacher.predictor))
    assert (mine - own).square().mean() < 0.5 * (own - states[:, -1:]).square().mean()
    assert sum(p.numel() for p in student.parameters()) < sum(p.numel() for p in teacher.predictor.parameters())


def test_it_takes_the_predictors_place_and_nothing_elses(teacher, student):
    both = with_student(teacher, student)
    states, past, blocks = torch.randn(1, 3, 4), torch.randn(1, 2, 4), torch.randn(5, 2, 4)
    assert torch.equal(both.rollout(states, past, blocks), student.rollout(states, past, blocks))
    assert not torch.equal(both.rollout(states, past, blocks), teacher.rollout(states, past, blocks))
    assert both.encoder is teacher.encoder and both.config.predictor_width == 24
    assert teacher.config.predictor_width == 64


def test_the_same_seed_teaches_the_same(teacher):
    short = replace(CONFIG, steps=10)
    one, again, other = (train_student(teacher, pushed(9, 0), short, seed)[0].enter.weight for seed in (0, 0, 3))
    assert torch.equal(one, again) and not torch.equal(one, other)


def test_what_is_kept_is_read_again_in_half_the_bytes(student, tmp_path):
    path = tmp_path / "model.student.json"
    save_student(student, CONFIG, path, "a" * 64, {"task": "push"})
    again, document = load_student(path, "a" * 64)
    assert all(torch.equal(a, b) for a, b in zip(student.parameters(), again.parameters(), strict=True))
    assert document["task"] == "push" and document["student"]["width"] == 24
    assert path.with_suffix(".safetensors").stat().st_size < 3 * sum(p.numel() for p in student.parameters()) + 1500
    with pytest.raises(CheckpointError, match="train a student of this one"):
        load_student(path, "b" * 64)
    path.write_text(json.dumps({**document, "student": {"width": 0}}))
    with pytest.raises(CheckpointError, match="is not a student"):
        load_student(path, "a" * 64)


def test_what_cannot_be_taught_is_told(teacher):
    with pytest.raises(InputError, match=r"student\.rollout=9 latent steps are 18 control steps"):
        train_student(teacher, pushed(3, 0), StudentConfig(steps=1, rollout=9))
    with pytest.raises(InputError, match="knows no commands"):
        train_student(JEPA(ModelConfig(action_dim=0, **SIZES)), pushed(3, 0), CONFIG)
    with pytest.raises(ValueError, match="tried"):
        StudentConfig(tried=1.5)
