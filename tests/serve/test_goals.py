from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from forearm.agent.loaded_model import LoadedModel
from forearm.errors import ForearmError
from forearm.serve.client import Client, ServerError
from forearm.serve.config import ServeConfig
from forearm.serve.goals import SHOWN, SUFFIXES, Goals
from forearm.serve.request import RequestError
from forearm.serve.running import running
from forearm.serve.server import Server

from .conftest import Serving, frame, planner


def draw(path: Path, seed: int = 0, side: int = 64) -> np.ndarray:
    pixels = np.asarray(Image.fromarray(frame(seed)).resize((side, side)))
    kinds = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".webp": "WEBP", ".bmp": "BMP"}
    Image.fromarray(pixels).save(path, kinds[path.suffix.lower()])
    return pixels


@pytest.mark.parametrize("suffix", [way(suffix) for suffix in SUFFIXES for way in (str.lower, str.upper, str.title)])
def test_pictures_of_every_usual_kind_are_goals(suffix: str, loaded: LoadedModel, tmp_path: Path) -> None:
    drawn = draw(tmp_path / f"küche 2.0{suffix}")
    goals = Goals(tmp_path, loaded)
    assert goals.names == ["küche 2.0"]
    if suffix.lower() in (".png", ".bmp"):
        assert np.array_equal(goals["küche 2.0"], drawn)


def test_what_is_no_picture_is_left_alone(loaded: LoadedModel, tmp_path: Path) -> None:
    draw(tmp_path / "left.png")
    draw(tmp_path / ".hidden.png")
    (tmp_path / "._left.png").write_bytes(b"what another system leaves beside its files")
    (tmp_path / "notes.txt").write_text("of the day")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "more").mkdir()
    draw(tmp_path / "more" / "right.png")
    assert Goals(tmp_path, loaded).names == ["left"]


def test_a_folder_without_pictures_says_so(loaded: LoadedModel, tmp_path: Path) -> None:
    with pytest.raises(ForearmError, match="no files are in it; expected one for each goal"):
        Goals(tmp_path, loaded)
    (tmp_path / "notes.txt").write_text("of the day")
    with pytest.raises(ForearmError, match="none of its 1 files is a picture"):
        Goals(tmp_path, loaded)
    with pytest.raises(ForearmError, match="no such folder"):
        Goals(tmp_path / "notes.txt", loaded)


def test_two_pictures_of_one_name_are_refused(loaded: LoadedModel, tmp_path: Path) -> None:
    draw(tmp_path / "left.png")
    draw(tmp_path / "left.JPG", 1)
    with pytest.raises(ForearmError, match=r"left.JPG and left.png would both be goal 'left': rename one"):
        Goals(tmp_path, loaded)


def test_a_picture_that_cannot_be_a_goal_is_named(loaded: LoadedModel, tmp_path: Path) -> None:
    draw(tmp_path / "wide.webp", side=80)
    with pytest.raises(ForearmError, match=r"wide.webp: is 80 x 80 pixels, but the model expects 64 x 64"):
        Goals(tmp_path, loaded)
    (tmp_path / "wide.webp").unlink()
    (tmp_path / "cut.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(ForearmError, match=r"goals=.*cut.jpg: is not an image"):
        Goals(tmp_path, loaded)


def test_a_client_is_told_which_goals_there_are(loaded: LoadedModel, tmp_path: Path) -> None:
    for number in range(SHOWN + 2):
        draw(tmp_path / f"goal{number:02d}.bmp")
    with pytest.raises(RequestError, match=r"'up' is not known here: goal00, .*goal19, \.\.\.$"):
        Goals(tmp_path, loaded)["up"]
    with pytest.raises(RequestError, match="not known here: none; start the server with goals=FOLDER"):
        Goals(None, loaded)["up"]
    with (
        running(Server(loaded.setup(planner()), ServeConfig(port=0), Goals(tmp_path, loaded))) as server,
        Client(server.url) as client,
    ):
        assert client.metadata["goals"][0] == "goal00"
        with pytest.raises(ServerError, match="goal 'up' is not known here: goal00"):
            client.plan(frame(), "up")


def test_a_goal_told_by_places(loaded: LoadedModel, serving: Serving) -> None:
    server = serving()
    with Client(server.url) as client:
        assert client.plan(frame(), {"object": [0.5, 0.1]}).actions.shape[1] == 4
        for places, said in (
            ({"object": [0.5, 0.9]}, "outside the workspace"),
            ({"object": [0.5]}, "expected a place in m"),
            ({"thing": [0.5, 0.1]}, "unknown place 'thing'"),
        ):
            with pytest.raises(ServerError, match=said):
                client.plan(frame(), places)
