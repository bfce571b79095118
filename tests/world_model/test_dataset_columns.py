"""Commands and joint readings are found under whatever names and in whatever types they are stored."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forearm.world_model.data import DatasetError, open_cache, read_dataset
from forearm.world_model.data.columns import matrix, names_of, sources
from tests.world_model.foreign import KINDS, vectors, write

RNG = np.random.default_rng(0)


def features(**shapes):
    return {key.replace("__", "."): {"dtype": "float32", "shape": shape} for key, shape in shapes.items()}


@pytest.mark.parametrize(
    ("given_", "found"),
    [
        (features(action=[6], actions=[6]), ("action",)),
        (features(actions=[6], state=[3]), ("actions",)),
        (features(action__arm=[6]), ("action.arm",)),
        (features(action__arm=[6], action__gripper=[1]), ()),
        (features(action=[6], action__arm=[6], action__gripper=[1]), ("action",)),
        (features(action=[2, 3]), ("action",)),
        (features(action=[]), ("action",)),
        (features(observation__state=[6], timestamp=[1]), ()),
        (features(transaction=[6], reaction=[1]), ()),
        ({"action": {"dtype": "string", "shape": [1]}}, ()),
    ],
)
def test_commands_are_recognised_only_where_nothing_else_could_be_meant(given_, found):
    assert sources(given_, "action", None, "data") == found


def test_named_columns_are_put_side_by_side_in_the_order_of_their_names(tmp_path):
    rng = np.random.default_rng(1)
    columns = {
        "action.arm": rng.normal(size=(15, 2, 3)).astype(np.float32),
        "action.gripper": rng.integers(0, 4096, 15).astype(np.uint16),
        "state": rng.normal(size=(15, 2)),
    }
    root = write(tmp_path / "a", columns)
    data = read_dataset(root, action_key=["action.gripper", "action.arm"])
    wanted = np.concatenate([columns["action.gripper"][:, None], columns["action.arm"].reshape(15, 6)], 1)
    assert data.columns == {"observation.state": 2, "action": 7}
    assert np.array_equal(np.concatenate([data.numbers(e)["action"] for e in range(3)]), wanted.astype(np.float32))
    assert data.names("action")[:3] == ["action.gripper.0", "action.arm.0.0", "action.arm.0.1"]
    other = read_dataset(root, action_key="action.arm", state_key=["state", "action.gripper"])
    assert other.columns == {"observation.state": 3, "action": 6}
    one, two = (open_cache(root, action_key=key) for key in ("action.arm", ["action.gripper", "action.arm"]))
    assert one.action.shape == (15, 6) and two.action.shape == (15, 7) and one.fingerprint != two.fingerprint
    assert np.array_equal(two.state, columns["state"].astype(np.float32))


def test_names_twice_are_told_apart():
    both = {key: {"dtype": "float32", "shape": [2], "names": ["a", "b"]} for key in ("left", "right")}
    from forearm.world_model.data.columns import side_by_side

    assert side_by_side(both, ["left", "right"]) == ["left.a", "left.b", "right.a", "right.b"]
    assert names_of({"shape": [2], "names": {"y": 1, "x": 0}}, "action") == ["x", "y"]
    assert names_of({"shape": [2], "names": {"motors": ["m", "n"]}}, "action") == ["m", "n"]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"action_key": "actoin"}, r"no numbers called actoin; its numeric columns are action \(3\), "),
        ({"action_key": ["action", "action"]}, "each once"),
        ({"action_key": []}, "one column or more"),
        ({"state_key": "timestamp"}, "no numbers called timestamp"),
        ({"state_key": "observation.images.front"}, "no numbers called"),
    ],
)
def test_what_is_no_column_is_said_with_what_there_is(tmp_path, keys, message):
    with pytest.raises(DatasetError, match=message):
        read_dataset(write(tmp_path / "a", vectors(RNG)), **keys)


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_every_type_and_shape_is_read_as_it_stands(data):
    kind = data.draw(st.sampled_from(sorted(KINDS)))
    shape = data.draw(st.lists(st.integers(1, 3), max_size=3))
    rows = data.draw(st.integers(0, 4))
    low, high = (0, 1) if kind == "bool" else (0, 100)
    values = np.random.default_rng(data.draw(st.integers(0, 99))).integers(low, high + 1, (rows, *shape)).astype(kind)
    wanted = values.reshape(rows, -1).astype(np.float32) if rows else np.zeros((0, int(np.prod(shape))), np.float32)
    array = pa.array(values.reshape(-1), KINDS[kind])
    for size in reversed(shape):
        if data.draw(st.booleans()):
            array = pa.FixedSizeListArray.from_arrays(array, size)
        else:
            large = data.draw(st.booleans())
            make, offset = (pa.LargeListArray, np.int64) if large else (pa.ListArray, np.int32)
            array = make.from_arrays(pa.array(np.arange(0, len(array) + 1, size, offset)), array)
    column = (
        pa.chunked_array([array[: rows // 2], array[rows // 2 :]])
        if data.draw(st.booleans())
        else pa.chunked_array([array])
    )
    assert np.array_equal(matrix(column, int(np.prod(shape))), wanted)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ([[1.0, 2.0], [3.0]], "between 1 and 2 numbers, not 2"),
        ([[1.0, 2.0, 4.0]], "rows have 3 numbers, not 2"),
        ([[1.0, 2.0], None], "empty cells"),
        ([["a", "b"]], "not numbers"),
    ],
)
def test_what_is_no_vector_is_refused(cells, message):
    with pytest.raises(ValueError, match=message):
        matrix(pa.chunked_array([pa.array(cells)]), 2)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e300])
def test_a_command_that_is_none_names_its_episode_and_the_remedy(tmp_path, bad):
    columns = {key: value.astype(np.float64) for key, value in vectors(np.random.default_rng(2)).items()}
    columns["action"][6, 1] = bad
    root = write(tmp_path / "a", columns)
    with pytest.raises(
        DatasetError, match=r"episode 1: column action holds a number that is not finite.*exclude=\[1\]"
    ):
        open_cache(root)
    assert open_cache(root, exclude=[1]).episodes == 2
