"""Arms of one's own, driven by a controller with each kind of commands."""

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from forearm.agent.action_spec import ActionSpec
from forearm.control import Controller, Robot, Status
from forearm.control.action_adapter import ActionAdapter, ToolActionAdapter, holding
from forearm.control.adapters.choice import chosen_adapter, make_adapter
from forearm.control.audit import audit
from forearm.errors import ForearmError
from tests.conftest import sent

from .arms import EIGHT_HOME, SIX_HOME, eight, six
from .conftest import Script

SCALES = {"joint_position": 1.0, "joint_displacement": 0.05, "joint_velocity": 0.5, "tool_displacement": 0.02}
HOMES = {"six": np.array(SIX_HOME), "eight": np.array(EIGHT_HOME)}
MAKE = {"six": six, "eight": eight}


def spec(count: int, most: float = 1.0, period: float = 0.1) -> ActionSpec:
    return ActionSpec(np.full(count, -most), np.full(count, most), period)


def adapter_of(robot: Robot, kind: str, period: float = 0.1, **settings: Any) -> ActionAdapter:
    if kind == "tool_displacement":
        pytest.importorskip("mink")
    count = 3 + bool(robot.fingers) if kind == "tool_displacement" else robot.axes
    most = 10.0 if kind == "joint_position" else 1.0
    return make_adapter({"kind": kind, "scale": SCALES[kind], **settings}, robot, spec(count, most, period))


@pytest.fixture(params=["six", "eight"])
def arm(request: Any, tmp_path: Path) -> Robot:
    return MAKE[request.param](tmp_path)


@pytest.mark.parametrize("period", [0.1, 0.02])
@pytest.mark.parametrize("kind", SCALES)
def test_an_arm_of_ones_own_is_driven_within_its_limits(arm: Robot, kind: str, period: float) -> None:
    home, adapter = HOMES[arm.name], adapter_of(arm, kind, period)
    still = holding(adapter, home)
    wild = still + np.random.default_rng(0).uniform(-0.6, 0.6, (12, len(still)))
    source, sent, position = Script(wild, wild[::-1]), [], home
    assert np.allclose(adapter.targets(home, still[None])[0], home, atol=1e-6)
    with Controller(source, arm, adapter, mode="inline") as controller:
        controller.reset("a goal")
        for beat in range(150):
            now, seen = beat / 125.0, None
            if beat % 10 == 0:
                seen = {"pixels": np.full((8, 8, 3), beat, np.uint8), "proprio": position, "time": now}
            command = controller.act(seen, now)
            assert command.positions is not None
            sent.append(command)
            position = np.append(command.positions, [] if command.gripper is None else command.gripper)
    assert audit(sent, arm).ok, str(audit(sent, arm))
    assert Status.MOVING in {command.status for command in sent} and abs(position - home).max() > 0.02
    # Before the first plan the arm rested, and that is what the world model is told.
    assert np.allclose(source.requests[0].past, still, atol=1e-6)
    assert np.allclose(source.requests[0].committed, still, atol=1e-6)


@pytest.mark.parametrize("kind", SCALES)
def test_what_commands_ask_for_is_told_by_the_same_commands(arm: Robot, kind: str) -> None:
    home, adapter = HOMES[arm.name], adapter_of(arm, kind)
    small = holding(adapter, home) + np.random.default_rng(1).uniform(-0.015, 0.015, (6, len(adapter.low)))
    path = np.concatenate([home[None], adapter.targets(home, small)])
    assert np.allclose(adapter.actions(path), small, atol=2e-4)
    if kind == "tool_displacement":
        moved = arm.geometry.tool(path[-1:])[0] - arm.geometry.tool(path[:1])[0]
        assert moved == pytest.approx(0.02 * small[:, :3].sum(axis=0), abs=1e-4)


def test_absolute_positions_hold_the_present_pose_and_others_hold_at_zero(tmp_path: Path) -> None:
    arm, home = six(tmp_path), HOMES["six"]
    assert holding(adapter_of(arm, "joint_position"), home) == pytest.approx(home)
    for kind in ("joint_displacement", "joint_velocity"):
        assert not holding(adapter_of(arm, kind), home).any()
        gripped = adapter_of(arm, kind, gripper_position=True, scale=[1.0] * 6 + [0.04])
        assert holding(gripped, home) == pytest.approx([0.0] * 6 + [0.5])
    assert holding(ToolActionAdapter("reach"), np.append(np.full(7, 0.3), 0.01)) == pytest.approx(np.zeros(4))


