"""Whatever a half-finished tool leaves in `info.json`, tasks or clocks: read right, or one line that names the file."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forearm.world_model.data import CAMERA_KEY, DatasetError, read_dataset
from forearm.world_model.data.info import read_info
from forearm.world_model.data.inspection import inspect
from tests.world_model.numbered import DATA_FILE, LENGTHS, change_info, make, with_column

MISSING = "missing"
WRONG = [
    MISSING,
    None,
    True,
    False,
    0,
    -1,
    1.5,
    1e308,
    10**400,
    10**12,
    float("nan"),
    float("inf"),
    -float("inf"),
    "",
    "thirty",
    "{chunk_index:0999999999d}",
    "{0}{other}",
    "{chunk_index.__class__}",
    "../{chunk_index}",
    "/{chunk_index}",
    "{",
    [],
    [None],
    [-1],
    [True, True, True],
    [10**9, 10**9, 3],
    ["a"],
    {},
    {"a": 1},
    [[[]]],
]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where in a document of JSON something stands."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        yield (*path, key)
        yield from places(part, (*path, key))


def put(document: Any, path: tuple[Any, ...], value: Any) -> None:
    *before, last = path
    for key in before:
        document = document[key]
    if value is MISSING:
        del document[last]
    else:
        document[last] = value


@pytest.fixture(scope="module", params=["png", "mp4"])
def whole(request: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    root = make(tmp_path_factory.mktemp("info") / "data", request.param)
    return root, json.loads((root / "meta/info.json").read_text())


@settings(max_examples=250, deadline=None)
@given(pick=st.integers(0, 10**6), value=st.sampled_from(WRONG))
def test_any_field_may_be_anything(whole: tuple[Path, dict[str, Any]], pick: int, value: Any) -> None:
    root, info = whole
    found = list(places(info))
    document = copy.deepcopy(info)
    put(document, found[pick % len(found)], value)
    (root / "meta/info.json").write_text(json.dumps(document))
    try:
        inspect(root)
        data = read_dataset(root)
        list(data.frames(0))
        data.numbers(0)
        assert data.fps > 0 and all(len(data.names(key)) == width for key, width in data.columns.items())
    except DatasetError as error:
        said = str(error)
        assert "\n" not in said and str(root) in said and ("info.json" in said or "parquet" in said or ".mp4" in said)
        assert len(said) < 1000
    finally:
        (root / "meta/info.json").write_text(json.dumps(info))


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("fps", None, "fps is null or missing, expected frames a second"),
        ("fps", 0, "fps is 0, expected"),
        ("fps", True, "fps is true, expected"),
        ("fps", float("inf"), "fps is inf, expected"),
        ("fps", "thirty", "fps is 'thirty', expected"),
        ("features", [], r"features is \[\], expected an object"),
        ("total_episodes", None, "total_episodes is null or missing, expected a whole number"),
        ("total_episodes", 2.5, "total_episodes is 2.5, expected"),
        ("total_frames", -1, "total_frames is -1, expected"),
        ("codebase_version", 3, "codebase_version is 3, not v3.0"),
        ("data_path", "data/{chunk}.parquet", "data_path is .* expected a path inside the dataset such as data/"),
        ("video_path", "../{video_key}.mp4", "video_path is .* expected a path inside the dataset"),
        ("video_path", None, "video_path is null or missing, expected a path"),
    ],
)
def test_a_wrong_field_is_named_with_what_was_expected(tmp_path: Path, key: str, value: Any, said: str) -> None:
    root = make(tmp_path)
    change_info(root, lambda info: info.update({key: value}))
    with pytest.raises(DatasetError, match=rf"meta/info\.json: {said}"):
        read_dataset(root)


@pytest.mark.parametrize(
    "feature", [5, None, {"dtype": "float32"}, {"dtype": "float32", "shape": None}, {"shape": [1]}]
)
def test_a_feature_that_is_none_is_named(tmp_path: Path, feature: Any) -> None:
    root = make(tmp_path, "png")
    change_info(root, lambda info: info["features"].update(note=feature))
    with pytest.raises(DatasetError, match=r"info\.json: features\.note[. ].*expected"):
        read_dataset(root)


def test_whole_numbers_may_be_written_with_a_point(tmp_path: Path) -> None:
    root = make(tmp_path, "png")
    change_info(root, lambda info: info.update(total_episodes=3.0, fps=10.0, robot_type=None, splits=None))
    info = read_info(root)
    assert info["total_episodes"] == 3 and isinstance(info["total_episodes"], int) and info["fps"] == 10.0
    assert len(read_dataset(root)) == 3


def test_json_that_is_none_is_named(tmp_path: Path) -> None:
    root = make(tmp_path, "png")
    for text in ("", "[]", "{", "[" * 100_000, "\ufeff{}", "null"):
        (root / "meta/info.json").write_text(text, encoding="utf-8")
        with pytest.raises(DatasetError, match=r"info\.json: "):
            inspect(root)


@pytest.mark.parametrize("key", ["timestamp", "frame_index", "index", "task_index", "episode_index"])
def test_counters_may_stand_in_lists_of_one(tmp_path: Path, key: str) -> None:
    root = make(tmp_path, "png")
    import pyarrow.parquet as pq

    plain = pq.read_table(root / DATA_FILE, partitioning=None).column(key).combine_chunks()
    for kind in (pa.list_(plain.type, 1), pa.list_(plain.type), pa.large_list(plain.type)):
        with_column(root / DATA_FILE, key, pa.array([[value] for value in plain.to_pylist()], kind))
        assert inspect(root).problems == []
        assert [len(list(read_dataset(root).frames(i))) for i in range(3)] == list(LENGTHS)


@pytest.mark.parametrize("key", ["timestamp", "frame_index", "index", "task_index"])
def test_counters_that_are_none_are_problems(tmp_path: Path, key: str) -> None:
    root = make(tmp_path, "png")
    rows = sum(LENGTHS)
    for column in (pa.nulls(rows, pa.float32()), pa.array(["a"] * rows), pa.array([[1.0, 2.0]] * rows)):
        with_column(root / DATA_FILE, key, column)
        assert any(f"episode 0: {key} " in problem for problem in inspect(root).problems)


def test_tasks_are_checked(tmp_path: Path) -> None:
    root = make(tmp_path, "png")
    path = root / "meta/tasks.parquet"
    assert inspect(root).problems == []
    tasks = path.read_bytes()
    path.write_bytes(b"PAR1")
    assert any("tasks.parquet: tasks cannot be read" in problem for problem in inspect(root).problems)
    path.unlink()
    assert any("tasks.parquet: missing" in problem for problem in inspect(root).problems)
    path.write_bytes(tasks)
    with_column(root / DATA_FILE, "task_index", pa.array(np.full(sum(LENGTHS), 3)))
    assert any("task_index 3 is not in meta/tasks.parquet" in problem for problem in inspect(root).problems)
    assert read_dataset(root).camera_key == CAMERA_KEY  # nothing of it is needed for reading
