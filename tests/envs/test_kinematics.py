from pathlib import Path

import mujoco
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from omegaconf import OmegaConf

from forearm.envs import TASKS
from forearm.envs.arm import kinematics
from forearm.envs.arm.joints import build_model
from forearm.envs.arm.tasks import GRIPPER_OPEN

MODEL = build_model(TASKS["reach"])
unit = st.floats(0, 1, width=32)


@settings(max_examples=40, deadline=None)
@given(arrays(np.float64, 7, elements=unit))
def test_forward_agrees_with_mujoco(share):
    joints = kinematics.POSITION_LOW + share * (kinematics.POSITION_HIGH - kinematics.POSITION_LOW)
    data = mujoco.MjData(MODEL)
    data.qpos[:7] = joints
    mujoco.mj_forward(MODEL, data)
    position, rotation, jacobian = kinematics.forward(joints)
    site = data.site("tool")
    expected = np.zeros((6, MODEL.nv))
    mujoco.mj_jacSite(MODEL, data, expected[:3], expected[3:], MODEL.site("tool").id)
    np.testing.assert_allclose(position, site.xpos, atol=1e-7)
    np.testing.assert_allclose(rotation, site.xmat.reshape(3, 3), atol=1e-7)
    np.testing.assert_allclose(jacobian, expected[:, :7], atol=1e-7)


@settings(max_examples=40, deadline=None)
@given(arrays(np.float64, 3, elements=unit), arrays(np.float64, 3, elements=st.floats(-1, 1, width=32)))
def test_inverse_follows_small_moves_within_limits_and_upright(share, move):
    low, high = np.array([0.33, -0.24, 0.015]), np.array([0.68, 0.24, 0.28])
    start = low + share * (high - low)
    seed = kinematics.inverse(start, kinematics.HOME, iterations=40)
    target = np.clip(start + 0.03 * move, low, high)
    joints = kinematics.inverse(target, seed)
    position, rotation, _ = kinematics.forward(joints)
    assert np.linalg.norm(position - target) < 2e-4
    assert np.abs(rotation - kinematics.TOOL_DOWN).max() < 2e-3
    assert np.all(joints >= kinematics.POSITION_LOW) and np.all(joints <= kinematics.POSITION_HIGH)


def test_inverse_of_a_batch_equals_single_calls():
    rng = np.random.default_rng(0)
    targets = rng.uniform([0.4, -0.2, 0.02], [0.6, 0.2, 0.2], (5, 4, 3))
    together = kinematics.inverse(targets, kinematics.HOME, iterations=10)
    alone = kinematics.inverse(targets[2, 3], kinematics.HOME, iterations=10)
    np.testing.assert_allclose(together[2, 3], alone, atol=1e-12)


def test_the_limits_are_those_of_the_model_and_of_the_robot_that_it_is_driven_as():
    limits = np.stack([kinematics.POSITION_LOW, kinematics.POSITION_HIGH], axis=1)
    for name, low_high in zip([f"joint{i}" for i in range(1, 8)], limits, strict=True):
        assert np.array_equal(MODEL.joint(name).range, low_high)
        assert np.array_equal(MODEL.actuator(name).ctrlrange, low_high)
    robot = OmegaConf.load(Path(__file__).parents[2] / "configs" / "robot" / "panda.yaml")
    assert np.array_equal(robot.velocity, kinematics.VELOCITY_LIMIT)
    assert np.array_equal(MODEL.actuator("left_finger").ctrlrange, [0.0, GRIPPER_OPEN])
