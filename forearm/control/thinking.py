"""The half of a controller that sees and plans, in whatever thread.

It takes what came without waiting, thinks without holding anybody up, and commits to what came of it if the world has
not moved on meanwhile.
"""

import logging
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
from forearm.control.attempt import Attempt, Frame, PlanningJob
from forearm.control.committed_motion import Motion, PlanFollower
from forearm.control.fault import Kind, Latch
from forearm.control.frame_gate import Gate
from forearm.control.live import LiveController
from forearm.control.observation_gate import ObservationGate
from forearm.control.pausable_clock import PausableClock
from forearm.control.plan_source import PlanRequest, PlanSource, fit_of
from forearm.control.robots.fit import check_fit, check_pace
from forearm.control.robots.robot import Robot
from forearm.control.timing import Timing
from forearm.control.trajectories.limits import LimitReport
from forearm.control.trajectories.trajectory import Trajectory
from forearm.errors import ForearmError, one_line

if TYPE_CHECKING:
    from forearm.planner.plan import Plan
    from forearm.surprise.monitor import Monitor

logger = logging.getLogger(__name__)

Mode = Literal["thread", "inline", "manual"]

TRIES = 4
"""Take-over moments that are tried for one plan."""
STANDS = 0.1
"""s after the end of a motion, from which on an arm counts as standing still."""
AGAIN = 0.05
"""s after which a stop that would have broken a limit is tried again."""


