"""Carries commands out on the simulated arm, through a controller and within its limits."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from forearm.control.action_adapter import ToolActionAdapter
from forearm.control.command import Status
from forearm.control.controller import Controller
from forearm.control.timing import Timing
from forearm.serve.mcp.job import Job

if TYPE_CHECKING:
    from forearm.control.plan_source import PlanRequest
    from forearm.control.robots.robot import Robot
    from forearm.envs import ArmEnv

BEAT = 0.01
"""s from one servo target to the next."""
EXTRA = 20
"""Periods beyond those of the commands, in which the arm must have come to rest."""
OVER = (Status.ENDED, Status.REFUSED, Status.FAULT, Status.STALE)


@dataclass(frozen=True)
class Given:
    """A plan that somebody else made: commands (H, A)."""

    actions: np.ndarray


class GivenSource:
    """A plan source that answers with the same commands whatever is seen."""

    ahead_steps, past_steps = 1, 0

    def __init__(self, actions: np.ndarray, side: int, period: float) -> None:
        self._plan, self.period = Given(actions), period
        self.frame_shape: tuple[int, ...] = (side, side, 3)

    def begin(self, goal: Any) -> None:
        """See `PlanSource`; the commands know their goal."""

    def see(self, time: float, observation: Mapping[str, Any]) -> None:
        """See `PlanSource`; nothing depends on it."""

    def plan(self, request: "PlanRequest") -> Any:
        """See `PlanSource`."""
        return self._plan


@dataclass(frozen=True, eq=False)
class Motion:
    """What was done.

    Attributes:
        status, reason: of the controller at the end.
        shaped: what of the commands would have broken a limit and was done otherwise; empty for nothing.
        observations: N + 1, one a control step.
        actions: (N, A), what the servos were told, as commands.
    """

    status: str
    reason: str
    shaped: str
    observations: list[Mapping[str, Any]]
    actions: np.ndarray


def carry_out(env: "ArmEnv", robot: "Robot", actions: np.ndarray, job: Job) -> Motion:
    """Carry commands (H, A) out from rest to rest; a job that is cancelled is led to rest at once."""
    adapter, period = ToolActionAdapter(env.task.name), env.control_period
    source = GivenSource(actions, env.resolution, adapter.period)
    now, every, longest = 0.0, round(period / BEAT), len(actions) + EXTRA
    timing = Timing(replan_every=longest + 1, ahead=1)  # one plan
    seen: list[Mapping[str, Any]] = []
    told = []
    with Controller(source, robot, adapter, timing=timing, mode="inline", clock=lambda: now) as controller:
        controller.reset("the commands' own")
        for beat in range(longest * every + 1):
            now = beat * BEAT
            new = None
            if beat % every == 0:
                new = {**env.observe(), "time": now}
                if job.cancelled:
                    controller.stop("the call was cancelled")
            command = controller.act(new, now)
            if command.positions is None:
                break
            opening = float(command.gripper or 0.0)
            if new is not None:
                seen.append(new)
                told.append(np.append(command.positions, opening))
                if command.status in OVER and beat:
                    break
                job.say(min(beat // every, len(actions)), len(actions), "moving")
                env.steps += beat > 0
            env.servo(command.positions, opening, BEAT)
        shaped = "" if controller.report.ok else str(controller.report)
        if command.positions is None:
            return Motion(command.status.value, command.reason, shaped, seen, np.zeros((0, len(adapter.low))))
        return Motion(command.status.value, command.reason, shaped, seen, adapter.actions(np.array(told)))
