"""A LeRobot robot in the loop of a controller: what it is told, and what happens when it does not answer."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from forearm.agent.action_spec import ActionSpec
from forearm.control import Controller, Status, make_adapter
from forearm.control.robots.description import config_of
from forearm.control.robots.robot import Robot
from forearm.errors import ForearmError, InputError
from forearm.integrations.lerobot_robot import LOST, LeRobotArm
from forearm.world_model.data.incoming import FrameFit
from tests.control.conftest import Script
from tests.control.so101 import HOME, MOTORS, SimulatedSO101, Time, model
from tests.docs.markdown import PAGES, blocks

AWAY = np.tile(HOME + np.array([30.0, 0.0, 0.0, 0.0, 0.0, 20.0]), (20, 1))


@pytest.fixture
def config(tmp_path: Path) -> dict[str, Any]:
    """The robot's config of docs/tutorials/so101.md, with a model beside it."""
    [text] = blocks(PAGES["docs/tutorials/so101.md"], "yaml")
    (tmp_path / "so101.yaml").write_text(text, encoding="utf-8")
    model(tmp_path / "so101_new_calib.xml")
    return config_of(str(tmp_path / "so101.yaml"))


@pytest.fixture
def so101(monkeypatch: pytest.MonkeyPatch) -> SimulatedSO101:
    monkeypatch.setattr(SimulatedSO101, "time", Time())
    camera = SimpleNamespace(height=8, width=8)
    found = SimulatedSO101(SimpleNamespace(id="test", cameras={"front": camera}, calibration_dir=None))
    found.connect()
    return found


class Source(Script):
    frame_shape = (24, 32, 3)


def arm_of(so101: SimulatedSO101, config: dict[str, Any], **changes: Any) -> LeRobotArm:
    robot = Robot(config | changes)
    spec = ActionSpec(np.full(6, -100.0), np.full(6, 100.0), 0.1)
    adapter = make_adapter(robot.adapter, robot, spec)
    controller = Controller(Source(AWAY), robot, adapter, mode="inline", clock=so101.time)
    return LeRobotArm(so101, controller, sleep=so101.time.sleep)


def test_it_goes_where_the_plan_says_in_the_arms_units_and_rests(so101: SimulatedSO101, config: Any) -> None:
    arm, told = arm_of(so101, config), []
    assert arm.moved == {motor: f"{motor}.pos" for motor in MOTORS}
    last = arm.drive("there", 3.0, told.append)
    assert last is told[-1] and Status.MOVING in {command.status for command in told}
    assert so101.position == pytest.approx(AWAY[0], abs=0.5)
    path = np.array([target for _, target in so101.sent])
    assert path[0] == pytest.approx(HOME, abs=1e-6) and np.array_equal(path[-1], path[-2])
    assert arm.controller.source.goals == ["there"] and len(arm.controller.source.seen) < 3.0 * 31  # type: ignore[attr-defined]


def test_a_cameras_depth_is_no_camera(so101: SimulatedSO101, config: Any) -> None:
    features = {**so101.observation_features, "front_depth": (480, 640, 1)}
    deep = SimpleNamespace(observation_features=features, action_features=so101.action_features)
    arm = LeRobotArm(deep, arm_of(so101, config).controller)  # type: ignore[arg-type]
    assert arm.cameras == ["front"] and len(arm.readings) == len(MOTORS)


def test_every_error_of_the_loop_leaves_an_arm_at_rest(so101: SimulatedSO101, config: Any) -> None:
    arm, when = arm_of(so101, config), 0.4

    def stopped(command: Any) -> None:
        if so101.time() > when:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        arm.drive("there", 9.0, stopped)
    _, last = so101.sent[-1]
    assert when + 0.02 < so101.time() < when + 1.0 and abs(last - AWAY[0]).max() > 0.5
    assert arm.beat().status is Status.IDLE and so101.sent[-1][1] == pytest.approx(last, abs=1e-6)


def test_an_arm_that_does_not_answer_is_waited_for_and_then_given_up(so101: SimulatedSO101, config: Any) -> None:
    arm, silent, reasons = arm_of(so101, config), [0.5, 0.8], []

    def told(command: Any) -> None:
        away = silent[0] < so101.time() < silent[1]
        so101.broken = ConnectionError("no status packet") if away else None
        reasons.append(command.status)

    assert arm.drive("there", 3.0, told).status is not Status.FAULT
    assert so101.position == pytest.approx(AWAY[0], abs=0.5)
    silent[:], sent = [so101.time() + 0.3, np.inf], len(so101.sent)
    arm.controller.source.plans = [np.tile(HOME, (20, 1))]  # type: ignore[attr-defined]
    with pytest.raises(ForearmError, match=r"the arm has not answered for 1 s: no status packet"):
        arm.drive("back", 9.0, told)
    assert LOST < so101.time() - so101.sent[-1][0] < LOST + 0.2 and len(so101.sent) > sent
    assert reasons[-1] not in (Status.MOVING, Status.STOPPING)


