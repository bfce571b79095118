"""Nested values of every build are mapped, looked through and put together again."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from forearm.planner.pytree import all_arrays, all_tensors, tensors_in, tree_map


class Pair(NamedTuple):
    left: Any
    right: Any


@dataclass(frozen=True)
class Place:
    at: Any
    seen: int = field(default=0, init=False)

    def __post_init__(self):
        assert len(self.at) > 1


ONE, TWO = torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])
BUILDS = [
    lambda x: x,
    lambda x: {"a": x, 7: [x, (x,)]},
    lambda x: Pair(x, {"b": x}),
    lambda x: (Place(x), [x.numpy()]),
]


@pytest.mark.parametrize("build", BUILDS)
def test_values_of_one_build_are_mapped_together(build):
    found = tree_map(lambda a, b: a + b, build(ONE), build(TWO))
    wanted = build(ONE + TWO)
    assert type(found) is type(wanted)
    assert [path for path, _ in tensors_in(found)] == [path for path, _ in tensors_in(wanted)]
    assert all(torch.equal(a, b) for (_, a), (_, b) in zip(tensors_in(found), tensors_in(wanted), strict=True))


def test_arrays_stay_arrays_and_what_is_neither_stays():
    value = {"x": np.array([1.0, 2.0])[::-1], "n": 3, "none": None, "in": Place(ONE)}
    found = tree_map(lambda leaf: leaf[:1], value)  # shorter than its class would make it
    assert isinstance(found["x"], np.ndarray) and found["x"].tolist() == [2.0]
    assert found["n"] == 3 and found["none"] is None and found["in"].at.tolist() == [1.0] and value["in"].at is ONE


def test_where_tensors_are_found():
    value = {"x": (ONE, {"y": np.zeros(2)}), "z": Pair("word", Place(TWO))}
    assert [path for path, _ in tensors_in(value)] == [" ['x'] [0]", " ['x'] [1] ['y']", " ['z'] [1] .at"]


def test_what_is_only_tensors_and_what_is_only_arrays():
    assert all_tensors(Pair(ONE, None)) and not all_arrays(Pair(ONE, None))
    assert all_arrays([ONE, np.zeros(1)]) and not all_tensors([ONE, np.zeros(1)])
    assert not all_arrays({"x": ONE, "n": 3}) and not all_tensors("word")


def test_values_of_another_build_do_not_go_together():
    with pytest.raises(KeyError):
        tree_map(torch.add, {"a": ONE}, {"b": ONE})
