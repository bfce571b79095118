"""`forearm plan`: one plan, as a table, a JSON document and a picture. Nothing moves."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console

from forearm.agent.haste import too_short
from forearm.agent.setup import PlanningSetup
from forearm.cli.models import task_of
from forearm.cli.scene import check_given, path_in_pixels, scene_of
from forearm.common.addresses import told
from forearm.common.parallel import import_modules, one_thread
from forearm.common.seeds import planning_seed
from forearm.control.action_adapter import ActionAdapter
from forearm.control.adapters.choice import chosen_adapter
from forearm.control.adapters.hold import hold_of
from forearm.control.robots.fit import check_fit
from forearm.control.robots.robot import Robot
from forearm.control.trajectories.limits import LimitReport
from forearm.control.trajectories.trajectory import Trajectory
from forearm.errors import ForearmError, did_you_mean, one_line
from forearm.evaluation.env_pool import has_simulator
from forearm.integrations import joint_trajectory
from forearm.settings import compose as settings
from forearm.settings import paths as output

if TYPE_CHECKING:
    from forearm.planner.plan import Plan

PLAN, JOINTS = FORMATS = ("plan", "joint_trajectory")


def main(overrides: Sequence[str]) -> int:
    """Run the command; raises `ForearmError` and the rooms' own errors for the front door to print."""
    chosen = settings.load("plan", overrides)
    import_modules(chosen["use"])
    task = task_of(chosen)
    simulated = has_simulator(task["name"])
    seed, episode = chosen["seed"], chosen["episode"]
    out = output.file("out", chosen["out"])
    picture = output.file("picture", chosen["picture"] or str(out.with_suffix(".png")))
    form = str(chosen["format"])
    if form not in FORMATS:
        raise ForearmError(f"unknown format '{form}'{did_you_mean(form, FORMATS)}")
    robot = None
    if form == JOINTS:
        joint_trajectory.check_format(out)
        robot = Robot(chosen.one("robot"))
        joint_trajectory.check_rate(chosen["rate"])
    if picture == out:
        raise ForearmError(f"out={out} and the picture would be one file; name out=....json")
    if (chosen["start"] is None) != (chosen["goal"] is None) and not isinstance(chosen["goal"], dict):
        raise ForearmError("give both start= and goal=, or neither to sample them from seed=")
    if chosen["proprio"] is None:  # which is where a plan on sensors alone begins
        check_given(task["name"], chosen["start"], simulated)
    setup = PlanningSetup.resolve(task, chosen.one("planner"))
    setup = replace(setup, hold=hold_of(chosen.one("robot"), task))
    adapter = None
    if robot is not None:
        assert setup.actions is not None
        adapter = chosen_adapter(robot, task, setup.actions, setup.document.get("action_names"))
        check_fit(robot, adapter)
    scene = scene_of(setup, chosen, simulated, seed, episode, for_arm=robot is not None)
    assert scene.goal is not None
    with one_thread():
        plan = setup.plan(scene.start, scene.goal, planning_seed(seed, episode), scene.proprio)
        imagined = setup.imagine(plan, scene.start, scene.proprio)
    out.parent.mkdir(parents=True, exist_ok=True)
    if setup.of_sensors:
        from forearm.cli.sensor_picture import save_sensor_picture

        save_sensor_picture(picture, setup, scene.start, scene.goal, plan)
    else:
        from forearm.cli.picture import save_plan_picture

        path = path_in_pixels(scene, plan.actions)
        save_plan_picture(picture, scene.start, scene.goal, path, plan, imagined)
    console = Console()
    console.print(str(plan), highlight=False, soft_wrap=True)
    assert setup.actions is not None
    if said := too_short(plan, setup.actions.period):
        console.print(f"careful: {said}", soft_wrap=True, highlight=False)
    if robot is not None and adapter is not None:
        motion, report = joint_path(robot, adapter, scene.proprio, plan)
        joint_trajectory.write(out, motion, robot, float(chosen["rate"]))
        said = f"{len(robot.joints)} joints of {robot.name}, {motion.end - motion.start:.2f} s"
        console.print(f"{said}; before shaping: {report}", soft_wrap=True, highlight=False)
    else:
        plan.save(out)
    console.print(f"plan:    {told(out)}\npicture: {told(picture)}", soft_wrap=True, highlight=False)
    return 0


def joint_path(
    robot: Robot, adapter: ActionAdapter, proprio: np.ndarray | None, plan: "Plan"
) -> tuple[Trajectory, LimitReport]:
    """What the joints do for a plan, within the robot's limits, from rest at the readings `proprio` (P,) on; and what
    the plan's own curve would have broken. Raises `ForearmError` where nothing of the plan can be followed.
    """
    from forearm.control.committed_motion import PlanFollower

    if proprio is None:
        raise ForearmError("where the arm stands, no picture tells: give its readings at the start, proprio=[...]")
    here = adapter.read({"proprio": proprio})
    position = np.clip(here, robot.limits.low, robot.limits.high)
    standing = robot.check_pose(position)
    if abs(here - position).max() > 0.02 or not standing.ok:
        raise ForearmError(f"the arm stands outside the limits of robot '{robot.name}': {one_line(standing)}")
    # The curve begins one period before the plan's first command.
    rest = Trajectory.resting(position, -1.0, 1.0)
    draft = PlanFollower(robot, adapter).attempt(rest, plan.actions, adapter.period, 0.0)
    if draft.path is None:
        raise ForearmError(f"nothing of the plan keeps the limits of robot '{robot.name}': {draft.why}")
    return draft.path, draft.report
