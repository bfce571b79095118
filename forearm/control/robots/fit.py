"""Whether what a controller is made of fits together: a plan source, an adapter and a robot."""

from typing import TYPE_CHECKING, Any

import numpy as np

from forearm.agent.action_spec import same_period
from forearm.control.action_adapter import ActionAdapter
from forearm.control.trajectories.trajectory import Array
from forearm.errors import ForearmError

if TYPE_CHECKING:
    from forearm.control.plan_source import PlanSource
    from forearm.control.robots.robot import Robot

ELSEWHERE = 0.01
"""m by which the tool of a robot may be elsewhere than its body takes it to be."""
POSES = 16
"""Random poses in which the two are compared."""


def check_fit(robot: "Robot", adapter: ActionAdapter) -> None:
    """Raise `ForearmError` where a body is that of another arm than the robot, as far as the body tells.

    A body may have `axes`, names of the axes (D,) whose positions it gives; `units` (D,) of them; and `tool`, which
    says where the tool is, (N, 3) in m, at positions (N, D). One that has no `axes` is asked for the joints of one
    command.
    """
    axes, units = getattr(adapter, "axes", None), tuple(getattr(adapter, "units", None) or ())
    count = len(axes or units) or _axes_of(adapter, robot)
    if count is not None and count != robot.axes:
        names = f" ({', '.join(axes)})" if axes else ""
        _refuse(robot, f"has {robot.axes} axes ({', '.join(robot.axis_names)}), but commands are for {count}{names}")
    for i, unit in enumerate(units[: robot.axes]):
        if unit != robot.limits.units[i]:
            named = robot.axis_names[i]
            _refuse(robot, f"moves '{named}' in {robot.limits.units[i]}, but commands for this axis are in {unit}")
    if hasattr(adapter, "tool"):
        away = _away(robot, adapter)
        if away > ELSEWHERE:
            _refuse(
                robot,
                f"has its tool up to {away:.2g} m from where commands take it to be: other joints, another order of "
                "them, or another base or tool",
            )


def check_pace(source: "PlanSource", adapter: ActionAdapter) -> None:
    """Raise `ForearmError` where a plan source says how often it commands, and the adapter takes another rate."""
    period = getattr(source, "period", None)  # a plan source of one's own, or a server that is not ours, need not say
    if period is not None and not same_period(period, adapter.period):
        raise ForearmError(
            f"the world model was trained on one command every {1e3 * period:.4g} ms, but the arm's adapter takes one "
            f"every {1e3 * adapter.period:.4g} ms: give a checkpoint trained at that rate, or an adapter of its own"
        )


def _refuse(robot: "Robot", why: str) -> None:
    raise ForearmError(
        f"robot '{robot.name}' {why}; choose the robot that the task's commands are for, or say what they mean for "
        "this one, 'adapter: {kind: …}' (docs/robots.md, 'What commands mean')"
    )


def _poses(robot: "Robot", count: int) -> Array:
    """Random positions (count, D) within the limits, the same ones every time; within a turn where there are none."""
    low = np.where(np.isfinite(robot.limits.low), robot.limits.low, -np.pi)
    high = np.where(np.isfinite(robot.limits.high), robot.limits.high, np.pi)
    return np.random.default_rng(0).uniform(np.minimum(low, high), np.maximum(low, high), (count, robot.axes))


def _away(robot: "Robot", adapter: Any) -> float:
    poses = _poses(robot, POSES)
    return float(np.linalg.norm(robot.geometry.tool(poses) - adapter.tool(poses), axis=1).max())


def _axes_of(adapter: ActionAdapter, robot: "Robot") -> int | None:
    """For how many axes a body gives positions; None where it does not tell."""
    start = _poses(robot, 1)[0]
    try:
        actions = np.zeros((1, len(np.atleast_1d(adapter.low))))
        targets = np.asarray(adapter.targets(start, actions))
    except Exception:  # a body of the user's own may not take any pose: its readings are checked later
        return None
    return int(targets.shape[1]) if targets.ndim == 2 else None
