from typing import Any

import numpy as np
import pytest
import torch

from forearm.control import Controller
from forearm.control.action_adapter import ToolActionAdapter
from forearm.control.robots.robot import Robot
from forearm.errors import InputError
from forearm.integrations.lerobot_policy import LeRobotPolicy

from .conftest import START, Script

FORWARD = np.tile([0.4, 0.0, 0.0, 0.0], (12, 1))
FPS = 20.0


def batch(position: np.ndarray = START, **changes: Any) -> dict[str, torch.Tensor]:
    readings = np.concatenate([position[:7], np.zeros(7), position[7:8]])
    found = {
        "observation.images.front": torch.zeros(1, 3, 8, 8),
        "observation.state": torch.as_tensor(readings, dtype=torch.float32)[None],
    }
    return {**found, **changes}


@pytest.fixture
def policy(robot: Robot, adapter: ToolActionAdapter) -> LeRobotPolicy:
    return LeRobotPolicy(Controller(Script(FORWARD), robot, adapter, mode="inline"), FPS, "goal", chunk=5)


def test_actions_are_joint_positions_one_a_frame(policy: LeRobotPolicy, robot: Robot) -> None:
    position, path = START.copy(), []
    for _ in range(30):
        action = policy.select_action(batch(position))
        assert action.shape == (1, 8) and action.dtype == torch.float32
        position = action[0].double().numpy()
        path.append(position)
    steps = abs(np.diff(path, axis=0))
    assert np.all(steps <= robot.limits.velocity / FPS * 1.01) and steps.max() > 0.001
    tool = robot.geometry.tool(np.array(path))
    assert tool[-1, 0] > tool[0, 0] + 0.05


def test_a_chunk_is_what_the_next_actions_will_be(policy: LeRobotPolicy) -> None:
    for _ in range(9):
        policy.select_action(batch())
    chunk = policy.predict_action_chunk(batch())
    assert chunk.shape == (1, 5, 8)
    assert torch.allclose(policy.select_action(batch()), chunk[:, 1], atol=1e-3)


def test_frames_may_be_floats_or_bytes(policy: LeRobotPolicy) -> None:
    image = torch.randint(0, 256, (1, 3, 8, 8), dtype=torch.uint8)
    as_floats = policy._observation(batch(**{"observation.images.front": image.float() / 255}))
    as_bytes = policy._observation(batch(**{"observation.images.front": image}))
    assert np.array_equal(as_floats["pixels"], as_bytes["pixels"]) and as_bytes["pixels"].shape == (8, 8, 3)


def test_what_does_not_fit_is_said(policy: LeRobotPolicy, robot: Robot, adapter: ToolActionAdapter) -> None:
    with pytest.raises(ValueError, match="one arm"):
        policy.select_action({key: value.repeat(2, *[1] * (value.ndim - 1)) for key, value in batch().items()})
    with pytest.raises(ValueError, match=r"no 'observation\.state'"):
        policy.select_action({"observation.images.front": torch.zeros(1, 3, 8, 8)})
    image, state = "observation.images.front", "observation.state"
    for key, wrong, said in (
        (image, torch.zeros(1, 2, 3, 8, 8), r"is Tensor \(1, 2, 3, 8, 8\): expected a tensor of 4 dimensions"),
        (image, np.zeros((1, 3, 8, 8)), "is ndarray"),
        (image, None, "is NoneType"),
        (image, torch.full((1, 3, 8, 8), 255.0), "is not between 0 and 1"),
        (image, torch.full((1, 3, 8, 8), torch.nan), "is not between 0 and 1"),
        (state, torch.zeros(15), "expected a tensor of 2 dimensions"),
    ):
        with pytest.raises(InputError, match=said):
            policy.select_action(batch(**{key: wrong}))
    assert policy._observation(batch(**{state: torch.ones(1, 15).bfloat16()}))["proprio"].tolist() == [1.0] * 15
    with pytest.raises(RuntimeError, match="nothing can be sent"):
        policy.select_action(batch(START * np.nan))
    control = Controller(Script(FORWARD), robot, adapter, mode="manual")
    with pytest.raises(ValueError, match="inline"):
        LeRobotPolicy(control, FPS, "goal")
    with pytest.raises(RuntimeError, match="not known"):
        control.preview(np.zeros(1))
    with pytest.raises(ValueError, match="fps"):
        LeRobotPolicy(Controller(Script(FORWARD), robot, adapter, mode="inline"), 0.0, "goal")


def test_a_new_episode_begins_from_where_the_arm_was_put(policy: LeRobotPolicy) -> None:
    position = START
    for _ in range(20):
        position = policy.select_action(batch(position))[0].double().numpy()
    policy.reset()
    put = START + np.array([0.2, 0, 0, 0, 0, 0, 0, 0])
    assert np.allclose(policy.select_action(batch(put)).numpy(), put, atol=1e-6)


def test_frames_that_come_more_seldom_than_the_arms_time_goes_on_are_refused(
    robot: Robot, adapter: ToolActionAdapter
) -> None:
    control = Controller(Script(FORWARD), robot, adapter, mode="inline")
    with pytest.raises(ValueError, match="max_gap"):
        LeRobotPolicy(control, 5.0, "goal")
    policy = LeRobotPolicy(control, 10.0, "goal")
    for _ in range(30):
        policy.select_action(batch())
    assert "missed_beats" not in control.counts
