from collections import UserDict
from typing import Any

import numpy as np
import pytest

from forearm.control.action_adapter import ToolActionAdapter
from forearm.control.observation_gate import ObservationGate, drives_off
from forearm.world_model.data import FrameFit, resize_frame

from .conftest import START, observed


@pytest.fixture
def gate(adapter: ToolActionAdapter) -> ObservationGate:
    return ObservationGate(adapter, FrameFit((8, 8)), 8)


def test_a_good_observation_is_taken_with_its_time(gate: ObservationGate) -> None:
    seen = gate.take(observed(time=4.9), 5.0)
    assert seen is not None and seen.time == 4.9 and seen.frame is not None
    assert np.allclose(seen.position, START)
    assert gate.counts == {"frames": 1} and gate.newest_frame == 4.9


def test_readings_without_a_frame_are_taken_too(gate: ObservationGate) -> None:
    seen = gate.take({"proprio": observed()["proprio"]}, 5.0)
    assert seen is not None and seen.frame is None and seen.time == 5.0
    assert gate.newest_frame == -np.inf


def test_a_frame_of_any_size_leaves_as_training_would_have_resized_it(gate: ObservationGate) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)
    seen = gate.take(observed(pixels=pixels), 5.0)
    assert seen is not None and seen.frame is not None
    assert np.array_equal(seen.frame["pixels"], resize_frame(pixels, 8, 8))


def test_frames_of_several_cameras_come_by_name(adapter: ToolActionAdapter) -> None:
    gate = ObservationGate(
        adapter, FrameFit((8, 8), cameras=["observation.images.front", "observation.images.wrist"]), 8
    )
    front, wrist = (np.full((24, 32, 3), level, np.uint8) for level in (10, 200))
    seen = gate.take(observed(pixels={"wrist": wrist, "front": front}), 5.0)
    assert seen is not None and seen.frame is not None
    assert (seen.frame["pixels"][:, :4] == 10).all() and (seen.frame["pixels"][:, 4:] == 200).all()
    for wrong in ({"front": front, "side": wrist}, {"front": front}, {}, front, {"front": front, "wrist": "no"}):
        assert gate.take(observed(pixels=wrong), 6.0) is None
        assert "wrist" in gate.why
    assert gate.counts == {"frames": 1, "bad_frame": 5}


def nan(index: int) -> np.ndarray:
    readings = observed()["proprio"].copy()
    readings[index] = np.nan
    return readings


class Broken(UserDict[str, Any]):
    """A mapping that cannot be looked at."""

    def __iter__(self) -> Any:
        raise RuntimeError("nobody looks at me")


class Unsaid:
    """What cannot even be put in words."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


@pytest.mark.parametrize(
    ("observation", "kind"),
    [
        (None, "malformed"),
        (Broken(observed()), "malformed"),
        (observed(time=Unsaid()), "malformed"),
        ("a frame", "malformed"),
        (observed(time="now"), "bad_time"),
        (observed(time=np.nan), "bad_time"),
        (observed(time=True), "bad_time"),
        (observed(time=5.2), "from_the_future"),
        (observed(time=3.0), "duplicate"),
        (observed(time=2.9), "out_of_order"),
        (observed(pixels=np.zeros((8, 8, 4), np.uint8)), "bad_frame"),
        (observed(pixels=np.zeros((3, 8, 8), np.uint8)), "bad_frame"),
        (observed(pixels=np.zeros((8, 0, 3), np.uint8)), "bad_frame"),
        (observed(pixels=np.zeros((8, 8, 3), np.float32)), "bad_frame"),
        (observed(pixels=[[1, 2], [3]]), "bad_frame"),
        (observed(proprio=nan(0)), "bad_readings"),
        (observed(proprio=nan(9)), "bad_readings"),
        (observed(proprio=np.zeros(14)), "bad_readings"),
        (observed(proprio=None), "bad_readings"),
        (observed(proprio=["x"] * 15), "bad_readings"),
        (observed(proprio=[[1], [2, 3]]), "bad_readings"),
    ],
)
def test_what_cannot_be_used_is_counted_and_goes_no_further(gate: ObservationGate, observation: Any, kind: str) -> None:
    gate.take(observed(time=3.0), 3.0)
    assert gate.take(observation, 5.0) is None
    assert gate.counts == {"frames": 1, kind: 1}
    assert gate.why and "\n" not in gate.why
    assert gate.newest_frame == 3.0


def test_an_observation_that_cannot_be_looked_at_says_nothing_of_the_drives() -> None:
    assert not drives_off(Broken(drive=False)) and drives_off({"drive": False})
