"""What can be asked, without the protocol."""

import base64
import io
import signal
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from forearm.cli.main import main
from forearm.control import load_robot
from forearm.errors import ForearmError, InputError
from forearm.serve.mcp.bounds import MINUTE, Bounds, Door
from forearm.serve.mcp.job import Cancelled, Job
from forearm.serve.mcp.surprise import LatentSurprise
from forearm.serve.mcp.workplace import Workplace

Make = Callable[..., Workplace]
SLOW = [[0.0, 0.2, 0.0, 0.0]] * 20


def sent(side: int = 64) -> str:
    file = io.BytesIO()
    Image.new("RGB", (side, side), (90, 120, 30)).save(file, format="PNG")
    return base64.b64encode(file.getvalue()).decode()


def cancelling(what: str, after: int) -> Job:
    """A job that nobody wants any more once it has told so often that it does `what`."""
    told: list[str] = []

    def tell(news: Any) -> None:
        told.append(news[2])
        if told.count(what) >= after:
            job.cancel()

    job = Job(tell)
    return job


def test_a_goal_is_a_picture_a_name_or_a_place(workplace: Make, tmp_path: Path) -> None:
    Image.new("RGB", (64, 64), (10, 20, 30)).save(tmp_path / "left.png")
    place = workplace(goals=tmp_path)
    assert place.goal("left").mean() == pytest.approx(20)
    assert np.array_equal(place.goal("left.png"), place.goal("left"))
    assert place.goal(sent())[0, 0].tolist() == [90, 120, 30]
    assert np.array_equal(place.goal(f"data:image/png;base64,{sent()}"), place.goal(sent()))
    assert place.goal({"object": [0.5, 0.1]}).shape == place.goal("task").shape


@pytest.mark.parametrize(
    ("goal", "said"),
    [
        ("../secret.png", "is not known: give a name"),
        ("/etc/hostname", "is not known: give a name"),
        (base64.b64encode(b"\x89PNG and no more").decode(), "is not an image"),
        ({"thing": [0, 0]}, "unknown place 'thing'"),
        ({"object": [0.5, 0.1, "a"]}, "expected its place in m"),
    ],
)
def test_goals_that_are_none(goal: Any, said: str, workplace: Make) -> None:
    with pytest.raises(ForearmError, match=said):
        workplace().goal(goal)


def test_plans_that_do_not_compare(workplace: Make) -> None:
    place, still = workplace(max_plans=3), [[0.0] * 4] * 2
    for plans, said in (
        ([still], "give 2 to 3"),
        ([still] * 4, "give 2 to 3"),
        ([still, still * 2], "2 and 4 commands"),
        ([still, [[9.0] * 4] * 2], r"plans\[1\]: row 0"),
    ):
        with pytest.raises(InputError, match=said):
            place.compare_plans(Job(), plans, "task")


def test_a_search_is_cancelled_in_the_middle(workplace: Make) -> None:
    with pytest.raises(Cancelled):
        workplace().plan(cancelling("searching", 2), "task")


def test_an_arm_whose_motion_is_cancelled_comes_to_rest(workplace: Make) -> None:
    place = workplace(allow_motion=True)
    with pytest.raises(Cancelled):
        place.execute(cancelling("moving", 4), SLOW)
    assert 0 < place.env.steps < len(SLOW)
    readings = place.env.observe()["proprio"]
    assert np.abs(readings[7:14]).max() < 0.02


def test_commands_beyond_the_robots_limits_are_shaped(workplace: Make) -> None:
    found = workplace(allow_motion=True).execute(Job(), [[1.0, 1.0, 0.0, 0.0], [-1.0, -1.0, 0.0, 0.0]] * 3).facts
    assert "is above" in found["done_otherwise"]


def test_a_puck_that_vanishes_is_a_surprise(workplace: Make) -> None:
    place = workplace(allow_motion=True)
    place.execute(Job(), [[0.0, 0.1, 0.0, 0.0]] * 6)
    assert place.surprise(Job()).facts["surprised"] is False
    arm: Any = place.env
    moving = arm.servo

    def taken(joints: Any, opening: float, seconds: float) -> None:
        arm.data.joint("object").qpos[:3] = [0.5, 0.0, -3.0]
        moving(joints, opening, seconds)

    arm.servo = taken
    place.execute(Job(), [[0.0, 0.1, 0.0, 0.0]] * 6)
    found = place.surprise(Job()).facts
    assert found["surprised"] is True
    assert max(found["errors"]) > 2 * found["usual"]
    assert isinstance(place._surprising, LatentSurprise)
    with pytest.raises(InputError, match="ask about 1 step or more"):
        place.surprise(Job(), steps=0)
    with pytest.raises(InputError, match="this model is asked about 2 or more"):
        place.surprise(Job(), steps=1)


def test_motion_is_for_the_built_in_arm(loaded: Any) -> None:
    other: Any = SimpleNamespace(name="fetch/push")
    with pytest.raises(ForearmError, match="allow_motion=true: task 'fetch/push' is not of the built-in arm"):
        Workplace(loaded, loaded.setup("cem"), other, load_robot("panda"), Bounds(allow_motion=True))


def test_calls_a_minute_and_calls_that_wait() -> None:
    now = [0.0]
    door = Door(Bounds(calls_per_minute=3, max_waiting=1, max_message_bytes=100), lambda: now[0])
    door.enter({})
    door.enter({})
    with pytest.raises(InputError, match="busy: 2 calls are not answered yet"):
        door.enter({})
    door.leave()
    with pytest.raises(InputError, match="at most 100 are taken"):
        door.enter({"actions": [0.0] * 100})
    door.enter({})
    door.leave()
    now[0] = 20.0
    with pytest.raises(InputError, match=r"too many calls, 3 in a minute: wait 40 s"):
        door.enter({})
    now[0] = MINUTE
    door.enter({})


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["transport=tcp"], "unknown transport 'tcp'"),
        (["transport=http", "host=0.0.0.0"], "token_file=FILE"),
        (["transport=http", "port=70000"], "port must lie between 0 and 65535"),
        (["max_plans=1"], "max_plans must be a whole number of at least 2"),
        (["goals=nowhere"], "no such folder"),
        (["task=nothing"], "unknown task"),
    ],
)
def test_settings_that_cannot_be(words: list[str], said: str, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FOREARM_TOKEN", raising=False)
    before = signal.getsignal(signal.SIGINT)
    assert main(["mcp", "task=push", *words] if "task=nothing" not in words else ["mcp", *words]) == 2
    assert signal.getsignal(signal.SIGINT) is before
    assert said in capsys.readouterr().err


def test_without_the_extra_it_says_what_to_install(capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "mcp", None)
    assert main(["mcp", "task=push"]) == 2
    assert "pip install 'forearm[mcp]'" in capsys.readouterr().err
