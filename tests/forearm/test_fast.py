"""`planner=fast` and `student`: which predictor plans, where it is read from, and what is told where there is none."""

import shutil

import numpy as np
import pytest
import torch

from forearm.agent.checkpoint_files import checkpoint_files
from forearm.agent.setup import PlanningSetup, task_config
from forearm.errors import ForearmError
from forearm.world_model.runtime.checkpoint import pretrained_folder

PUSH = task_config("push")


def test_fast_predicts_with_the_student_beside_the_checkpoint():
    fast, usual = PlanningSetup.resolve("push", "fast"), PlanningSetup.resolve("push", "cem")
    assert fast.task["student"] == "beside" and usual.task["student"] is None
    assert fast.fingerprint != usual.fingerprint and fast.fingerprint.startswith(usual.fingerprint)
    model = fast.latent_model()._dynamics.model
    assert model.config.predictor_width < fast.model.config.predictor_width
    assert model.encoder is fast.model.encoder
    spent = fast.planner_config["samples"] * fast.planner_config["iterations"]
    assert spent < usual.planner_config["samples"] * usual.planner_config["iterations"]


def test_any_planner_takes_a_student_and_the_same_one_plans_the_same():
    frame = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    beside = str(pretrained_folder() / "push.student.json")
    plans = [
        PlanningSetup.resolve({**PUSH, "student": student}, "predictive_sampling").plan(frame, frame[::-1])
        for student in (None, "beside", beside)
    ]
    assert not np.array_equal(plans[0].actions, plans[1].actions)
    assert np.array_equal(plans[1].actions, plans[2].actions)


def test_fast_plans_the_same_on_any_number_of_threads():
    setup = PlanningSetup.resolve("push", "fast")
    frame = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    found, before = [], torch.get_num_threads()
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.append(setup.plan(frame, frame[:, ::-1]).actions)
    finally:
        torch.set_num_threads(before)
    assert np.array_equal(found[0], found[1])


def test_without_a_student_it_is_told_how_to_come_by_one(tmp_path):
    for suffix in ("json", "safetensors"):
        shutil.copy(pretrained_folder() / f"push.{suffix}", tmp_path)
    task = {**PUSH, "checkpoint": str(tmp_path / "push.json")}
    for chosen, planner in ((task, "fast"), ({**task, "student": "beside"}, "cem")):
        with pytest.raises(ForearmError, match=r"needs a student .* train one with .*parts=\[student\]"):
            PlanningSetup.resolve(chosen, planner)
    with pytest.raises(ForearmError, match="has no oracle"):
        PlanningSetup.resolve(PUSH, "fast", dynamics="oracle")


def test_a_named_student_travels_and_one_beside_goes_with_its_checkpoint(tmp_path):
    for part in ("push", "push.student"):
        for suffix in ("json", "safetensors"):
            shutil.copy(pretrained_folder() / f"{part}.{suffix}", tmp_path)
    named = {**PUSH, "student": str(tmp_path / "push.student.json")}
    assert [sorted(files.files) for files in checkpoint_files(named)] == [
        ["push.student.json", "push.student.safetensors"]
    ]
    assert list(checkpoint_files({**PUSH, "student": "beside"})) == []
    own = {**PUSH, "checkpoint": str(tmp_path / "push.json"), "student": "beside"}
    assert [sorted(files.files) for files in checkpoint_files(own)] == [
        ["push.json", "push.safetensors", "push.student.json", "push.student.safetensors"]
    ]
