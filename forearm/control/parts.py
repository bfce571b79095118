"""What a controller is made of, and how it comes to rest: what both of its halves stand on."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from forearm.agent.haste import Haste
from forearm.common import checks
from forearm.common.durations import in_steps
from forearm.control.action_adapter import ActionAdapter
from forearm.control.alert import Alert, OnSurprise
from forearm.control.attempt import Attempt, Sent
from forearm.control.committed_motion import Motion, PlanFollower
from forearm.control.fault import Kind, Latch
from forearm.control.frame_gate import Gate
from forearm.control.live import shown_on
from forearm.control.observation_gate import ObservationGate
from forearm.control.pausable_clock import PausableClock
from forearm.control.plan_source import PlanSource, fit_of
from forearm.control.robots.fit import check_fit, check_pace
from forearm.control.robots.robot import Robot
from forearm.control.timing import Timing
from forearm.control.trajectories.limits import LimitReport
from forearm.control.whereabouts import Whereabouts
from forearm.errors import ForearmError

if TYPE_CHECKING:
    from forearm.live.page import LivePage
    from forearm.planner.plan import Plan
    from forearm.surprise.monitor import Monitor

Mode = Literal["thread", "inline", "manual"]

AGAIN = 0.05
"""s after which a stop that would have broken a limit is tried again."""


class Parts:
    """The parts of a controller; see `Controller`."""

    def __init__(
        self,
        source: PlanSource,
        robot: Robot,
        adapter: ActionAdapter,
        *,
        timing: Timing | None = None,
        mode: Mode = "thread",
        clock: Callable[[], float] = time.monotonic,
        steady: Callable[[], float] | None = None,
        gate: Gate | None = None,
        live: "LivePage | bool" = False,
        monitor: "Monitor | None" = None,
        on_surprise: OnSurprise = "ignore",
    ) -> None:
        checks.choice("mode", mode, get_args(Mode))
        check_pace(source, adapter)
        check_fit(robot, adapter)
        self.source, self.robot, self.adapter, self.gate = source, robot, adapter, gate
        if monitor is None and on_surprise != "ignore":
            raise ForearmError(f"on_surprise={on_surprise} needs a monitor: monitor=forearm.Monitor.load(TASK)")
        self.alert = None if monitor is None else Alert(monitor, on_surprise, adapter)
        self.timing = timing or Timing()
        self.mode, self.clock, self.steady = mode, clock, steady
        # In `thread` mode `now` is of `clock`; where that is the default, a `now` that jumps far can be told by it.
        self._guard = time.monotonic if mode == "thread" and clock is time.monotonic else None
        self.plan: Plan | None = None
        self.report = LimitReport()
        steps, ahead = max(1, source.ahead_steps), in_steps("ahead", self.timing.ahead, adapter.period, least=0)
        self._ahead = -(-ahead // steps) * steps
        self._replan_every = in_steps("replan_every", self.timing.replan_every, adapter.period)
        self._lock = threading.RLock()
        self._wake = threading.Condition(self._lock)
        self._thinking = threading.Lock()  # a plan source has one thought at a time, whoever calls
        self._drafts, self._haste = PlanFollower(robot, adapter), Haste(adapter.period)
        self._observation_gate = ObservationGate(adapter, fit_of(source), robot.axes)
        self._counts: Counter[str] = Counter()
        self._attempt = Attempt()
        self._epoch = 0
        self._motion: Motion | None = None
        self._time = PausableClock(self.timing.max_gap, 1.0 / robot.rate)
        self._sent = Sent()
        wholesale = self.timing.max_off_path
        allowed = robot.following_error if wholesale is None else np.full(robot.axes, wholesale)
        self._whereabouts = Whereabouts(robot.limits, allowed)
        self._fault = Latch()
        self._new = True  # whether this is the first beat since a reset: whatever the clock did before it is forgiven
        self._kept: np.ndarray | None = None  # what a fault left the axes at that are not watched
        self._left: np.ndarray | None = None  # where the arm was told to be when that was forgotten
        self._unseen = False  # whether the arm may have moved since its last reading
        self._stopping = ""  # why
        self._stop_again = np.inf  # the arm's time at which a stop that was not possible is tried again
        self._plans = 0
        self._closed = False
        self._live = shown_on(live, source, adapter)  # once all is well: it listens at a port
        self._thread: threading.Thread | None = None
        if mode == "thread":
            self._thread = threading.Thread(target=self._run, name="forearm-planning", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        """The background thread's work."""
        raise NotImplementedError

    def _latch(self, kind: Kind, why: str) -> None:
        """A fault: to rest, and to stay there until a reset."""
        if self._fault.set(kind, why):
            self._counts[kind.value] += 1
            self._stopping = self._stopping and why
            self._epoch += 1
            if self._motion is not None:
                self._stop(self._time.last, why)

    def _stop(self, own: float, why: str) -> None:
        """Smoothly to rest, whatever was planned; where that would break a limit, along the plan until it would not."""
        assert self._motion is not None
        self._epoch += 1
        self._attempt.asked = None
        if self._motion.end <= own or self._stopping:
            return
        self._stopping = why
        self._counts["stops"] += 1
        if not self._try_to_stop(own):
            self._counts["stops_along_the_plan"] += 1

    def _try_to_stop(self, own: float) -> bool:
        assert self._motion is not None
        stopped = self._motion.stop(own)
        self._stop_again = np.inf if stopped else own + AGAIN
        return stopped
