"""A controller that plans with a server: over loopback, with this client and openpi's, and when the server dies."""

from typing import Any

import numpy as np
import pytest

from forearm.control import Controller, Status
from forearm.control.action_adapter import ToolActionAdapter
from forearm.control.plan_source import LocalPlanSource, PlanRequest
from forearm.control.robots.robot import load_robot
from forearm.envs.arm import kinematics
from forearm.serve.client import Client, NoServer
from forearm.serve.config import ServeConfig
from forearm.serve.goals import Goals
from forearm.serve.remote import RemotePlanSource
from forearm.serve.running import running
from forearm.serve.server import Server

from .conftest import HORIZON, Serving, frame, planner

START = np.append(kinematics.inverse(np.array([0.5, 0.0, 0.02]), kinematics.HOME, iterations=40), 0.0)


def plan_request(time: float, elapsed: int = 0) -> PlanRequest:
    return PlanRequest(time, np.full((2, 4), 0.1), np.full((4, 4), 0.2), elapsed)


def stock(server: Server) -> Any:
    policies = pytest.importorskip("openpi_client.websocket_client_policy")
    return policies.WebsocketClientPolicy("127.0.0.1", server.port)


@pytest.mark.parametrize("connect", [lambda server: Client(server.url), stock])
def test_a_remote_mind_plans_what_a_mind_here_plans(connect: Any, serving: Serving, loaded: Any) -> None:
    server = serving()
    here, there = LocalPlanSource(loaded.setup(planner())), RemotePlanSource(lambda: connect(server))
    assert there.frame_shape == here.frame_shape
    assert (there.ahead_steps, there.past_steps) == (here.ahead_steps, here.past_steps)
    for source in (here, there):
        source.begin(frame(9))
    for step in range(9):
        for source in (here, there):
            source.see(10 + 0.1 * step, {"pixels": frame(step)})
        if step % 4 == 0:
            plans = [source.plan(plan_request(10 + 0.1 * step, 4 if step else 0)).actions for source in (here, there)]
            assert np.allclose(plans[0], plans[1], atol=1e-6)
    there.close()


def test_it_connects_again_and_tells_everything_anew(loaded: Any, goal_folder: Any) -> None:
    goals = Goals(goal_folder, loaded)
    with running(Server(loaded.setup(planner()), ServeConfig(port=0), goals)) as first:
        port = first.port
        source = RemotePlanSource(lambda: Client(f"ws://127.0.0.1:{port}"))
        source.begin("left")
        source.see(1.0, {"pixels": frame()})
        source.plan(plan_request(1.0))
    source.see(1.1, {"pixels": frame(1)})
    for _ in range(2):
        with pytest.raises(NoServer):
            source.plan(plan_request(1.1))
    with running(Server(loaded.setup(planner()), ServeConfig(port=port), goals)):
        source.see(1.2, {"pixels": frame(2)})
        assert source.plan(plan_request(1.2)).actions.shape == (HORIZON, 4)
        source.close()


def test_a_server_that_dies_in_motion_leads_to_rest_and_a_new_one_to_motion(loaded: Any, goal_folder: Any) -> None:
    robot, goals, search = load_robot(), Goals(goal_folder, loaded), planner(initial_std=0.1, min_std=0.05)
    position, now, commands = START.copy(), 0.0, []

    def beats(count: int) -> Status:
        nonlocal position, now
        for _ in range(count):
            proprio = np.concatenate([position[:7], np.zeros(7), position[7:]])
            seen = {"pixels": frame(), "proprio": proprio} if len(commands) % 10 == 0 else None
            commands.append(control.act(seen, now))
            control.think()
            position = np.append(commands[-1].positions, commands[-1].gripper)
            now += 0.01
        return commands[-1].status

    with running(Server(loaded.setup(search), ServeConfig(port=0), goals)) as first:
        port = first.port
        source = RemotePlanSource(lambda: Client(f"ws://127.0.0.1:{port}"))
        control = Controller(source, robot, ToolActionAdapter("push"), mode="manual", clock=lambda: now)
        control.reset("left")
        assert beats(60) is Status.MOVING
    assert beats(200) is Status.REFUSED
    assert not np.any(commands[-1].velocities) and "no forearm server" in commands[-1].reason
    with running(Server(loaded.setup(search), ServeConfig(port=port), goals)):
        assert beats(60) is Status.MOVING
        source.close()
    velocities = np.array([command.velocities for command in commands])
    assert np.all(abs(np.diff(velocities, axis=0)) <= 0.01 * robot.limits.acceleration[:7] * 1.001)
    assert control.counts["mind_failures"] >= 2


def test_another_server_is_told_apart() -> None:
    class Other:
        def get_server_metadata(self) -> dict[str, Any]:
            return {"policy": "of somebody else"}

    with pytest.raises(ValueError, match="is it a forearm server"):
        RemotePlanSource(Other)


class Recorder:
    """A client that remembers what it was asked."""

    def __init__(self, **metadata: Any) -> None:
        self.metadata = {
            "resolution": 64, "ahead_steps": 2, "past_steps": 4, "control_period": 0.1, "action_dim": 4,
            "task": "push", **metadata,
        }  # fmt: skip
        self.asked: list[dict[str, Any]] = []

    def infer(self, request: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(request)
        if len(self.asked) % 2 == 0:
            raise ConnectionError("lost")
        return {"actions": np.zeros((12, 4))}


def test_a_server_whose_model_commands_at_another_rate_is_refused() -> None:
    from forearm.control import Controller
    from forearm.control.action_adapter import ToolActionAdapter
    from forearm.control.robots.robot import load_robot
    from forearm.errors import ForearmError

    robot, adapter = load_robot("panda"), ToolActionAdapter("push")
    with pytest.raises(ForearmError, match="one command every 40 ms, but the arm's adapter takes one every 100 ms"):
        Controller(RemotePlanSource(lambda: Recorder(control_period=0.04)), robot, adapter, mode="manual")
    for known in (0.1, None):  # a server that does not say is taken at its word
        Controller(
            RemotePlanSource(lambda period=known: Recorder(control_period=period)), robot, adapter, mode="manual"
        )


@pytest.mark.parametrize("rate", [15, 30, 60, 200])
def test_frames_of_a_fast_camera_reach_back_as_far_as_the_model_looks(rate: int) -> None:
    client = Recorder()
    source = RemotePlanSource(lambda: client)
    source.begin("left")
    for step in range(3 * rate):
        source.see(step / rate, {"pixels": frame(step)})
    source.see(1.0, {"pixels": frame()})  # not newer: ignored
    newest = 3 - 1 / rate
    source.plan(plan_request(newest))
    [request] = client.asked
    moments = [*request["earlier_times"], request["time"]]
    assert request["time"] == pytest.approx(newest) and moments[0] <= newest - 0.4 and np.all(np.diff(moments) > 0)
    assert len(request["earlier_pixels"]) <= 16


def test_a_server_that_has_become_another_is_not_followed() -> None:
    clients = [Recorder(), Recorder(task="reach")]
    source = RemotePlanSource(lambda: clients.pop(0))
    source.begin("left")
    for moment in (1.0, 1.1):
        source.see(moment, {"pixels": frame()})
        if moment == 1.0:
            source.plan(plan_request(moment))
    with pytest.raises(ConnectionError):
        source.plan(plan_request(1.1))
    with pytest.raises(ValueError, match="task is 'reach', but was 'push'"):
        source.plan(plan_request(1.1))
