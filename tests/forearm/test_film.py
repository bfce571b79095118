from pathlib import Path

import imageio.v3 as imageio
import numpy as np
import pytest

from forearm.errors import user_message
from forearm.evaluation.closed_loop import Outcome, Recording
from forearm.evaluation.film import BAR, FPS, LINGER, PANEL, film_frames, write_film, write_video
from forearm.recording.contact_sheet import contact_sheet


def recording(steps: int = 4) -> Recording:
    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 255, (64, 64, 3), dtype=np.uint8) for _ in range(steps)]
    curves = [None, np.array([3.0, np.nan, np.inf]), np.array([1.0]), np.zeros(5)]
    return Recording(frames[0], frames, curves[:steps])


def test_a_film_is_a_video_with_three_panels(tmp_path: Path) -> None:
    path = tmp_path / "films" / "a.mp4"
    write_film(path, recording(), "push-cem", Outcome(0, 1, True, 3, 0.01))
    frames = imageio.imread(path, plugin="pyav")
    assert frames.shape == (4 + LINGER, BAR + PANEL, 3 * PANEL, 3)
    drawn = np.stack(list(film_frames(recording(), "push-cem", Outcome(0, 1, True, 3, 0.01))))
    assert np.abs(frames.astype(int) - drawn)[:, :, 2 * PANEL :].mean() < 4
    assert imageio.immeta(path, plugin="pyav")["fps"] == FPS
    assert [found.name for found in path.parent.iterdir()] == ["a.mp4"]


def test_frames_are_enlarged_without_being_blurred() -> None:
    shown = recording()
    first = next(film_frames(shown, "t", Outcome(0, 1, False, 3, 0.1)))
    assert np.array_equal(first[BAR :: PANEL // 64, : PANEL : PANEL // 64], shown.frames[0])


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
