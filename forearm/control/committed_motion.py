"""What the arm is committed to do: one trajectory at a time, always checked to its end, always ending at rest.

Everything that the arm is ever sent lies on such a trajectory. A new one takes over at a moment that has not been
sent yet, with the position, velocity and acceleration of the old one there. Whatever goes wrong, going on along what
was checked is safe, because it comes to rest within the limits.
"""

from dataclasses import dataclass

import numpy as np

from forearm.control.action_adapter import ActionAdapter
from forearm.control.robots.robot import Robot
from forearm.control.trajectories.limits import LimitReport, check
from forearm.control.trajectories.spline import spline
from forearm.control.trajectories.trajectory import SHORTEST, Array, State, Trajectory, joined
from forearm.errors import InputError

NO_WAY = "from what the arm does now no motion within its limits leads onto the plan"
"""Why nothing of a plan can be followed, where nothing on its way is beyond a limit."""


class Motion:
    """The committed trajectory of one robot, in the robot's own time. Not thread-safe: its owner holds a lock."""

    def __init__(self, robot: Robot, position: Array, time: float) -> None:
        self.robot = robot
        self.path = Trajectory.resting(position, time - robot.memory, robot.memory)
        self.plan_id: int | None = None

    @property
    def end(self) -> float:
        """When the arm comes to rest."""
        return self.path.end

    def at(self, time: float) -> State:
        """What the arm is told to do at `time`."""
        return self.path.at(time)

    def replace(self, path: Trajectory, plan_id: int | None) -> None:
        """Take over `path` from its first moment on; it must begin in the state that the present one has there."""
        parts = []
        rest_from = path.start - self.robot.memory
        before = self.path.between(rest_from, path.start)
        if before is not None:
            parts.append(before)
            rest_from = before.end
        if path.start - rest_from > SHORTEST:
            parts.append(Trajectory.resting(self.at(path.start).position, rest_from, path.start - rest_from))
        self.path = joined([*parts, path])
        self.plan_id = plan_id

    def lead(self, time: float, position: Array) -> bool:
        """From rest at `time` to rest at `position` (D,); False where that would break a limit."""
        path = self.robot.shaper.bridge(self.at(time), time, State.at_rest(position), None)
        if path is None or not self.robot.check(path).ok:
            return False
        self.replace(path, None)
        return True

    def stop(self, time: float) -> bool:
        """Come to rest as fast as can be from `time` on; False where that would break a limit (and nothing changes)."""
        path = self.robot.shaper.stop(self.at(time), time)
        if path is None or not self.robot.check(path).ok:
            return False
        self.replace(path, None)
        return True


@dataclass(frozen=True, eq=False)
class Draft:
    """What became of a plan, with times from its beginning.

    path: the trajectory, None if nothing of the plan can be followed. report: what the plan's own curve would have
    broken. cause: what cut the plan short or stopped it, as far as a limit did. why: one line, where `path` is None.
    """

    path: Trajectory | None
    report: LimitReport
    cause: LimitReport
    why: str = ""


class PlanFollower:
    """Turns a plan's commands into a checked trajectory that takes over from what is committed."""

    def __init__(self, robot: Robot, adapter: ActionAdapter) -> None:
        self.robot, self.adapter = robot, adapter

    def draft(
        self, committed: Trajectory, actions: Array, start: float, takeover: float
    ) -> tuple[Trajectory | None, LimitReport]:
        """`path` and `report` of `attempt`."""
        found = self.attempt(committed, actions, start, takeover)
        return found.path, found.report

    def attempt(self, committed: Trajectory, actions: Array, start: float, takeover: float, pace: float = 1.0) -> Draft:
        """From what is `committed` at `takeover` s onto the commands (H, A), the first of which begins at `start` s.

        `pace` below 1 goes the same way more slowly: as far as the commands lead in that share of their time.

        Where the plan would leave the workspace or touch something, it is cut before that, and ends there at rest.
        Raises ValueError for commands that are not finite.
        """
        period, limits = self.adapter.period, self.robot.limits
        here = committed.sample(start + period * np.array([-2.0, -1.0, 0.0])).position
        raw = self.adapter.targets(here[-1], actions)
        if not np.isfinite(raw).all():
            raise InputError("the plan holds commands that are NaN or infinite")
        raw = raw if pace == 1.0 else slowed(here[-1], raw, pace)
        targets = np.clip(raw, limits.low, limits.high)
        report = check(self._curve(here, raw, start), limits)
        state = committed.at(takeover)
        cause, why, keep = LimitReport(), "the plan came too late", len(targets)
        while keep > 0:
            curve = self._curve(here, targets[:keep], start)
            if takeover >= curve.end - period:
                break  # too late: only the end of it is left
            path = self.robot.shaper.follow(state, takeover, curve)
            space = LimitReport() if path is None else self.robot.check_space(path)
            bad = space
            if path is not None and space.ok:
                bad = check(path, limits)
                if bad.ok:
                    return Draft(path, report.shifted(-start), cause.shifted(-start))
            if keep == len(targets):
                report = report + bad
            cause, why = bad, str(bad.shifted(-start)).partition("\n")[0] if not bad.ok else NO_WAY
            # The curve is influenced by targets up to two periods later.
            reached = int((bad.first - start) / period) - 1 if np.isfinite(bad.first) else keep - 1
            keep = max(0, min(keep - 1, reached))
        return Draft(None, report.shifted(-start), cause.shifted(-start), why)

    def _curve(self, here: Array, targets: Array, start: float) -> Trajectory:
        """The spline through where the arm comes from, (3, D), and the targets, at rest at its end."""
        points = np.concatenate([here, targets, np.repeat(targets[-1:], 2, axis=0)])
        return spline(points, start - 2 * self.adapter.period, self.adapter.period)


def slowed(here: Array, targets: Array, pace: float) -> Array:
    """As many positions (H, D) on the way from `here` (D,) through targets (H, D), at a share of their pace."""
    way = np.concatenate([here[None], targets])
    at = pace * np.arange(1, len(targets) + 1)
    index = np.minimum(at.astype(int), len(targets) - 1)
    share = (at - index)[:, None]
    return np.asarray((1.0 - share) * way[index] + share * way[index + 1])