def test_units_scales_and_orders_of_ones_own(tmp_path: Path) -> None:
    arm, home = six(tmp_path), HOMES["six"]
    axes = ["gripper", *arm.joints]
    told = {
        "axes": axes, "unit": "deg", "scale": [0.0004, *[1.0] * 6], "offset": [0.0, 90.0, *[0.0] * 5],
        "readings": [1, 2, 3, 4, 5, 6, 0], "readings_offset": [90.0, *[0.0] * 6],
        "readings_scale": [*[1.0] * 6, 0.0004],
    }  # fmt: skip
    adapter = make_adapter({"kind": "joint_position", **told}, arm, spec(7, 400.0))
    command = holding(adapter, home)
    assert command == pytest.approx([50.0, np.rad2deg(home[0]) - 90.0, *np.rad2deg(home[1:6])])
    assert adapter.read({"proprio": command}) == pytest.approx(home)
    assert adapter.proprio(home) == pytest.approx(command)  # type: ignore[attr-defined]
    assert adapter.targets(home, command[None])[0] == pytest.approx(home)
    few = make_adapter({"kind": "joint_displacement", "axes": ["elbow"], "scale": 0.1}, arm, spec(1))
    assert few.targets(home, np.ones((2, 1)))[1] == pytest.approx(home + np.eye(7)[2] * 0.2)


def test_what_is_asked_for_stays_within_limits_and_is_not_wound_up(arm: Robot) -> None:
    home, adapter = HOMES[arm.name], adapter_of(arm, "joint_velocity", scale=100.0)
    there = adapter.targets(home, np.concatenate([np.ones((60, arm.axes)), -np.ones((1, arm.axes))]))
    assert np.allclose(there[59], arm.limits.high)
    assert (there[60] < arm.limits.high).all()
    assert (abs(np.diff(there, axis=0)) <= arm.limits.velocity * 0.1 + 1e-9).all()
    far = adapter_of(arm, "joint_position").targets(home, np.full((1, arm.axes), 10.0))
    assert (abs(far[0] - home) <= arm.limits.velocity * 0.1 + 1e-9).all()


def test_a_tool_turns_and_stays_in_its_workspace(tmp_path: Path) -> None:
    pytest.importorskip("mink")
    home = HOMES["six"]
    arm = six(tmp_path, workspace={"low": [-1, -1, 0], "high": [1, 1, 0.8]})
    told = {"kind": "tool_displacement", "axes": ["z", "yaw", "gripper"], "scale": [0.02, 0.05, 0.02]}
    adapter = make_adapter({**told, "gripper_position": True}, arm, spec(3))
    path = np.concatenate([home[None], adapter.targets(home, np.tile([1.0, 1.0, 1.0], (5, 1)))])
    tools = arm.geometry.tool(path)
    assert tools[-1] == pytest.approx([*tools[0, :2], 0.8], abs=1e-3) and path[-1, -1] == pytest.approx(0.02)
    assert adapter.actions(path)[:, 1] == pytest.approx(1.0, abs=0.02)
    at_the_end = adapter.targets(home, np.tile([-1.0, 0.0, 1.0], (5, 1)))
    assert arm.geometry.tool(at_the_end[-1:])[0, 2] == pytest.approx(tools[0, 2] - 0.1, abs=1e-3)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"kind": "joint_positon"}, "unknown adapter 'joint_positon'; did you mean 'joint_position'?"),
        ({}, "unknown adapter ''"),
        ({"kind": "joint_position", "scales": 2}, "'scales', which is no setting; did you mean 'scale'?"),
        ({"kind": "joint_position", "axes": ["pan"]}, "commands have 7 numbers, but adapter 'joint_position' takes 1"),
        ({"kind": "joint_position", "axes": ["pam"]}, "adapter.axes names 'pam', .* did you mean 'pan'?"),
        ({"kind": "joint_position", "axes": ["pan"] * 7}, "adapter.axes names one twice"),
        ({"kind": "joint_position", "scale": [1, 2]}, "adapter.scale has 2 numbers: expected one, or 7"),
        ({"kind": "joint_position", "scale": "wide"}, "adapter.scale must be a finite number"),
        ({"kind": "joint_position", "scale": 0}, "must be other than 0"),
        ({"kind": "joint_position", "unit": "grad"}, "unknown adapter.unit 'grad'"),
        ({"kind": "joint_position", "readings": [0, 1]}, r"adapter.readings is \[0, 1\]: expected 7"),
        ({"kind": "joint_position", "options": {"a": 1}}, "'joint_position' has none"),
        ({"kind": "joint_velocity", "axes": ["pan"], "gripper_position": True}, "commands are for pan alone"),
        ({"kind": "no.such.module.Adapter"}, "adapter.kind=no.such.module.Adapter: cannot be made, ModuleNotFound"),
        ({"kind": "collections.Nothing"}, "cannot be made, AttributeError"),
        ({"kind": "types.SimpleNamespace"}, "cannot be made, TypeError"),
    ],
)
def test_settings_that_do_not_fit_are_told_in_a_line(settings: Any, said: str, tmp_path: Path) -> None:
    count = 1 if settings.get("gripper_position") else 7
    with pytest.raises(ForearmError, match=said) as caught:
        make_adapter(settings, six(tmp_path), spec(count))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("proprio", [None, np.zeros(6), np.zeros((7, 1)), ["a"] * 7, np.full(7, np.nan)])
