"""The definitions of ROS 2's messages, of which rosbags holds a copy, and messages made of plain values.

A message is a mapping of its fields, as `joint_trajectory.message` makes one; numbers may be arrays.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np

from forearm.errors import ForearmError

JOINT_STATE = "sensor_msgs/msg/JointState"
IMAGE = "sensor_msgs/msg/Image"
JOINT_TRAJECTORY = "trajectory_msgs/msg/JointTrajectory"
DIAGNOSTICS = "diagnostic_msgs/msg/DiagnosticArray"
NAMES = "forearm's ROS 2 messages need more packages: pip install 'forearm[ros2]'"


@cache
def definitions() -> Any:
    """Rosbags' store of the types of ROS 2 Humble; raises `ForearmError` where rosbags is not installed."""
    try:
        from rosbags.typesys import Stores, get_typestore
    except ModuleNotFoundError:
        raise ForearmError(NAMES) from None
    return get_typestore(Stores.ROS2_HUMBLE)


def fields(name: str) -> list[tuple[str, tuple[Any, Any]]]:
    """The fields of a message type such as `sensor_msgs/msg/Image`, as rosbags describes them."""
    return list(definitions().fielddefs[name][1])


def built(name: str, values: Mapping[str, Any], kind: Callable[[str], Any], numbers: Callable[[Any, str], Any]) -> Any:
    """A message of type `name` from plain values.

    Args:
        kind: the class of a message type; it takes the fields as keywords.
        numbers: a sequence of numbers as that class wants it, given the values and ROS's name of their type.
    """
    return kind(name)(**{field: _value(form, values[field], kind, numbers) for field, form in fields(name)})


def _value(form: tuple[Any, Any], value: Any, kind: Callable[[str], Any], numbers: Callable[[Any, str], Any]) -> Any:
    from rosbags.interfaces import Nodetype

    node, inner = form
    if node == Nodetype.NAME:
        return built(inner, value, kind, numbers)
    if node == Nodetype.BASE:
        return value
    of, name = inner[0]
    if of == Nodetype.NAME:
        return [built(name, item, kind, numbers) for item in value]
    return list(value) if name[0] == "string" else numbers(value, name[0])


def to_cdr(name: str, values: Mapping[str, Any]) -> bytes:
    """A message as ROS 2 writes it, in CDR."""
    store = definitions()
    made = built(name, values, store.types.__getitem__, lambda given, dtype: np.ascontiguousarray(given, dtype))
    return bytes(store.serialize_cdr(made, name))


def text(name: str) -> str:
    """The definition of a message type with all that it is made of, as a `.msg` file says it."""
    return str(definitions().generate_msgdef(name, ros_version=2)[0])
