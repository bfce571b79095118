import copy

import numpy as np

from forearm.control.action_adapter import ToolActionAdapter
from forearm.control.committed_motion import Motion, PlanFollower
from forearm.control.robots.robot import MEMORY, Robot
from forearm.control.trajectories.trajectory import Trajectory

from .conftest import START

FORWARD = np.tile([1.0, 0.0, 0.0, 0.0], (6, 1))


def moving(robot: Robot, adapter: ToolActionAdapter) -> Motion:
    motion = Motion(robot, START, 0.0)
    path, _ = PlanFollower(robot, adapter).draft(motion.path, FORWARD, 0.1, 0.0)
    assert path is not None
    motion.replace(path, 1)
    return motion


def test_a_stop_begins_in_the_state_of_the_moment_and_ends_at_rest(robot: Robot, adapter: ToolActionAdapter) -> None:
    motion = moving(robot, adapter)
    before = motion.at(0.35)
    assert motion.stop(0.35) and motion.plan_id is None
    after = motion.at(0.35)
    assert np.allclose(after.position, before.position) and np.allclose(after.velocity, before.velocity)
    assert motion.end < 0.7
    assert not np.any(motion.at(motion.end + 1).velocity)


def test_where_a_stop_would_leave_the_workspace_the_plan_is_followed_to_its_end(
    robot: Robot, adapter: ToolActionAdapter
) -> None:
    tight = copy.copy(robot)
    motion = moving(tight, adapter)
    here = robot.geometry.tool(motion.at(0.35).position[None])[0]
    tight.workspace = (robot.workspace[0], np.array([here[0] + 0.001, *robot.workspace[1][1:]]))
    path = motion.path
    assert not motion.stop(0.35)
    assert motion.path is path and motion.plan_id == 1


def test_the_past_is_kept_for_a_while_and_rest_fills_gaps(robot: Robot, adapter: ToolActionAdapter) -> None:
    motion = moving(robot, adapter)
    end = motion.at(motion.end).position
    motion.replace(Trajectory.resting(end, 10.0), None)
    assert motion.path.start == 10.0 - MEMORY
    assert np.allclose(motion.at(8.5).position, end)
    motion = moving(robot, adapter)
    middle = motion.at(0.4).position
    motion.replace(Trajectory.resting(end, motion.end + 0.5), None)
    assert np.allclose(motion.at(0.4).position, middle) and np.allclose(motion.at(motion.end - 0.1).position, end)