def test_readings_that_are_none_are_refused(proprio: Any, tmp_path: Path) -> None:
    adapter = adapter_of(six(tmp_path), "joint_position")
    with pytest.raises(ValueError, match="readings"):
        adapter.read({} if proprio is None else {"proprio": proprio})


def test_without_mink_its_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mink", None)
    with pytest.raises(ForearmError, match=r"pip install 'forearm\[ik\]'"):
        make_adapter({"kind": "tool_displacement"}, six(tmp_path), spec(4))


def test_a_task_goes_before_a_robot_and_the_built_in_arm_comes_last(tmp_path: Path) -> None:
    arm = six(tmp_path, adapter={"kind": "joint_velocity", "scale": 0.5})
    plain, home = six(tmp_path), HOMES["six"]
    ones = np.ones((1, 7))
    assert chosen_adapter(arm, {"name": "own"}, spec(7)).targets(home, ones)[0, 0] == pytest.approx(0.05)
    task = {"name": "own", "adapter": {"kind": "joint_displacement", "scale": 0.01}}
    assert chosen_adapter(arm, task, spec(7)).targets(home, ones)[0, 0] == pytest.approx(0.01)
    assert isinstance(chosen_adapter(plain, {"name": "reach"}, spec(4)), ToolActionAdapter)
    with pytest.raises(ForearmError, match=r"its commands mean for robot 'six': add 'adapter: \{kind: …\}'"):
        chosen_adapter(plain, {"name": "own"}, spec(7))


def test_a_class_of_ones_own_is_called_with_robot_and_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_arm.py").write_text(
        "class Mine:\n"
        "    def __init__(self, robot, actions, gain):\n"
        "        self.low, self.high, self.period, self.gain = actions.low, actions.high, actions.period, gain\n"
        "    def read(self, observation):\n        return observation['proprio']\n"
        "    def targets(self, start, actions):\n        return start + self.gain * actions.cumsum(axis=0)\n"
        "    def actions(self, path):\n        return (path[1:] - path[:-1]) / self.gain\n"
        "class Half:\n    def __init__(self, robot, actions):\n        self.low = 0\n",
        encoding="utf-8",
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    arm = six(tmp_path)
    adapter = make_adapter({"kind": "my_arm.Mine", "options": {"gain": 0.1}}, arm, spec(7))
    assert adapter.targets(np.zeros(7), np.ones((2, 7)))[1] == pytest.approx(0.2)
    with pytest.raises(ForearmError, match="lacks high, period, read, targets, actions"):
        make_adapter({"kind": "my_arm.Half"}, arm, spec(7))
    with pytest.raises(ForearmError, match="cannot be made, TypeError"):
        make_adapter({"kind": "my_arm.Mine"}, arm, spec(7))
    assert isinstance(sys.modules.pop("my_arm"), ModuleType)


def test_adapters_of_joints_can_be_sent_to_another_process(tmp_path: Path) -> None:
    adapter = adapter_of(six(tmp_path), "joint_position")
    again = sent(adapter)
    assert holding(again, HOMES["six"]) == pytest.approx(HOMES["six"])
