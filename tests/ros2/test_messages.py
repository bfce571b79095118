"""What goes over the wire is what ROS 2's definitions say, to the byte."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forearm.control.trajectories.trajectory import State
from forearm.errors import InputError
from forearm.integrations.message_check import problems
from forearm.integrations.ros2 import messages
from forearm.integrations.ros2.bus import message_type, wire_name
from forearm.integrations.ros2.definitions import (
    DIAGNOSTICS,
    IMAGE,
    JOINT_STATE,
    JOINT_TRAJECTORY,
    built,
    definitions,
    text,
    to_cdr,
)  # fmt: skip

NUMBERS = st.floats(-1e6, 1e6)
TIMES = st.floats(0, 2e9)


def on_the_wire(name: str, values: dict[str, Any]) -> bytes:
    return bytes(built(name, values, message_type, lambda given, _: np.asarray(given).tolist()).serialize())


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.text("abcdef_1", min_size=1), NUMBERS, NUMBERS), max_size=8), TIMES)
def test_joint_states_are_the_same_bytes_from_either_library(joints: list[Any], time: float) -> None:
    names = [name for name, _, _ in joints]
    values = np.array([(a, b) for _, a, b in joints]).reshape(-1, 2)
    message = messages.joint_state(names, values[:, 0], values[:, 1], time)
    raw = on_the_wire(JOINT_STATE, message)
    assert raw == to_cdr(JOINT_STATE, message)
    back = definitions().deserialize_cdr(raw, JOINT_STATE)
    assert back.name == names and back.position.tolist() == values[:, 0].tolist()
    assert messages.seconds(back.header.stamp) == pytest.approx(time, abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 5), st.integers(2, 6), TIMES, st.integers(0, 2**32 - 1))
def test_trajectories_are_what_a_trajectory_controller_takes(joints: int, points: int, time: float, seed: int) -> None:
    states = State(*np.random.default_rng(seed).normal(size=(3, points, joints + 1)))
    names = [f"joint{number}" for number in range(joints)]
    message = messages.trajectory(names, 0.02 * np.arange(1, points + 1), states, time)
    raw = on_the_wire(JOINT_TRAJECTORY, message)
    assert raw == to_cdr(JOINT_TRAJECTORY, message)
    plain = {
        "joint_names": message["joint_names"],
        "points": [{key: value if isinstance(value, dict) else value.tolist() for key, value in point.items()}
                   for point in message["points"]],
    }  # fmt: skip
    assert problems(plain) == []


def test_pictures_and_diagnostics_are_the_same_bytes_from_either_library() -> None:
    picture = messages.image(np.arange(60, dtype=np.uint8).reshape(4, 5, 3), 12.5)
    assert on_the_wire(IMAGE, picture) == to_cdr(IMAGE, picture)
    said = messages.diagnostics(2, {"status": "fault"}, "the drives are off", 1.0)
    assert on_the_wire(DIAGNOSTICS, said) == to_cdr(DIAGNOSTICS, said)


def test_types_have_the_names_that_ros_gives_them() -> None:
    assert (
        message_type(JOINT_TRAJECTORY).__idl__.idl_transformed_typename
        == "trajectory_msgs::msg::dds_::JointTrajectory_"
    )
    assert wire_name("/arm/joint_states") == wire_name("arm/joint_states") == "rt/arm/joint_states"
    assert "float64[] position" in text(JOINT_STATE)


@pytest.mark.parametrize("topic", ["", "/", "a b", "/a//b", "1a"])
def test_what_is_no_topic_is_refused(topic: str) -> None:
    with pytest.raises(InputError, match="no name of a topic"):
        wire_name(topic)


def picture(encoding: str, depth: int, pad: int = 0) -> tuple[Any, np.ndarray]:
    rgb = np.random.default_rng(0).integers(0, 256, (3, 4, 3), np.uint8)
    told = {"rgb8": rgb, "bgr8": rgb[..., ::-1], "mono8": rgb[..., :1]}.get(encoding)
    if told is None:
        alpha = np.full((3, 4, 1), 7, np.uint8)
        told = np.concatenate([rgb if encoding == "rgba8" else rgb[..., ::-1], alpha], axis=2)
    rows = np.concatenate([told.reshape(3, -1), np.zeros((3, pad), np.uint8)], axis=1)
    message = SimpleNamespace(height=3, width=4, step=4 * depth + pad, encoding=encoding, data=rows.tobytes())
    return message, np.repeat(rgb[..., :1], 3, axis=2) if encoding == "mono8" else rgb


@pytest.mark.parametrize("pad", [0, 5])
@pytest.mark.parametrize(
    ("encoding", "depth"), [("rgb8", 3), ("bgr8", 3), ("rgba8", 4), ("bgra8", 4), ("mono8", 1)]
)  # fmt: skip
def test_pictures_of_usual_encodings_are_red_first(encoding: str, depth: int, pad: int) -> None:
    message, expected = picture(encoding, depth, pad)
    assert np.array_equal(messages.pixels(message), expected)


def test_pictures_that_are_not_understood_are_refused() -> None:
    message, _ = picture("rgb8", 3)
    with pytest.raises(InputError, match="encoding '16UC1' is not known: expected one of rgb8"):
        messages.pixels(SimpleNamespace(**{**vars(message), "encoding": "16UC1"}))
    for wrong in ({"step": 4}, {"height": 4}, {"data": b""}, {"width": 0}):
        with pytest.raises(InputError, match="expected"):
            messages.pixels(SimpleNamespace(**{**vars(message), **wrong}))


def test_joints_are_found_by_name_whatever_else_there_is() -> None:
    state = SimpleNamespace(name=["c", "a", "b"], position=[3.0, 1.0, 2.0], velocity=[0.3, 0.1, 0.2])
    position, velocity = messages.readings(state, ["a", "b"])
    assert position.tolist() == [1.0, 2.0] and velocity.tolist() == [0.1, 0.2]
    without = SimpleNamespace(name=["a"], position=[1.0], velocity=[])
    assert np.isnan(messages.readings(without, ["a"])[1]).all()
    position, velocity = messages.readings(state, ["a", "d"])  # another message may tell of the other
    assert position[0] == 1.0 and np.isnan([position[1], velocity[1]]).all()
    with pytest.raises(InputError, match="lack d, e; they have c, a, b"):
        messages.readings(state, ["d", "e"])
    with pytest.raises(InputError, match="name a more than once"):
        messages.readings(SimpleNamespace(name=["a", "a"], position=[1.0, 2.0], velocity=[]), ["a"])
    with pytest.raises(InputError, match="3 names and 1 positions"):
        messages.readings(SimpleNamespace(name=["c", "a", "b"], position=[1.0], velocity=[]), ["a"])
