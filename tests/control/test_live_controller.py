"""A controller on a live page: what it is told, and that nothing of it reaches the arm."""

import json
from typing import Any

import numpy as np
import pytest

pytest.importorskip("websockets")

import forearm
from forearm.agent.setup import planner_config
from forearm.control import Controller, Status
from forearm.control.action_adapter import ToolActionAdapter
from forearm.control.robots.robot import Robot
from forearm.errors import ForearmError
from forearm.live.page import LivePage

from .conftest import START, Script, observed


class Told:
    """Takes news in place of a page."""

    url = "http://nowhere"

    def __init__(self, broken: bool = False) -> None:
        self.news: list[dict[str, Any]] = []
        self.broken, self.closed = broken, False

    def publish(self, source: str, **news: Any) -> None:
        if self.broken:
            raise RuntimeError("no page")
        self.news.append(json.loads(json.dumps(news, allow_nan=False)))

    def close(self) -> None:
        self.closed = True


def driven(control: Controller, goal: Any, beats: int = 40, seen: Any = None) -> list[Status]:
    position, now, statuses = START.copy(), 10.0, []
    control.act(observed(position) if seen is None else seen, now)
    control.reset(goal)
    for beat in range(1, beats):
        fresh = (observed(position) if seen is None else seen) if beat % 10 == 0 else None
        command = control.act(fresh, now + 0.01 * beat)
        control.think()
        if seen is None and command.positions is not None:
            position = np.append(command.positions, command.gripper)
        statuses.append(command.status)
    return statuses


def test_it_tells_what_the_world_model_sees_imagines_and_tries() -> None:
    env = forearm.make_env("push")
    observation, info = env.reset(seed=3)
    told: Any = Told()
    few = {**planner_config("cem"), "samples": 16, "elites": 4, "iterations": 2}
    with Controller.load(
        "push", planner=few, mode="manual", check_goals=False, check_frames=False, live=told
    ) as control:
        driven(control, info["goal"], 25, observation)
    known: dict[str, Any] = {}
    for news in told.news:
        known |= news
    assert known["goal"].startswith("data:image/png") and known["camera"].startswith("data:image/png")
    assert len(known["imagined"]) == 8 and len(known["curve"]) == 8 and known["planner"] == "cem"
    paths = np.array(known["paths"])
    assert paths.shape == (32, 17, 2) and len(known["costs"]) == 32
    # Paths begin where the tool is seen, and all at one place.
    begins = env.project(env.positions()["ee_position"][None])[0] / 64
    assert np.allclose(paths[:, 0], begins, atol=0.02)
    assert {news["status"] for news in told.news if "status" in news} >= {"idle", "planning", "moving"}
    assert not told.closed  # it is not the controller's own


def test_a_page_that_fails_does_not_disturb_the_arm(robot: Robot, adapter: ToolActionAdapter) -> None:
    forward = np.tile([0.3, 0.0, 0.0, 0.0], (12, 1))
    found = []
    for live in (False, Told(), Told(broken=True)):
        page: Any = live
        control = Controller(Script(forward), robot, adapter, mode="manual", clock=lambda: 10.0, live=page)
        found.append(driven(control, "the goal"))
    assert found[0] == found[1] == found[2] and Status.MOVING in found[0]


def test_a_page_of_its_own_is_closed_with_it(
    robot: Robot, adapter: ToolActionAdapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LivePage.__init__, "__defaults__", (0,))
    control = Controller(Script(np.zeros((2, 4))), robot, adapter, mode="manual", live=True)
    assert control._live is not None
    page = control._live.page
    with pytest.raises(ForearmError, match="is taken"):
        LivePage(page.port)
    control.close()
    LivePage(page.port).close()


def test_no_page_is_opened_for_a_controller_that_is_refused(
    robot: Robot, adapter: ToolActionAdapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Told] = []
    monkeypatch.setattr("forearm.live.page.LivePage", lambda: opened.append(Told()) or opened[-1])
    for wrong in ({"mode": "sometimes"}, {"on_surprise": "stop"}):
        with pytest.raises((ValueError, ForearmError), match=r"mode|on_surprise"):
            Controller(Script(), robot, adapter, live=True, **wrong)
    assert not opened
    Controller(Script(), robot, adapter, live=True, mode="manual").close()
    assert opened[0].closed
