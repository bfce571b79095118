"""One model of several tasks: trained, stopped and shared among processes like that of one."""

from dataclasses import replace

import pytest
import torch

from forearm.world_model import load_checkpoint
from forearm.world_model.data import DatasetError
from forearm.world_model.training.run import train
from tests.world_model.processes import TORCHRUN, finish, rows, start
from tests.world_model.trainee import LAST_DIGIT, ROUNDING, doubles, run, training_of

pytestmark = pytest.mark.usefixtures("one_thread")


class Killed(Exception):
    pass


@pytest.fixture
def both(squares, more_squares):
    return {"a": squares, "b": more_squares}


def test_the_report_and_the_checkpoint_name_every_task(both, tmp_path):
    training = replace(training_of(both, tmp_path, 60), description={"tasks": list(both)}, weights=(1.0, 3.0))
    logged = []
    report = train(training, on_progress=lambda progress: logged.append(progress.validation))
    assert set(report["tasks"]) == {"a", "b"} and "probe_mm" not in report
    for of_task in report["tasks"].values():
        assert of_task["probe_mm"]["object_position"]["mlp"] > 0 and len(of_task["error"]) == 3
    errors = [report["tasks"][task]["error"][0] for task in "ab"]
    assert min(errors) <= report["error"][0] <= max(errors)
    assert set(logged[-1]["tasks"]) == {"a", "b"}
    model, document = load_checkpoint(tmp_path)
    assert document["tasks"] == ["a", "b"] and "task" not in document
    data = document["dataset"]
    assert (data["episodes"], data["tasks"]["b"]["episodes"], data["tasks"]["b"]["share"]) == (60, 20, 0.75)
    assert len(data["fingerprint"]) == 64
    # Commands are normalised as they are drawn: three in four are b's.
    alone = {task: training_of(folder, tmp_path / task, 1) for task, folder in both.items()}
    for one in alone.values():
        train(one)
    means = [load_checkpoint(tmp_path / task)[0].action_mean for task in "ab"]
    torch.testing.assert_close(model.action_mean, 0.25 * means[0] + 0.75 * means[1])


def test_held_out_episodes_are_those_of_a_model_of_one_task(both, squares, tmp_path):
    from forearm.world_model.training.run import _samplers

    _, held_out = _samplers(training_of(both, tmp_path, 1), None)
    _, alone = _samplers(training_of(squares, tmp_path, 1), None)
    assert held_out.parts[0].episodes.tolist() == alone.parts[0].episodes.tolist()


def test_a_killed_run_goes_on_to_the_same_weights(both, tmp_path):
    whole = train(training_of(both, tmp_path / "whole", 12), every=1)

    def kill(progress):
        if progress.step == 7:
            raise Killed

    with pytest.raises(Killed):
        train(training_of(both, tmp_path / "killed", 12), every=1, on_progress=kill)
    resumed = train(training_of(both, tmp_path / "killed", 12), every=1)
    one, other = (load_checkpoint(tmp_path / name)[0].state_dict() for name in ("whole", "killed"))
    assert all(torch.equal(one[key], other[key]) for key in one)
    assert resumed == whole


def test_several_processes_find_the_losses_of_one(both, tmp_path):
    with doubles():
        run(both, tmp_path / "one", 8)
    folders = ",".join(map(str, both.values()))
    finish(start(*TORCHRUN, "tests.world_model.trainee", folders, tmp_path / "two", 8, "sigreg", "float64"))
    for row, expected in zip(rows(tmp_path / "two"), rows(tmp_path / "one"), strict=True):
        assert row["loss"] == pytest.approx(expected["loss"], rel=ROUNDING)
    assert rows(tmp_path / "two")[-1]["validation"]["tasks"]["b"]["error"] == pytest.approx(
        rows(tmp_path / "one")[-1]["validation"]["tasks"]["b"]["error"], abs=LAST_DIGIT
    )


def test_runs_of_other_tasks_or_weights_are_not_mixed_in(both, squares, tmp_path):
    train(training_of(both, tmp_path, 4))
    with pytest.raises(DatasetError, match=r"tasks was .*'b', 1.0.*, is .*'b', 2.0"):
        train(replace(training_of(both, tmp_path, 4), weights=(1.0, 2.0)))
    with pytest.raises(DatasetError, match=r"tasks was .*, is None"):
        train(training_of(squares, tmp_path, 4))
    with pytest.raises(DatasetError, match=r"tasks was \[\['a'.*, is \[\['b'"):
        train(training_of(dict(reversed(both.items())), tmp_path, 4))
    with pytest.raises(ValueError, match="data are of a alone"):
        train(training_of({"a": squares}, tmp_path / "other", 4))
