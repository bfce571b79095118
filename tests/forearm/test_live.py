"""The live page: who may look on, what it is told, and that looking on changes nothing."""

import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("websockets")

from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

import forearm
from forearm.agent.candidates import Candidates, overheard
from forearm.cli.compare import comparison_of
from forearm.cli.main import main
from forearm.common.websocket import direct
from forearm.errors import ForearmError
from forearm.evaluation.comparison import compare
from forearm.live.feed import Feed
from forearm.live.news import numbers, picture
from forearm.live.page import LivePage
from forearm.settings.compose import load

DIRECT = direct(connect)
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FEW = ["planner.samples=16", "planner.elites=4", "planner.iterations=2"]
DIRECTLY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@pytest.fixture
def page() -> Any:
    with LivePage(0) as page:
        yield page


def viewer(page: LivePage, origin: str | None = None) -> Any:
    return connect(f"{page.url.replace('http', 'ws')}/view", origin=origin, **DIRECT)  # type: ignore[arg-type]


def received(looking: Any, until: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """All that is told, put together, once it is as wanted."""
    known: dict[str, Any] = {}
    while not until(known):
        for source, news in json.loads(looking.recv(timeout=60)).items():
            known.setdefault(source, {}).update(news)
    return known


def test_the_page_is_served_on_loopback_alone(page: LivePage) -> None:
    assert page.url.startswith("http://127.0.0.1:")
    answer = DIRECTLY.open(page.url, timeout=30)
    assert (
        "text/html" in answer.headers["Content-Type"]
        and "default-src 'none'" in answer.headers["Content-Security-Policy"]
    )
    text = answer.read().decode()
    assert "<title>forearm, live</title>" in text and "http://" not in text and "https://" not in text
    with pytest.raises(urllib.error.HTTPError, match="404"):
        DIRECTLY.open(f"{page.url}/other", timeout=30)
    with pytest.raises(OSError):  # 405, or hung up on, by the release of websockets
        DIRECTLY.open(urllib.request.Request(page.url, method="POST", data=b"x"), timeout=30)
    others = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)} - {"127.0.0.1"}
    for address in (str(one) for one in others if not str(one).startswith("127.")):
        with pytest.raises(OSError):
            socket.create_connection((address, page.port), timeout=5).close()


def test_who_looks_on_is_told_all_that_is_known_and_then_what_changes(page: LivePage) -> None:
    page.publish("one", status="planning", step=0)
    with viewer(page, page.url) as looking:
        assert received(looking, lambda known: "one" in known) == {"one": {"status": "planning", "step": 0}}
        page.publish("one", step=1)
        page.publish("two", status="idle")
        found = received(looking, lambda known: {"one", "two"} <= set(known))
        assert found == {"one": {"step": 1}, "two": {"status": "idle"}}
    with viewer(page) as late:
        assert received(late, lambda known: len(known) == 2)["one"] == {"status": "planning", "step": 1}


def test_other_pages_in_the_browser_see_nothing(page: LivePage) -> None:
    for origin in ("http://example.org", f"http://127.0.0.1:{page.port + 1}", "null"):
        with pytest.raises(InvalidStatus, match="404"):
            viewer(page, origin)
    with viewer(page, f"http://localhost:{page.port}"):
        pass


def test_only_those_who_know_the_secret_can_tell(page: LivePage) -> None:
    feed = Feed(page.feed_url)
    feed.publish("worker", cost=1.5)
    with viewer(page) as looking:
        assert received(looking, lambda known: "worker" in known)["worker"] == {"cost": 1.5}
    wrong = page.feed_url[:-1] + ("a" if page.feed_url[-1] != "a" else "b")
    with pytest.raises(InvalidStatus, match="404"):
        connect(wrong, **DIRECT)
    with pytest.raises(InvalidStatus, match="404"):
        connect(page.feed_url, origin=page.url, **DIRECT)  # type: ignore[arg-type]
    Feed(wrong).publish("worker", cost=2.0)  # nobody hears it, nothing is raised
    page.close()
    for _ in range(3):
        feed.publish("worker", cost=3.0)
    page.publish("worker", cost=4.0)


def test_what_is_no_news_ends_one_feed_and_not_the_page(page: LivePage) -> None:
    with connect(page.feed_url, **DIRECT) as feed:
        feed.send("neither")
        with pytest.raises(Exception):
            feed.recv(timeout=30)
    page.publish("one", step=1)
    with viewer(page) as looking:
        assert "one" in received(looking, lambda known: bool(known))


def test_a_port_that_is_taken_is_told_in_a_line(page: LivePage, failing: Callable[..., str], tmp_path: Path) -> None:
    with pytest.raises(ForearmError, match=f"live_port={page.port} is taken: name another, or live_port=0"):
        LivePage(page.port)
    with pytest.raises(ForearmError, match="between 0 and 65535"):
        LivePage(70000)
    told = failing("run", "task=push", "live=true", f"live_port={page.port}", f"out={tmp_path / 'out'}")
    assert "is taken" in told and not (tmp_path / "out").exists()


def test_without_the_package_it_is_said_what_to_install(
    monkeypatch: pytest.MonkeyPatch, failing: Callable[..., str], tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "websockets", None)
    told = failing("run", "task=push", "live=true", f"out={tmp_path / 'out'}")
    assert "pip install 'forearm[live]'" in told and not (tmp_path / "out").exists()


