import logging

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forearm.errors import InputError
from forearm.world_model.data import FrameFit, resize_frame

SIDES = st.integers(1, 90)


@given(SIDES, SIDES, SIDES, SIDES)
def test_a_frame_of_any_size_becomes_what_training_would_have_made_of_it(
    h: int, w: int, height: int, width: int
) -> None:
    frame = np.random.default_rng(h * w).integers(0, 256, (h, w, 3), np.uint8)
    fitted = FrameFit((height, width))(frame)
    assert fitted.dtype == np.uint8 and np.array_equal(fitted, resize_frame(frame, height, width))


def test_a_frame_that_fits_is_left_as_it_is() -> None:
    frame = np.zeros((8, 8, 3), np.uint8)
    assert FrameFit((8, 8))(frame) is frame


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((8, 8), np.uint8), np.zeros((8, 8, 4), np.uint8), np.zeros((3, 8, 8), np.uint8),
        np.zeros((8, 8, 3)), np.zeros((0, 8, 3), np.uint8), np.zeros((1, 8, 8, 3), np.uint8), "a frame", None,
    ],
)  # fmt: skip
def test_what_is_no_frame_is_refused(wrong: object) -> None:
    with pytest.raises(InputError, match=r"^goal is .*, but a frame is uint8 \(height, width, 3\)$"):
        FrameFit((8, 8))(wrong, "goal")


def test_another_aspect_than_trainings_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    fit = FrameFit.of({"frames": {"resize": "area", "recorded": [[480, 640], [90, 160]]}}, 64)
    with caplog.at_level(logging.WARNING):
        for size in ((480, 640), (240, 320), (479, 640), (720, 1280)):
            fit(np.zeros((*size, 3), np.uint8))
        assert not caplog.messages
        for _ in range(3):
            fit(np.zeros((100, 100, 3), np.uint8), "start")
    [said] = caplog.messages
    assert said.startswith(
        "start has 100 x 100 pixels, the model's training had 640 x 480 or 160 x 90, of another aspect"
    )


def test_a_checkpoint_that_says_nothing_was_trained_on_square_frames() -> None:
    fit = FrameFit.of({}, 64)
    assert fit.note((480, 640)) and not fit.note((480, 480))


@pytest.mark.parametrize("kept", [{"resize": "cubic"}, {}, 3, {"resize": "area", "recorded": [[0, 3]]},
                                  {"resize": "area", "recorded": "x"}])  # fmt: skip
def test_a_rule_that_is_not_known_and_damaged_sizes_are_refused(kept: object) -> None:
    with pytest.raises(InputError, match=r"the checkpoint's|frames were resized by 'cubic'"):
        FrameFit.of({"frames": kept}, 64)
