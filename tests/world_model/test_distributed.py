"""Two processes that share every batch are one process with the whole of it.

They add up the same numbers in another order, so they are the same but for rounding, of which Adam's steps make more.
In single precision that comes to 1e-5 after 20 steps, on some processors more than on others; in double precision it
is below 1e-14, and what is no rounding stands out.
"""

import pytest
import torch

from forearm.world_model import distributed, load_checkpoint
from tests.world_model.processes import TORCHRUN, finish, rows, start
from tests.world_model.trainee import LAST_DIGIT, ROUNDING, doubles, run

pytestmark = pytest.mark.usefixtures("one_thread")
STEPS = 20


class Stopped(Exception):
    pass


def assert_same_curve(ours, theirs):
    assert [row.keys() for row in ours] == [row.keys() for row in theirs]
    for one, other in zip(ours, theirs, strict=True):
        for key, value in one.items():
            if key == "validation":
                assert other[key]["error"] == pytest.approx(value["error"], abs=LAST_DIGIT)
            else:
                assert other[key] == pytest.approx(value, rel=ROUNDING), f"{key} at step {one['step']}"


@pytest.mark.parametrize("loss", ["sigreg", "contrast"])
def test_two_processes_give_the_loss_curve_of_one_step_by_step(squares, tmp_path, loss):
    one, two = tmp_path / "one", tmp_path / "two"
    with doubles():
        run(squares, one, STEPS, loss)
    out = finish(start(*TORCHRUN, "tests.world_model.trainee", squares, two, STEPS, loss, "float64"))
    assert out.count("threads of gloo: 0") == 2
    assert len(rows(two)) == STEPS
    assert_same_curve(rows(one), rows(two))
    assert load_checkpoint(two)[1]["train"] == load_checkpoint(one)[1]["train"]


def test_two_processes_take_up_what_one_began(squares, tmp_path):
    one, both = tmp_path / "one", tmp_path / "both"
    with doubles():
        run(squares, one, STEPS, "vicreg")

    def stop(progress):
        if progress.step == 8:
            raise Stopped

    with doubles(), pytest.raises(Stopped):
        run(squares, both, STEPS, "vicreg", on_progress=stop)
    finish(start(*TORCHRUN, "tests.world_model.trainee", squares, both, STEPS, "vicreg", "float64"))
    assert_same_curve(rows(one), rows(both))


def test_a_batch_that_cannot_be_shared_is_refused(monkeypatch):
    assert distributed.share(65) == 65  # by one process
    monkeypatch.setattr(distributed, "count", lambda: 3)
    assert distributed.share(66) == 22
    with pytest.raises(ValueError, match=r"batch is 64: 3 processes .* a multiple of 3, such as 63 or 66"):
        distributed.share(64)
    with pytest.raises(ValueError, match=r"such as 9$"):
        distributed.share(8)


def test_every_process_needs_a_gpu_of_its_own(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setenv("RANK", "3")
    monkeypatch.setenv("LOCAL_RANK", "3")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    for device, complaint in (
        ("cuda", r"process 3 .* there are 2: .* --nproc_per_node=2"),
        ("cuda:1", "names one GPU for several"),
    ):
        with pytest.raises(ValueError, match=complaint), distributed.joined(device):
            pass


def test_a_process_of_its_own_joins_nobody(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "1")
    monkeypatch.setenv("RANK", "0")
    with distributed.joined("cpu") as where:
        assert where.type == "cpu" and distributed.count() == 1 and distributed.is_first()
        assert distributed.from_first({"a": [1]}, where) == {"a": [1]}
    assert distributed.rank_told() == 0
