from pathlib import Path

import imageio.v3 as imageio
import numpy as np
import pytest

from forearm.errors import user_message
from forearm.evaluation.closed_loop import Outcome, Recording
from forearm.evaluation.film import BAR, CHEAP, FPS, LINGER, MAIN, STRIP, film_frames, write_film, write_video
from forearm.recording.contact_sheet import contact_sheet

PLACES = [(5, 20), (32, 40), (60, 30)]
"""Of a frame of 64 pixels, where nothing is written on it."""


def recording(steps: int = 4) -> Recording:
    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 255, (64, 64, 3), dtype=np.uint8) for _ in range(steps)]
    curves = [None, np.array([3.0, np.nan, np.inf]), np.array([1.0]), np.zeros(5)]
    return Recording(frames[0], frames, curves[:steps])


def test_a_film_is_a_video_of_camera_goal_what_is_seen_and_costs(tmp_path: Path) -> None:
    path = tmp_path / "films" / "a.mp4"
    write_film(path, recording(), "push-cem", Outcome(0, 1, True, 3, 0.01))
    frames = imageio.imread(path, plugin="pyav")
    assert frames.shape == (4 + LINGER, BAR + MAIN + STRIP, MAIN + MAIN // 2, 3)
    drawn = np.stack(list(film_frames(recording(), "push-cem", Outcome(0, 1, True, 3, 0.01))))
    assert np.abs(frames.astype(int) - drawn)[:, BAR + MAIN :].mean() < 4
    assert imageio.immeta(path, plugin="pyav")["fps"] == FPS
    assert [found.name for found in path.parent.iterdir()] == ["a.mp4"]


def test_frames_are_enlarged_without_being_blurred() -> None:
    shown = recording()
    first = next(film_frames(shown, "t", Outcome(0, 1, False, 3, 0.1)))
    assert [first[BAR + MAIN * y // 64 + 3, MAIN * x // 64 + 3].tolist() for x, y in PLACES] == [
        shown.frames[0][y, x].tolist() for x, y in PLACES
    ]


def test_a_film_shows_pictures_drawn_for_people_what_was_tried_and_what_was_imagined() -> None:
    shown = recording()
    shown.goal_picture = np.full((MAIN, MAIN, 3), 50, np.uint8)
    shown.pictures = [np.full((MAIN, MAIN, 3), 90, np.uint8)] * 4
    paths = np.array([[[0.2, 0.8], [0.8, 0.8]], [[0.2, 0.5], [0.8, 0.5]]])
    shown.tried = [None, (paths, np.array([2.0, 1.0])), None, None]
    shown.imagined = [None, np.full((64, 64, 3), 200, np.uint8), None, None]
    first, second = list(film_frames(shown, "t", Outcome(0, 1, False, 3, 0.1)))[:2]
    side = MAIN // 3
    assert first.shape == (BAR + MAIN + STRIP, MAIN + side, 3)
    assert (first[BAR + 40 : BAR + MAIN - 40, 40 : MAIN - 40] == 90).all()
    assert (first[BAR + 60 : BAR + side - 4, MAIN + 4 :] == 50).all()
    below = slice(BAR + 2 * side + 40, BAR + MAIN - 4)
    assert (second[below, MAIN + 4 :] == 200).all() and not (first[below, MAIN + 4 :] == 200).any()
    dear, cheap = (second[BAR + round(y * MAIN), MAIN // 2].tolist() for y in (0.8, 0.5))
    assert cheap == list(CHEAP) and dear[2] > dear[1]  # yellow, and a violet that lets the picture through


def test_a_film_that_fails_leaves_nothing(tmp_path: Path) -> None:
    broken = recording()
    broken.frames[2] = np.zeros((3, 3, 7), np.uint8)
    with pytest.raises(Exception):
        write_film(tmp_path / "a.mp4", broken, "t", Outcome(0, 1, True, 3, 0.01))
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(OSError, match="file") as told:
        write_film(tmp_path / "file" / "a.mp4", recording(), "t", Outcome(0, 1, True, 3, 0.01))
    assert (tmp_path / "file").read_text() == "not a folder" and user_message(told.value)
    with pytest.raises(OSError, match=r"b[^/]*\.mp4") as told:  # as where a folder may not be written
        write_video(tmp_path / ("b" * 260 + ".mp4"), [np.zeros((16, 16, 3), np.uint8)])
    assert user_message(told.value) and [found.name for found in tmp_path.iterdir()] == ["file"]


def test_a_contact_sheet_shows_first_and_last_frames() -> None:
    film = np.zeros((7, 8, 8, 3), np.uint8)
    film[0], film[-1] = 100, 200
    page = np.asarray(contact_sheet([film, film], columns=3))
    assert (page == 100).any() and (page == 200).any()
    assert page.shape[0] < page.shape[1]