def test_a_fault_stays_until_the_next_drive(so101: SimulatedSO101, config: Any) -> None:
    arm = arm_of(so101, config)

    def told(command: Any) -> None:
        if so101.time() > 0.4:
            arm.controller.stop("the red button")

    last = arm.drive("there", 9.0, told)
    assert (last.status, last.reason) == (Status.FAULT, "the red button") and so101.time() < 1.5
    assert arm.beat().status is Status.FAULT
    so101.held = True
    arm.controller.source.plans = [np.tile(HOME - np.array([50.0, 0.0, 0.0, 0.0, 0.0, 0.0]), (20, 1))]  # type: ignore[attr-defined]
    following = arm.drive("there", 9.0)
    assert "is not where it was told to be" in following.reason
    so101.held = False
    before = so101.position
    so101.time.sleep(0.05)
    assert arm.beat().status is Status.FAULT and np.allclose(so101.target[:5], before[:5], atol=0.5)
    assert arm.drive("there", 3.0).status is not Status.FAULT


def test_what_does_not_fit_the_arm_is_said_before_it_moves(so101: SimulatedSO101, config: Any) -> None:
    swapped = ["shoulder_lift", "shoulder_pan", *MOTORS[2:5]]
    with pytest.raises(InputError, match=r"axis 'shoulder_lift' is read at place 0, where the arm has 'shoulder_pan"):
        arm_of(so101, config, joints=swapped)
    few = SimpleNamespace(observation_features={"a.pos": float}, action_features={"a.pos": float})
    arm = arm_of(so101, config)
    with pytest.raises(InputError, match=r"has 1 readings \(a\.pos\), but those of robot 'so101' are 6 numbers"):
        LeRobotArm(few, arm.controller)  # type: ignore[arg-type]
    fixed = {key: kind for key, kind in so101.action_features.items() if key != "gripper.pos"}
    half = SimpleNamespace(observation_features=so101.observation_features, action_features=fixed)
    with pytest.raises(InputError, match=r"takes no 'gripper\.pos', which is axis 'gripper'"):
        LeRobotArm(half, arm.controller)  # type: ignore[arg-type]
    arm.controller.source.fit = FrameFit((24, 32), cameras=("observation.images.wrist",))  # type: ignore[attr-defined]
    with pytest.raises(InputError, match="the model sees camera wrist, but the robot's cameras are front"):
        LeRobotArm(so101, arm.controller)
    arm.controller.source.fit, arm.controller.adapter = None, object()  # type: ignore[attr-defined,assignment]
    with pytest.raises(InputError, match="adapter object has no `proprio`"):
        LeRobotArm(so101, arm.controller)
    assert not so101.sent


@pytest.mark.parametrize("error", [KeyError("front"), TimeoutError("slow")])
def test_whatever_a_driver_fails_with_the_arm_goes_on_from_where_it_is(
    so101: SimulatedSO101, config: Any, error: Any
) -> None:
    arm, ahead, send = arm_of(so101, config), list[float](), so101.send_action
    arm.controller.source.plans = [np.tile(HOME + np.array([75.0, 0.0, 0.0, 0.0, 0.0, 0.0]), (20, 1))]  # type: ignore[attr-defined]

    def send_action(action: Any) -> Any:
        found = send(action)
        ahead.append(abs(so101.target - so101.position).max())
        return found

    def told(command: Any) -> None:
        so101.broken = error if 0.5 < so101.time() < 0.8 else None

    so101.send_action = send_action  # type: ignore[method-assign]
    assert arm.drive("there", 2.5, told).status not in (Status.FAULT, Status.STALE)
    assert so101.position[0] > HOME[0] + 50.0
    assert max(ahead) < 10.0  # degrees; a loop that had gone on meanwhile would ask for 30 at once


@pytest.mark.parametrize("lost", ["front", "elbow_flex.pos"])
def test_an_answer_that_lacks_a_camera_or_a_motor_is_none(so101: SimulatedSO101, config: Any, lost: str) -> None:
    asked, seen = so101.get_observation, list[Status]()

    def get_observation() -> dict[str, Any]:
        return {key: value for key, value in asked().items() if so101.time() < 0.5 or key != lost}

    so101.get_observation = get_observation  # type: ignore[method-assign]
    last = arm_of(so101, config).drive("there", 1.5, lambda command: seen.append(command.status))
    assert last.status is Status.STALE and Status.MOVING in seen


def test_one_arm_is_driven_by_one_thread_at_a_time_and_for_a_number_of_seconds(
    so101: SimulatedSO101, config: Any
) -> None:
    arm, refused = arm_of(so101, config), []

    def told(command: Any) -> None:
        if not refused:
            with pytest.raises(ForearmError, match="is being driven already") as told_so:
                arm.drive("elsewhere", 1.0)
            refused.append(told_so)

    arm.drive("there", 0.2, told)
    assert refused and arm.controller.source.goals == ["there"]  # type: ignore[attr-defined]
    with pytest.raises(InputError, match="seconds is nan"):
        arm.drive("there", float("nan"))
    assert arm.drive("there", 0.1).status is not Status.FAULT
