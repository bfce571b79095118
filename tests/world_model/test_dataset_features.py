"""Features of frames: made once, kept as a memory map, gone on with after a stop."""

import json
import threading
from pathlib import Path

import numpy as np
import pytest

from forearm.world_model.data import DatasetError, WindowSampler, features, open_cache, with_features

SHAPE = (3, 2, 2)
IDENTITY = {"name": "corner", "layer": None}


def corner(frames):
    """(n, 3, 2, 2): the upper left corner of each frame."""
    return np.ascontiguousarray(frames[:, 8:10, 8:10].transpose(0, 3, 1, 2)).astype(np.float16)


@pytest.fixture
def cache(squares, tmp_path, monkeypatch):
    monkeypatch.setattr(features, "CHUNK", 128)
    return open_cache(squares, 32, tmp_path / "cache")


def forbidden(frames):
    raise AssertionError("these features were there already")


def test_row_n_is_frame_n(cache):
    steps = []
    seen = with_features(cache, IDENTITY, SHAPE, corner, lambda done, of: steps.append((done, of)))
    count = len(cache.frames)
    assert count == 40 * 25 and steps == [(min(at + 128, count), count) for at in range(0, count, 128)]
    assert isinstance(seen.features, np.memmap) and not seen.features.flags.writeable
    np.testing.assert_array_equal(seen.features, corner(cache.frames))
    assert cache.features is None and seen.fingerprint == cache.fingerprint


def test_features_are_made_once_for_each_model_and_resolution(cache, squares):
    first = with_features(cache, IDENTITY, SHAPE, corner)
    again = with_features(cache, dict(reversed(IDENTITY.items())), SHAPE, forbidden)
    np.testing.assert_array_equal(first.features, again.features)
    made = []

    def counted(frames):
        made.append(len(frames))
        return corner(frames)

    other = with_features(cache, {**IDENTITY, "layer": 1}, SHAPE, counted)
    assert sum(made) == 1000 and other.features.filename != first.features.filename
    with_features(open_cache(squares, 16, cache.path.parent), IDENTITY, SHAPE, counted)
    assert sum(made) == 2000


class Killed(Exception):
    pass


def test_a_killed_run_goes_on_where_it_was(cache):
    calls = []

    def dying(frames):
        calls.append(len(frames))
        if len(calls) == 4:
            raise Killed
        return corner(frames)

    with pytest.raises(Killed):
        with_features(cache, IDENTITY, SHAPE, dying)
    [part] = cache.path.parent.glob("*.features.part")
    # What lies behind the last note may be anything, as after a power cut.
    with (part / "features.f16").open("ab") as file:
        file.write(b"\xff" * 100)
    made, steps = [], []

    def counted(frames):
        made.append(len(frames))
        return corner(frames)

    seen = with_features(cache, IDENTITY, SHAPE, counted, lambda done, of: steps.append(done))
    assert sum(made) == 1000 - 3 * 128 and steps[0] == 4 * 128
    np.testing.assert_array_equal(seen.features, corner(cache.frames))
    assert not list(cache.path.parent.glob("*.part"))


@pytest.mark.parametrize("damage", ["shorter", "note", "shape"])
def test_features_that_are_not_whole_are_made_again(cache, damage):
    folder = Path(with_features(cache, IDENTITY, SHAPE, corner).features.filename).parent
    if damage == "shorter":
        (folder / "features.f16").write_bytes((folder / "features.f16").read_bytes()[:-2])
    elif damage == "note":
        (folder / "features.json").write_text("{")
    else:
        note = json.loads((folder / "features.json").read_text())
        (folder / "features.json").write_text(json.dumps({**note, "shape": [1000, 3, 4, 1]}))
    np.testing.assert_array_equal(with_features(cache, IDENTITY, SHAPE, corner).features, corner(cache.frames))


def test_those_who_ask_at_once_share_the_work(cache):
    made, found = [], []

    def counted(frames):
        made.append(len(frames))
        return corner(frames)

    def ask():
        found.append(with_features(cache, IDENTITY, SHAPE, counted).features)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(made) == 1000 and len(found) == 3
    for array in found:
        np.testing.assert_array_equal(array, corner(cache.frames))


def test_features_that_no_training_could_use_are_refused(cache):
    with pytest.raises(DatasetError, match=r"frames 0 to 127 that are not finite in half precision"):
        with_features(cache, IDENTITY, SHAPE, lambda frames: corner(frames) * np.float16(np.inf))
    with pytest.raises(ValueError, match=r"features are float32 .*expected float16 \(128, 3, 2, 2\)"):
        with_features(cache, IDENTITY, SHAPE, lambda frames: corner(frames).astype(np.float32))
    assert not list(cache.path.parent.glob("*.features"))


def test_a_disk_without_room_is_named(cache, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(features.os, "fsync", full)
    with pytest.raises(DatasetError, match=r"No space left on device.*make room"):
        with_features(cache, IDENTITY, SHAPE, corner)


def test_windows_show_features_in_place_of_pixels(cache):
    seen = with_features(cache, IDENTITY, SHAPE, corner)
    with_pixels, without = (WindowSampler(c, 2, 3, 2).batch(0, 8, seed=0) for c in (cache, seen))
    assert "pixels" not in without and without["features"].shape == (8, 5, *SHAPE)
    frames = with_pixels["pixels"].flatten(0, 1).numpy()
    np.testing.assert_array_equal(without["features"].flatten(0, 1).numpy(), corner(frames))
    assert without["actions"].equal(with_pixels["actions"])
