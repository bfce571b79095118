"""The episodes table is held against itself, the rows and the video: no frame of another moment is read in silence."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forearm.world_model.data import DatasetError, open_cache, read_dataset
from forearm.world_model.data.inspection import inspect
from tests.world_model.numbered import DATA_FILE, EPISODES_FILE, FPS, LENGTHS, VIDEO, change_episodes, make, shown

Rows = list[dict[str, Any]]
STARTS = (0, 6, 15)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("whole") / "data")


@pytest.fixture
def changed(whole: Path, tmp_path: Path) -> Callable[[Callable[[Rows], Any]], Path]:
    def change(how: Callable[[Rows], Any]) -> Path:
        root = tmp_path / "changed"
        shutil.copytree(whole, root)
        change_episodes(root, how)
        return root

    return change


def all_right(root: Path) -> bool:
    """Whether every frame is that of its row; raises `DatasetError` where reading refuses."""
    data = read_dataset(root)
    read = []  # all of them, also after the first that is wrong
    for episode in range(len(data)):
        rows = data.numbers(episode)["observation.state"][:, 0].tolist()
        read.append([shown(frame) for frame in data.frames(episode)] == rows)
    return all(read)


def test_frames_are_those_of_their_rows(whole: Path) -> None:
    assert all_right(whole)
    assert inspect(whole, frames=True).problems == [] and inspect(whole).notes == []


def moved(key: str, by: float, first: int = 1, last: int = 3) -> Callable[[Rows], None]:
    def change(rows: Rows) -> None:
        for row in rows[first:last]:
            for end in ("from", "to") if key == "both" else (key,):
                row[f"{VIDEO}/{end}_timestamp"] += by / FPS

    return change


@settings(max_examples=60, deadline=None)
@given(
    by=st.floats(-12, 12).map(lambda by: round(by, 2)),
    key=st.sampled_from(["both", "from", "to"]),
    which=st.sampled_from([(0, 3), (1, 3), (1, 2), (2, 3)]),
)
def test_a_moved_interval_is_refused_or_read_right(
    tmp_path_factory: pytest.TempPathFactory, whole: Path, by: float, key: str, which: tuple[int, int]
) -> None:
    root = tmp_path_factory.mktemp("moved") / "data"
    shutil.copytree(whole, root)
    try:
        change_episodes(root, moved(key, by, *which))
        try:
            assert all_right(root)
        except DatasetError as error:
            assert abs(by) >= 0.2 and "episode" in str(error)
            assert inspect(root).problems and inspect(root, frames=True).problems
            with pytest.raises(DatasetError):
                open_cache(root)
        else:
            assert abs(by) < 0.5
    finally:
        shutil.rmtree(root)


def swapped(rows: Rows) -> None:
    for key in ("from_timestamp", "to_timestamp"):
        rows[1][f"{VIDEO}/{key}"], rows[2][f"{VIDEO}/{key}"] = rows[2][f"{VIDEO}/{key}"], rows[1][f"{VIDEO}/{key}"]


def placed_anew(rows: Rows) -> None:
    """Episodes 1 and 2 in the other order in the video, each with its own length."""
    rows[2][f"{VIDEO}/from_timestamp"], rows[2][f"{VIDEO}/to_timestamp"] = 0.6, 1.3
    rows[1][f"{VIDEO}/from_timestamp"], rows[1][f"{VIDEO}/to_timestamp"] = 1.3, 2.2


def put(key: str, value: Any, row: int = 1) -> Callable[[Rows], None]:
    return lambda rows: rows[row].update({key: value})


def test_a_video_that_is_full_says_where_each_episode_begins(changed: Any) -> None:
    root = changed(moved("both", 1, 0))
    with pytest.raises(DatasetError, match=r"episode 0: from_timestamp is 0\.1 s, expected 0 s: the video holds"):
        next(iter(read_dataset(root).frames(0)))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (moved("both", -1), r"episode 1: from_timestamp in .*file-000\.mp4 is 0\.5 s, expected at least 0\.6 s"),
        (moved("to", 5, 1, 2), r"episode 1: to_timestamp - from_timestamp .* is 14 frames, expected its length, 9"),
        (swapped, "is 7 frames, expected its length, 9"),
        (placed_anew, "episode 1: from_timestamp .* expected before episode 2"),
        (put("length", 8), "dataset_to_index - dataset_from_index is 9, expected its length, 8"),
        (put("length", 0), "length is 0, expected a whole number of at least 1"),
        (put("length", None), "length is empty, expected a whole number"),
        (put("length", -4), "length is -4"),
        (put("dataset_to_index", 14), "is 8, expected its length, 9"),
        (put("dataset_from_index", -3), "dataset_from_index is -3, expected a whole number of at least 0"),
        (
            lambda rows: rows[1].update(dataset_from_index=3, dataset_to_index=12),
            "episode 1: dataset_from_index is 3, expected at least 6, where episode 0 ends",
        ),
        (put(f"{VIDEO}/from_timestamp", float("nan")), "from_timestamp in .* is nan, expected seconds of at least 0"),
        (put(f"{VIDEO}/from_timestamp", -0.4), "from_timestamp in .* is -0.4"),
        (put(f"{VIDEO}/to_timestamp", None), "to_timestamp is empty, expected seconds"),
        (put(f"{VIDEO}/to_timestamp", float("inf")), "to_timestamp in .* is inf"),
        (put(f"{VIDEO}/file_index", 1), r"file-001\.mp4: episode 1: the file is missing"),
        (put(f"{VIDEO}/chunk_index", 1), r"chunk-001/file-000\.mp4: episode 1: the file is missing"),
        (put(f"{VIDEO}/file_index", None), "file_index is empty"),
        (put("data/file_index", None), "data/file_index is empty"),
        (put("data/chunk_index", -1), "data/chunk_index is -1"),
        (put("episode_index", None), "row 1: episode_index is empty"),
        (put("episode_index", 0), "episode 0 stands there twice"),
        (put("episode_index", 7), r"file-000\.parquet: episode 7: holds 0 of its 9 frames"),
        (lambda rows: [row.update(tasks=3) for row in rows], "tasks is 3, expected a list of texts"),
        (lambda rows: rows.pop(), "holds 2 of the 3 episodes"),
        (lambda rows: [row.pop("length") for row in rows], "episode 0: has no column length"),
        (lambda rows: [row.pop(f"{VIDEO}/to_timestamp") for row in rows], "has no column .*to_timestamp"),
    ],
)
def test_every_field_is_checked(changed: Any, change: Callable[[Rows], Any], said: str) -> None:
    root = changed(change)
    with pytest.raises(DatasetError, match=said):
        all_right(root)
    try:
        problems = inspect(root).problems
    except DatasetError as error:
        problems = [str(error)]
    assert any(re.search(said, problem) for problem in problems), problems


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda rows: rows.reverse(), "row 0 is episode 2, expected episode 0"),
        (
            lambda rows: [row.update(dataset_from_index=at + 3, dataset_to_index=at + 3 + length)
                          for row, at, length in zip(rows, STARTS, LENGTHS, strict=True)],
            "episode 0: index of frame 0 is 0, expected 3 by dataset_from_index 3",
        ),
        (lambda rows: [row.update(tasks=["other"]) for row in rows], "episode 0: tasks are other, its rows' .* says t"),
    ],
)  # fmt: skip
def test_what_leads_to_no_wrong_frame_is_a_problem_of_inspection(changed: Any, change: Any, said: str) -> None:
    root = changed(change)
    assert all_right(root)
    assert any(re.search(said, problem) for problem in inspect(root).problems)


def test_rounding_is_no_drift(changed: Any) -> None:
    def rounded(rows: Rows) -> None:
        for number, row in enumerate(rows):
            row[f"{VIDEO}/from_timestamp"] += (-1) ** number * 1e-3
            row[f"{VIDEO}/to_timestamp"] += 1e-3

    root = changed(rounded)
    assert all_right(root) and inspect(root, frames=True).problems == []


def test_frames_that_belong_to_no_episode_are_noted(whole: Path, tmp_path: Path) -> None:
    """As after a deletion that left the video as it was."""
    root = tmp_path / "data"
    shutil.copytree(whole, root)
    from tests.world_model.numbered import change_info, change_rows

    change_episodes(root, lambda rows: rows.pop(1))
    change_episodes(root, lambda rows: rows[1].update(episode_index=1, dataset_from_index=6, dataset_to_index=13))

    def without(rows: Rows) -> None:
        rows[:] = [row | {"episode_index": min(row["episode_index"], 1)} for row in rows if row["episode_index"] != 1]
        for index, row in enumerate(rows):
            row["index"] = index

    change_rows(root / DATA_FILE, without)
    change_info(root, lambda info: info.update(total_episodes=2, total_frames=13))
    assert all_right(root)
    found = inspect(root, frames=True)
    assert found.problems == []
    assert found.notes == [f"{VIDEO}/chunk-000/file-000.mp4: 9 of 22 frames belong to no episode"]


@pytest.mark.parametrize("storage", ["png", "mp4"])
@pytest.mark.parametrize("named", [0, 5])
def test_a_stale_file_index_is_read_by_row(tmp_path: Path, storage: str, named: int) -> None:
    root = make(tmp_path, storage)
    path = root / DATA_FILE
    table = pq.read_table(path, partitioning=None)
    pq.write_table(table.slice(0, 6), path)
    pq.write_table(table.slice(6), path.with_name("file-001.parquet"))

    def stale(rows: Rows) -> None:
        rows[1]["data/file_index"], rows[2]["data/file_index"] = named, 1

    change_episodes(root, stale)
    assert all_right(root)
    found = inspect(root, frames=True)
    assert found.problems == []
    assert len(found.notes) == 1 and f"names data/chunk-000/file-00{named}.parquet, its rows stand in" in found.notes[0]
    assert open_cache(root).lengths.tolist() == list(LENGTHS)


def test_rows_that_stand_twice_are_a_problem(tmp_path: Path) -> None:
    root = make(tmp_path, "png")
    shutil.copy(root / DATA_FILE, root / DATA_FILE.replace("file-000", "file-001"))
    assert any("44 rows, expected those of the episodes, 22" in problem for problem in inspect(root).problems)


def test_rows_that_speak_of_another_time_than_the_video_are_refused(whole: Path, tmp_path: Path) -> None:
    import pyarrow as pa

    from tests.world_model.numbered import with_column

    root = tmp_path / "data"
    shutil.copytree(whole, root)
    times = pq.read_table(root / DATA_FILE, partitioning=None).column("timestamp").to_pylist()
    with_column(root / DATA_FILE, "timestamp", pa.array([time + 0.06 * (n >= 6) for n, time in enumerate(times)]))
    with pytest.raises(DatasetError, match=r"episode 1: timestamp of frame 0 is 0\.06 s, expected 0 s"):
        all_right(root)
    assert any("episode 1: time stamps begin at 0.06 s" in problem for problem in inspect(root).problems)
    assert EPISODES_FILE in {path.relative_to(root).as_posix() for path in root.rglob("*.parquet")}
