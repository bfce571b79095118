"""Some episodes of a data set: chosen by number and range, and those that were fetched at all."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forearm.world_model.data import DatasetError, open_cache, read_dataset
from forearm.world_model.data.selection import of_each, ranges, select
from tests.world_model.foreign import vectors, write

EIGHT = range(8)


@pytest.mark.parametrize(
    ("episodes", "exclude", "chosen"),
    [
        (None, None, list(EIGHT)),
        ([0, 1], None, [0, 1]),
        (3, None, [3]),
        ("2:4", None, [2, 3]),
        (["6:", 0], None, [0, 6, 7]),
        (":2", None, [0, 1]),
        ("5", None, [5]),
        (None, [2], [0, 1, 3, 4, 5, 6, 7]),
        ([1, 2, 3], "2:8", [1]),
    ],
)
def test_numbers_and_ranges(episodes, exclude, chosen):
    assert select(EIGHT, episodes, exclude, "data") == chosen


@pytest.mark.parametrize(
    ("episodes", "exclude", "message"),
    [
        ([8], None, "there is no episode 8; it has 0:8"),
        ([-1], None, "there is no episode -1"),
        ([1, 1], None, "names episode 1 twice"),
        (["0:3", 2], None, "names episode 2 twice"),
        ([], None, "names no episode"),
        ("3:3", None, "names no episode"),
        ("4:2", None, "names no episode"),
        ("0:9", None, "beyond the last episode"),
        ("0:99999999999", None, "beyond the last episode"),
        ("-2:", None, "expected numbers"),
        ("a", None, "expected numbers"),
        (":", None, None),
        ([True], None, "expected numbers"),
        ([1.5], None, "expected numbers"),
        ([[1]], None, "expected numbers"),
        ([None], None, "expected numbers"),
        ({"a": 1}, None, "expected numbers"),
        (None, [9], "there is no episode 9"),
        (None, "0:8", "leaves no episode"),
        ([1], [1], "leaves no episode"),
    ],
)
def test_what_is_no_choice_is_one_line(episodes, exclude, message):
    if message is None:
        assert select(EIGHT, episodes, exclude, "data") == list(EIGHT)
        return
    with pytest.raises(DatasetError, match=message) as caught:
        select(EIGHT, episodes, exclude, "data")
    assert "\n" not in str(caught.value)


@given(st.sets(st.integers(0, 60), min_size=1))
def test_a_choice_that_is_offered_is_that_choice(numbers):
    offered = ranges(sorted(numbers))
    words = offered.strip("[]").split(",")
    assert select(range(61), [int(word) if word.isdigit() else word for word in words], None, "data") == sorted(numbers)


def test_one_choice_for_all_or_one_each():
    assert of_each([0, 1], 2, "episodes") == [[0, 1], [0, 1]]
    assert of_each([[0], [1, 2]], 2, "episodes") == [[0], [1, 2]]
    assert of_each([[0], None], 2, "episodes") == [[0], None]
    with pytest.raises(DatasetError, match="1 entries for 2 data sets"):
        of_each([[0]], 2, "episodes")


def test_a_choice_is_a_cache_and_a_fingerprint_of_its_own(tmp_path):
    columns = vectors(np.random.default_rng(0))
    root = write(tmp_path / "a", columns)
    whole, some = open_cache(root), open_cache(root, episodes=[0, 2])
    assert some.episodes == 2 and list(some.lengths) == [5, 6]
    assert np.array_equal(some.action, np.delete(columns["action"], slice(5, 9), axis=0))
    assert np.array_equal(some.frames, np.delete(whole.frames, slice(5, 9), axis=0))
    assert len({whole.fingerprint, some.fingerprint, open_cache(root, exclude=[0]).fingerprint}) == 3
    assert open_cache(root, episodes="0:3").fingerprint == whole.fingerprint
    assert [entry.index for entry in read_dataset(root, exclude=[1]).episodes] == [0, 2]


@pytest.mark.parametrize("storage", ["image", "video"])
def test_a_data_set_fetched_in_part(tmp_path, storage):
    root = write(tmp_path / "a", vectors(np.random.default_rng(0)), cameras={"front": storage}, files=3)
    (root / "data/chunk-000/file-001.parquet").unlink()
    message = r"file-001.parquet: episode 1: the file is missing; 1 of 3 episodes of .* episodes=\[0,2\]"
    with pytest.raises(DatasetError, match=message):
        open_cache(root)
    assert open_cache(root, episodes=[0, 2]).episodes == 2
    if storage == "video":
        (root / "videos/front/chunk-000/file-000.mp4").unlink()
        with pytest.raises(DatasetError, match=r"3 of 3 episodes .* fetch their files$"):
            open_cache(root)
