import contextlib
import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forearm.integrations.joint_trajectory import problems


def good() -> dict[str, Any]:
    return {
        "header": {"stamp": {"sec": 0, "nanosec": 0}, "frame_id": ""},
        "joint_names": ["a", "b"],
        "points": [
            {
                "positions": [float(i), 2 * i],
                "velocities": [0.0, 0.0] if i == 3 else [0.5, 1],
                "accelerations": [],
                "effort": [],
                "time_from_start": {"sec": i // 2, "nanosec": 500_000_000 * (i % 2)},
            }
            for i in range(4)
        ],
    }


def places(value: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where the values of a message are: the keys and numbers that lead to each."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [way, *(place for key, part in inside for place in places(part, (*way, key)))]


def changed(way: tuple[Any, ...], new: Any) -> Any:
    if not way:
        return new
    found = good()
    target: Any = found
    for step in way[:-1]:
        target = target[step]
    target[way[-1]] = new
    return found


WAYS = places(good())
HUGE = 10**5000  # Python refuses to write it out
leaf = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.builds(lambda: -HUGE)
anything = st.recursive(
    leaf,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=14), inner, max_size=4),
    max_leaves=12,
)
never_right = st.sampled_from([None, True, float("nan"), float("inf"), 10**400, [None], {"x": 1}])


def test_good_messages_have_none() -> None:
    assert problems(good()) == []
    assert problems(json.loads(json.dumps(good()))) == []
    least = {"joint_names": ["a"], "points": [{"positions": [1], "time_from_start": {"sec": 0, "nanosec": 0}}]}
    assert problems(least) == []


@given(anything)
@settings(deadline=None, max_examples=200)
def test_anything_at_all_is_answered_with_sentences(found: Any) -> None:
    said = problems(found)
    assert said and all(isinstance(line, str) and line and "\n" not in line for line in said)


@given(st.lists(st.tuples(st.sampled_from(WAYS), anything), min_size=1, max_size=4))
@settings(deadline=None, max_examples=200)
def test_a_good_message_damaged_anywhere_by_anything_raises_nothing(changes: list[tuple[Any, Any]]) -> None:
    found: Any = good()
    for way, new in changes:
        target = found
        for step in way[:-1]:
            try:
                target = target[step]
            except (KeyError, IndexError, TypeError):
                break
        else:
            if way and isinstance(target, dict | list):
                with contextlib.suppress(IndexError, TypeError):
                    target[way[-1]] = copy.deepcopy(new)
    assert isinstance(problems(found), list)


@pytest.mark.parametrize("way", [way for way in WAYS if way], ids=lambda way: ".".join(map(str, way)))
@given(new=never_right)
@settings(deadline=None, max_examples=15)
def test_every_damaged_field_is_named(way: tuple[Any, ...], new: Any) -> None:
    said = "\n".join(problems(changed(way, new)))
    names = [step for step in way if isinstance(step, str)]
    assert names[-1] in said or (way[0] == "points" and f"point {(*way, 0)[1]}" in said)
    if len(way) > 2 and way[0] == "points":
        assert f"point {way[1]}" in said and way[2] in said


@pytest.mark.parametrize(
    ("way", "new", "said"),
    [
        (("points", 1, "time_from_start", "nanosec"), 0.5, "nanosec must be a whole number, not 0.5"),
        (("points", 1, "time_from_start", "nanosec"), -1, "nanosec must lie between"),
        (("points", 1, "time_from_start", "nanosec"), True, "nanosec must be a whole number, not True"),
        (("points", 1, "time_from_start", "nanosec"), "5", "nanosec must be a whole number, not '5'"),
        (("points", 1, "time_from_start", "sec"), -1000, "sec must lie between"),
        (("points", 1, "time_from_start", "sec"), -1, "sec must lie between"),
        (("points", 1, "time_from_start"), {"secs": 0, "nsecs": 5}, "'secs' is none of its fields"),
        (("points", 1, "time_from_start"), {"sec": 0}, "nanosec is missing"),
        (("points", 1, "time_from_start"), 0.5, "a mapping of sec and nanosec, not 0.5"),
        (("points", 2, "time_from_start", "sec"), 0, "point 2: time_from_start must rise"),
        (("points", 1, "positions"), [1.0], "point 1: positions has 1 numbers for 2 joints"),
        (("points", 1, "positions"), "ab", "positions must be a list of numbers, not 'ab'"),
        (("points", 1, "positions", 0), True, "number 0 is True, which is no number"),
        (("points", 1, "positions", 1), 10**400, "too large"),
        (("points", 1, "velocities"), [1.0, 2.0, 3.0], "velocities has 3 numbers"),
        (("points", 1, "accelerations"), None, "accelerations must be a list"),
        (("points", 1, "effort"), [0.0, 0.0], "effort is not used"),
        (("points", 1, "velocitys"), [0.0, 0.0], "'velocitys' is none of its fields"),
        (("points", 3, "velocities", 1), 0.1, "the last point must have no velocity"),
        (("points",), {"0": {}}, "points must be a list"),
        (("points",), [], "at least one point"),
        (("joint_names",), "ab", "joint_names must be a list of names, not 'ab'"),
        (("joint_names",), ["a", "a"], "names 'a' again"),
        (("joint_names",), ["a", ["b"]], "number 1 must be a name"),
        (("joint_names",), ["a", ""], "number 1 must be a name"),
        (("joint_names",), [], "every joint once"),
        (("joint_names",), ["a", "b", "c"], "positions has 2 numbers for 3 joints"),
        (("header",), None, "header must be a mapping"),
        (("header", "stamp", "sec"), 0.5, "header: stamp: sec must be a whole number"),
        (("header", "frame_id"), 3, "frame_id must be text"),
        (("header", "seq"), 3, "'seq' is none of its fields"),
    ],
)
def test_what_is_said(way: tuple[Any, ...], new: Any, said: str) -> None:
    found = problems(changed(way, new))
    assert any(said in line for line in found), found


def test_every_field_that_is_missing_but_needed_is_named() -> None:
    removals: list[tuple[Callable[[Any], Any], str]] = [
        (lambda m: m.pop("joint_names"), "joint_names"),
        (lambda m: m.pop("points"), "points"),
        (lambda m: m["points"][2].pop("positions"), "point 2: positions"),
        (lambda m: m["points"][2].pop("time_from_start"), "point 2: time_from_start"),
        (lambda m: m["points"][2]["time_from_start"].pop("sec"), "sec is missing"),
    ]
    for remove, said in removals:
        found = good()
        remove(found)
        assert any(said in line for line in problems(found)), problems(found)


def test_numbers_that_cannot_be_written_out_are_named_all_the_same() -> None:
    for way in (("points", 1, "time_from_start", "sec"), ("points", 1, "positions", 0), ("joint_names", 0)):
        said = problems(changed(way, HUGE))
        assert len(said) == 1 and "too large to show" in said[0]
    nested: list[Any] = []
    for _ in range(100_000):
        nested = [nested]
    assert problems(changed(("points", 1, "positions"), nested))


def test_all_that_is_wrong_is_said_at_once_and_long_values_are_cut() -> None:
    found = good()
    found["joint_names"][1] = 7
    found["points"][0]["positions"] = "x" * 1000
    found["points"][2] = None
    said = problems(found)
    assert len(said) == 3 and max(map(len, said)) < 200