def test_nothing_of_it_is_loaded_where_nobody_looks_on() -> None:
    code = "import forearm.evaluation.workers, forearm.control, sys; assert 'websockets' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_numbers_that_json_has_not_are_none() -> None:
    assert numbers([1.0, np.nan, [2.0][0]]) == [1.0, None, 2.0]
    assert numbers(np.array([[np.inf], [0.5]])) == [[None], [0.5]]
    assert picture(np.zeros((8, 8, 3), np.uint8)).startswith("data:image/png;base64,")


def test_listening_to_a_search_changes_nothing(checkpoints: Path) -> None:
    loaded = forearm.load(checkpoints / "push.json", task="push")
    env = forearm.make_env("push")
    observation, info = env.reset(seed=3)
    for planner in ("cem", "mppi", "gauss_newton"):
        plans = []
        for listening in (False, True):
            agent: Any = loaded.setup(planner).agent()
            with overheard(agent, listening) as tried:
                agent.reset([info["goal"]], [5])
                [act] = agent.act([observation])
            plans.append(act.plan)
        assert np.array_equal(plans[0].actions, plans[1].actions) and plans[0].cost == plans[1].cost, planner
        found: Candidates = tried[0]
        assert sum(map(len, found.costs)) == plans[1].model_evals and found.lowest == pytest.approx(
            plans[1].cost, rel=1e-5
        )
        actions, costs = found.shown(5)
        assert actions.shape == (5, *plans[1].actions.shape) and list(costs) == sorted(costs, reverse=True)


def test_episodes_are_shown_while_they_run_and_go_as_without(checkpoints: Path, tmp_path: Path, page: LivePage) -> None:
    words = ["task=push", f"push.checkpoint={checkpoints}/push.json", *FEW, "episodes=1", "films=0", "seed=3"]
    words += ["protocol.max_steps=6", "baselines=[random]"]
    found = {}
    for name, live in {"without": None, "with": page.feed_url}.items():
        comparison = comparison_of(load("compare", [*words, f"out={tmp_path / name}"]))
        found[name] = compare(comparison, 1, 1, live=live)
    for before, after in zip(found["without"]["rows"], found["with"]["rows"], strict=True):
        assert {**before, "plan_ms": 0} == {**after, "plan_ms": 0}
    with viewer(page) as looking:
        known = received(looking, lambda known: len(known) == 2)
    cem, random = (
        next(news for source, news in known.items() if source.startswith(f"push-{row} (")) for row in ("cem", "random")
    )
    assert cem["status"] in ("reached", "not reached") and "m from the goal" in cem["reason"]
    assert cem["step"] == 5 and cem["camera"].startswith("data:image/png") and cem["goal"] and cem["model_evals"] == 32
    assert len(cem["paths"]) == len(cem["costs"]) == 32 and len(cem["paths"][0][0]) == 2 and len(cem["iterations"]) == 2
    assert cem["imagined"] == []  # this checkpoint has no decoder
    assert random["camera"] and not random["costs"]


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
def test_a_browser_shows_it(page: LivePage, tmp_path: Path) -> None:
    shot = picture(np.full((8, 8, 3), 90, np.uint8))
    page.publish(
        "push-cem <b>", status="reached", reason="0.01 m from the goal", step=7, camera=shot, goal=shot,
        imagined=[shot] * 3, seconds=[0.2, 0.4, 0.6], paths=[[[0.1, 0.2], [0.3, 0.4]]] * 2, costs=[2.0, 1.0],
        curve=[1.0, None, 0.5], iterations=[2.0, 1.5], planner="cem", plan_ms=12.5,
    )  # fmt: skip
    options = [
        "--headless=new",
        "--disable-gpu",
        "--no-first-run",
        f"--user-data-dir={tmp_path / 'profile'}",
        "--no-proxy-server",
    ]
    options += ["--no-sandbox", "--disable-dev-shm-usage", "--virtual-time-budget=4000", "--dump-dom", page.url]
    assert CHROMIUM is not None
    end = time.monotonic() + 200
    while True:  # a slow machine may draw the page before it is told anything
        dom = subprocess.run([CHROMIUM, *options], capture_output=True, text=True, timeout=120).stdout
        if "push-cem" in dom or time.monotonic() > end:
            break
    body = dom[dom.index('<main id="main">') : dom.index("<template")]
    assert "push-cem &lt;b&gt;" in body and "reached" in body and "planner cem" in body and "plan 12.5 ms" in body
    assert body.count("<img") == 6 and body.count('alt="imagined in ') == 3
    assert 'hidden=""' not in body


def test_a_run_that_is_shown_says_where(checkpoints: Path, tmp_path: Path, capsys: Any) -> None:
    words = [
        "task=push",
        f"push.checkpoint={checkpoints}/push.json",
        *FEW,
        "episodes=1",
        "films=0",
        "protocol.max_steps=2",
    ]
    assert main(["run", *words, "live=true", "live_port=0", f"out={tmp_path / 'out'}"]) == 0
    assert "live:    http://127.0.0.1:" in capsys.readouterr().out
