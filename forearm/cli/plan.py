"""`forearm plan`: one plan, as a table, a JSON document and a picture. Nothing moves."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console

from forearm import envs
from forearm.agent.camera_check import Views
from forearm.agent.setup import PlanningSetup
from forearm.cli.models import task_of
from forearm.common.parallel import import_modules, one_thread
from forearm.common.seeds import evaluation_reset_seed, planning_seed
from forearm.control.action_adapter import ActionAdapter, ToolActionAdapter
from forearm.control.robots.fit import check_fit
from forearm.control.robots.robot import Robot
from forearm.control.trajectories.limits import LimitReport
from forearm.control.trajectories.trajectory import Trajectory
from forearm.errors import ForearmError, did_you_mean, one_line
from forearm.evaluation.env_pool import environment, has_simulator
from forearm.integrations import joint_trajectory
from forearm.settings import compose as settings
from forearm.settings import paths as output
from forearm.settings.words import written

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
    arm = None
    if form == JOINTS:
        joint_trajectory.check_format(out)
        arm = Robot(chosen.one("robot")), ToolActionAdapter(task["name"])
        check_fit(*arm)
        joint_trajectory.check_rate(chosen["rate"])
    if picture == out:
        raise ForearmError(f"out={out} and the picture would be one file; name out=....json")
    if (chosen["start"] is None) != (chosen["goal"] is None):
        raise ForearmError("give both start= and goal=, or neither to sample them from seed=")
    given = chosen["start"] is not None
    if not given and not simulated:
        raise ForearmError(
            f"task '{task['name']}' has no simulator to sample frames from: give start= and goal=, or name the module "
            "that registers its environment, use=[MODULE]"
        )
    setup = PlanningSetup.resolve(task, chosen.one("planner"))
    if given:  # read before the simulator is built: a wrong file is told at once
        start = setup.frame(Path(chosen["start"]), "start")
        goal = setup.frame(Path(chosen["goal"]), "goal")
    env = _simulator(setup) if simulated else None
    if given and env is not None:
        views = Views(env)
        for key, frame in (("start", start), ("goal", goal)):
            views.check(frame, f"{key}={chosen[key]}")
    hand: np.ndarray | None = None
    proprio: np.ndarray | None
    if given and isinstance(env, envs.ArmEnv):
        from forearm.agent.hand_localization import find_hand, readings_at_rest

        hand = find_hand(env, start)
        proprio = readings_at_rest(env, hand)
    elif given:
        proprio = _readings(chosen, setup, simulated)
    else:
        assert env is not None
        observation, info = env.reset(seed=evaluation_reset_seed(seed, episode))
        start, goal, proprio, hand = (
            observation["pixels"],
            info["goal"],
            observation["proprio"],
            env.positions()["ee_position"],
        )
    with one_thread():
        plan = setup.plan(start, goal, planning_seed(seed, episode), proprio)
    path = _path_in_pixels(env, hand, plan.actions)
    from forearm.cli.picture import save_plan_picture

    out.parent.mkdir(parents=True, exist_ok=True)
    save_plan_picture(picture, start, goal, path, plan)
    console = Console()
    console.print(str(plan), highlight=False)
    if arm is not None:
        robot, adapter = arm
        motion, report = joint_path(robot, adapter, proprio, plan)
        joint_trajectory.write(out, motion, robot, float(chosen["rate"]))
        said = f"{len(robot.joints)} joints of {robot.name}, {motion.end - motion.start:.2f} s"
        console.print(f"{said}; before shaping: {report}", soft_wrap=True, highlight=False)
    else:
        plan.save(out)
    console.print(f"plan:    {out}\npicture: {picture}", soft_wrap=True, highlight=False)
    return 0


def _readings(chosen: settings.Settings, setup: PlanningSetup, simulated: bool) -> np.ndarray | None:
    """The joint readings that a model wants beside a picture; raises `ForearmError` where they are missing or wrong."""
    absolute = setup.model.absolute
    wanted = setup.model.config.proprio_dim if absolute is None else absolute.readings
    given = chosen["proprio"]
    if given is None and not wanted:
        return None
    if given is None:
        reason = "also reads the arm's joints" if absolute is None else "plans joint positions from the present ones"
        raise ForearmError(
            f"start={chosen['start']}: this checkpoint {reason}, which a picture does not tell: give "
            f" proprio=[...], {wanted} numbers" + (", or leave out start= and goal=" if simulated else "")
        )
    numbers = given if isinstance(given, list) else [given]
    right = all(isinstance(number, int | float) and not isinstance(number, bool) for number in numbers)
    if not right or len(numbers) != wanted or not np.isfinite(np.asarray(numbers, np.float64)).all():
        raise ForearmError(
            f"proprio={written(given)}: this checkpoint reads no joints, leave it out"
            if not wanted
            else f"proprio={written(given)}: expected {wanted} numbers, the arm's joint readings at the start"
        )
    return np.asarray(numbers, np.float64)


def joint_path(
    robot: Robot, adapter: ActionAdapter, proprio: np.ndarray | None, plan: "Plan"
) -> tuple[Trajectory, LimitReport]:
    """What the joints do for a plan, within the robot's limits, from rest at the readings `proprio` (15,) on; and what
    the plan's own curve would have broken. Raises `ForearmError` where nothing of the plan can be followed.
    """
    from forearm.control.committed_motion import PlanFollower

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


def _simulator(setup: PlanningSetup) -> "envs.Environment":
    """The task's simulator, which takes commands as its checkpoint knows them; raises `ForearmError` otherwise."""
    envs.working_backend()  # before a benchmark's packages look for one themselves, and complain of what they find
    env = environment(setup.task["name"], setup.task["camera"], setup.task["resolution"])
    setup.check_commands(env)
    return env


def _path_in_pixels(env: "envs.Environment | None", hand: np.ndarray | None, actions: np.ndarray) -> np.ndarray:
    """(H + 1, 2) where the plan sends the hand; (0, 2) for an arm whose commands say too little of that."""
    if hand is None or not isinstance(env, envs.ArmEnv):
        return np.zeros((0, 2))
    from forearm.agent.hand_localization import commanded_path

    return env.project(commanded_path(env.task, hand, actions))