class Thinking:
    """What a controller is made of, and its thinking; see `Controller`."""

    def __init__(
        self,
        source: PlanSource,
        robot: Robot,
        adapter: ActionAdapter,
        *,
        timing: Timing | None = None,
        mode: Mode = "thread",
        clock: Callable[[], float] = time.monotonic,
        gate: Gate | None = None,
        live: LiveController | None = None,
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
        self.mode, self.clock, self._live = mode, clock, live
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
        self._fault = Latch()
        self._unseen = False  # whether the arm may have moved since its last reading
        self._stopping = ""  # why
        self._stop_again = np.inf  # the arm's time at which a stop that was not possible is tried again
        self._plans = 0
        self._closed = False
        self._thread: threading.Thread | None = None
        if mode == "thread":
            self._thread = threading.Thread(target=self._run, name="forearm-planning", daemon=True)
            self._thread.start()

    def think(self) -> bool:
        """See what came, and plan if it is time to; False if there was nothing to do. The background thread's work."""
        with self._thinking:
            job = self._job()
            if job is None:
                return False
            begun = not job.begin
            try:
                if job.begin:
                    self.source.begin(job.attempt.goal)
                    begun = True
                    if self.gate is not None:
                        self.gate.begin()
                    if self.alert is not None:
                        self.alert.begin()
                    if self._live is not None:
                        self._live.begin(job.attempt.goal)
                self._see(job)
                committed = self._wanted(job)
                if committed is not None:
                    plan = self.source.plan(self._request(job, committed))
                    job.attempt.last_start = job.start
                    self._take_over(plan, job)
                    if self._live is not None:
                        self._live.planned(plan, job.frames[-1])
            except Exception as error:  # whatever happens, the arm must come to rest and say why
                why = f"{type(error).__name__}: {one_line(error)}"
                if why != job.attempt.refused:  # once, not with every frame
                    expected = isinstance(error, ForearmError | OSError)
                    logger.warning("no plan: %s", why, exc_info=not expected)
                self._failed(why, job, begun)
            return True

    def _run(self) -> None:
        while True:
            with self._lock:
                while not self._closed and (self._motion is None or not self._attempt.frames):
                    self._wake.wait()
                if self._closed:
                    return
            self.think()

    def _job(self) -> PlanningJob | None:
        """What there is to see and to plan."""
        with self._lock:
            attempt = self._attempt
            if self._motion is None or not attempt.frames:
                return None
            frames = list(attempt.frames)
            attempt.frames.clear()
            begin, attempt.begun = not attempt.begun, True
            start = frames[-1].time + self._ahead * self.adapter.period
            return PlanningJob(attempt, self._epoch, begin, frames, start)

    def _see(self, job: PlanningJob) -> None:
        """Show the frames to the plan source, and ask whether they can be believed and whether they show the goal."""
        for frame in job.frames:
            self.source.see(frame.time, frame.observation)
            doubt = ""
            if self.gate is not None:
                doubt = self.gate.see(
                    frame.time, frame.observation, frame.position, getattr(self.source, "latent", None)
                )
            nearness = getattr(self.source, "nearness", None)
            distance = None if nearness is None or doubt else nearness()
            if self._live is not None:
                self._live.seen(frame, distance)
            surprised = not doubt and self._is_surprised(frame)
            with self._lock:
                if job.attempt is not self._attempt:
                    continue
                job.attempt.doubt = doubt
                if doubt:
                    self._counts["frames_doubted"] += 1
                if self.gate is not None and self.gate.sure:
                    self._latch(Kind.FRAMES, doubt)
                    continue
                if surprised:
                    self._surprised(job)
                self._approach(job.attempt, frame.time, distance)

    def _is_surprised(self, frame: Frame) -> bool:
        """Whether an alarm begins with a frame."""
        if self.alert is None:
            return False
        with self._lock:
            motion = self._motion
        if motion is None:
            return False
        path, latent = motion.path, getattr(self.source, "latent", None)
        return self.alert.see(frame, lambda moments: path.sample(moments).position, latent)

    def _surprised(self, job: PlanningJob) -> None:
        """An alarm has begun: do what is to be done then."""
        assert self.alert is not None
        self._counts["surprises"] += 1
        if self.alert.on_surprise == "stop":
            self._latch(Kind.SURPRISE, self.alert.why)
        elif self.alert.on_surprise in ("replan", "slow"):
            job.attempt.asked = None

    def _approach(self, attempt: Attempt, time: float, distance: float | None) -> None:
        """A frame of the arm's time `time` s shows how far the goal is; come to rest where it is near."""
        arrival, still = attempt.arrival, self._motion is not None and time >= self._motion.end + STANDS
        was_sure = arrival.sure
        changed = arrival.see(time, distance, still)
        self._counts["reached"] += arrival.sure and not was_sure
        if not changed:
            return
        attempt.asked, attempt.refused = None, ""
        if arrival.here:
            self._stop(self._time.last, "the goal is near")
        else:
            self._counts["left" if was_sure else "missed"] += 1

    def _wanted(self, job: PlanningJob) -> Trajectory | None:
        """What the arm is committed to do, if a plan is to be made now."""
        with self._lock:
            attempt, moment = job.attempt, job.frames[-1].time
            due = attempt.asked is None or moment - attempt.asked >= (self._replan_every - 0.5) * self.adapter.period
            idle = attempt.stale or self._fault or self._unseen or attempt.doubt or attempt.arrival.here
            if not due or idle or self._motion is None or not self._current(job):
                return None
            attempt.asked = moment
            return self._motion.path

    def _request(self, job: PlanningJob, committed: Trajectory) -> PlanRequest:
        period, past, moment = self.adapter.period, self.source.past_steps, job.frames[-1].time
        steps = np.arange(-past, self._ahead + 1, dtype=np.float64)
        done = self.adapter.actions(committed.sample(moment + period * steps).position)
        last = job.attempt.last_start
        elapsed = 0 if last is None else round((job.start - last) / period)
        return PlanRequest(moment, done[past:], done[:past], elapsed, self.timing.deadline_ms)

    def _current(self, job: PlanningJob) -> bool:
        return job.attempt is self._attempt and job.epoch == self._epoch

    def _take_over(self, plan: "Plan", job: PlanningJob) -> None:
        """Turn a plan into a trajectory and commit to it, unless the world has moved on."""
        actions = np.asarray(plan.actions, dtype=np.float64)
        self._count("plans")
        if actions.ndim != 2 or actions.shape[1] != len(self.adapter.low) or not np.isfinite(actions).all():
            self._refuse(f"a plan of shape {actions.shape}, or with numbers that are not finite", job)
            return
        self._haste.note(plan)
        actions = np.clip(actions, self.adapter.low, self.adapter.high)
        lead = self.timing.lead if self.mode == "thread" else 0.0
        for _ in range(TRIES):
            with self._lock:
                if not self._current(job) or self._motion is None:
                    break
                committed = self._motion.path
                soonest = self._time.last + lead
                if self.mode == "thread":
                    soonest = max(soonest, self._time.own(self.clock()) + lead)
                takeover = max(soonest, job.start - self.adapter.period)
            pace = 1.0 if self.alert is None else self.alert.pace
            draft = self._drafts.attempt(committed, actions, job.start, takeover, pace)
            with self._lock:
                motion = self._motion
                if not self._current(job) or motion is None or motion.path is not committed:
                    break
                if draft.path is None:
                    self.report = draft.report
                    self._refuse(draft.why, job)
                    return
                if self._time.last > takeover:
                    lead *= 2.0  # the moment has passed meanwhile: again, from a later one
                    continue
                self._counts["plans_late"] += takeover > job.start + 1e-9
                self._counts["plans_cut"] += not draft.cause.ok
                self._counts["plans_shaped"] += not draft.report.ok
                self._plans += 1
                motion.replace(draft.path, self._plans)
                self.plan, self.report = plan, draft.report
                job.attempt.planned, job.attempt.refused, job.attempt.paused = True, "", ""
                self._stopping = ""
                return
        self._count("plans_dropped")

    def _refuse(self, why: str, job: PlanningJob) -> None:
        with self._lock:
            self._counts["plans_refused"] += 1
            self._retry(job, why)

    def _failed(self, why: str, job: PlanningJob, begun: bool) -> None:
        with self._lock:
            self._counts["mind_failures"] += 1
            self._retry(job, why)
            job.attempt.begun = begun

    def _retry(self, job: PlanningJob, why: str) -> None:
        """Plan again from the next frame."""
        if self._current(job):
            job.attempt.refused, job.attempt.asked = why, None

    def _count(self, name: str) -> None:
        with self._lock:
            self._counts[name] += 1

    # -- coming to rest ------------------------------------------------------------------------------------------

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
