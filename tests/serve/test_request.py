from typing import Any

import numpy as np
import pytest

from forearm.serve.request import Request, RequestError, RequestShape, read

SHAPE = RequestShape(resolution=8, action_dim=4, proprio_dim=0)
FRAME = np.zeros((8, 8, 3), np.uint8)


@pytest.mark.parametrize("key", ["pixels", "observation/image", "image"])
def test_a_frame_may_be_called_as_others_call_it(key: str) -> None:
    request = read({key: FRAME, "prompt": "left", "unknown": 3}, SHAPE)
    assert request.pixels is FRAME and request.goal == "left" and not request.reset


def test_every_field_is_read() -> None:
    message = {
        "pixels": FRAME, "goal": FRAME, "reset": True, "request_id": "a7", "deadline_ms": 50, "want_plan": True,
        "time": 3.5, "elapsed_steps": 4, "committed": np.ones((2, 4)), "past": np.zeros((4, 4)), "protocol": 1,
        "earlier_pixels": np.zeros((2, 8, 8, 3), np.uint8), "earlier_times": [3.3, 3.4],
    }  # fmt: skip
    request = read(message, SHAPE)
    assert request.reset and request.want_plan and request.request_id == "a7" and request.deadline_ms == 50.0
    assert request.time == 3.5 and request.elapsed_steps == 4
    assert request.committed is not None and request.committed.shape == (2, 4)
    assert [moment for moment, _, _ in request.earlier] == [3.3, 3.4]


def test_a_reset_needs_no_frame() -> None:
    assert read({"reset": True}, SHAPE).pixels is None


WRONG: list[tuple[Any, str]] = [
    (None, "a request is a map"),
    ([1, 2], "a request is a map"),
    ({}, "no frame"),
    ({"pixels": "x"}, "frame is str"),
    ({"pixels": FRAME.astype(float)}, "frame is float64"),
    ({"pixels": FRAME[..., :2]}, r"frame is uint8 \(8, 8, 2\): expected uint8 \(height, width, 3\)"),
    ({"pixels": FRAME, "image": FRAME}, "mean the same"),
    ({"pixels": FRAME, "goal": 7}, "goal is int"),
    ({"pixels": FRAME, "protocol": 2}, "protocol 2"),
    ({"pixels": FRAME, "protocol": True}, "protocol"),
    ({"pixels": FRAME, "protocol": np.zeros(3)}, "protocol"),
    ({"pixels": FRAME, "time": "x", "earlier_pixels": FRAME[None], "earlier_times": [1.0]}, "time"),
    ({"pixels": FRAME, "request_id": 1.5}, "request_id"),
    ({"pixels": FRAME, "request_id": "x" * 200}, "request_id"),
    ({"pixels": FRAME, "deadline_ms": 0}, "deadline_ms"),
    ({"pixels": FRAME, "deadline_ms": "soon"}, "deadline_ms"),
    ({"pixels": FRAME, "deadline_ms": float("nan")}, "deadline_ms"),
    ({"pixels": FRAME, "time": float("inf")}, "time"),
    ({"pixels": FRAME, "elapsed_steps": 1.5}, "elapsed_steps"),
    ({"pixels": FRAME, "elapsed_steps": -1}, "elapsed_steps"),
    ({"pixels": FRAME, "reset": 1}, "reset"),
    ({"pixels": FRAME, "want_plan": "yes"}, "want_plan"),
    ({"pixels": FRAME, "committed": np.zeros((2, 3))}, r"committed has shape \(2, 3\)"),
    ({"pixels": FRAME, "past": "x"}, "past: expected numbers"),
    ({"pixels": FRAME, "past": np.full((1, 4), np.nan)}, "past holds"),
    ({"pixels": FRAME, "earlier_pixels": FRAME, "earlier_times": [1]}, "earlier_pixels"),
    ({"pixels": FRAME, "earlier_times": [1.0]}, "earlier_pixels"),
    ({"pixels": FRAME, "time": 1.0, "earlier_pixels": FRAME[None], "earlier_times": [1.0]}, "earlier_times"),
    ({"pixels": FRAME, "earlier_pixels": FRAME[None], "earlier_times": [1.0]}, "earlier_times"),
]


@pytest.mark.parametrize(("message", "said"), WRONG)
def test_a_wrong_field_is_named(message: Any, said: str) -> None:
    with pytest.raises(RequestError, match=said) as caught:
        read(message, SHAPE)
    assert "\n" not in str(caught.value)


def test_joint_readings_are_asked_for_where_the_model_uses_them() -> None:
    shape = RequestShape(8, 4, 3)
    assert read({"pixels": FRAME, "observation/state": [1, 2, 3]}, shape).proprio is not None
    for wrong in (None, [1, 2], [1, 2, np.nan]):
        with pytest.raises(RequestError, match=r"joint readings|proprio"):
            read({"pixels": FRAME, "proprio": wrong}, shape)


def test_what_an_unanswered_request_changed_still_counts() -> None:
    older = Request(pixels=FRAME, goal="left", reset=True)
    newer = Request(pixels=FRAME + 1)
    both = newer.after(older)
    assert both.reset and both.goal == "left" and both.pixels is newer.pixels
    assert Request(pixels=FRAME, goal="right").after(older).goal == "right"
