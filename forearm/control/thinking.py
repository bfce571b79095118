"""The half of a controller that sees and plans, in whatever thread.

It takes what came without waiting, thinks without holding anybody up, and commits to what came of it if the world has
not moved on meanwhile.
"""

import logging
from typing import TYPE_CHECKING

import numpy as np

from forearm.control.attempt import Attempt, Frame, PlanningJob
from forearm.control.fault import Kind
from forearm.control.parts import Parts
from forearm.control.plan_source import PlanRequest
from forearm.control.trajectories.trajectory import Array, Trajectory
from forearm.errors import ForearmError, one_line

if TYPE_CHECKING:
    from forearm.planner.plan import Plan

logger = logging.getLogger(__name__)

TRIES = 4
"""Take-over moments that are tried for one plan."""
STANDS = 0.1
"""s after the end of a motion, from which on an arm counts as standing still."""


class Thinking(Parts):
    """A controller that thinks; see `Controller`."""

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
            latent, doubt = getattr(self.source, "latent", None), ""
            if self.gate is not None:
                doubt = self.gate.see(frame.time, frame.observation, frame.position, latent)
            nearness = getattr(self.source, "nearness", None)
            distance = None if nearness is None or doubt else nearness()
            if self._live is not None:
                self._live.seen(frame, distance)
            surprised = not doubt and self._is_surprised(frame, latent)
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

    def _is_surprised(self, frame: Frame, latent: Array | None) -> bool:
        """Whether an alarm begins with a frame."""
        if self.alert is None:
            return False
        with self._lock:
            motion = self._motion
        if motion is None:
            return False
        path = motion.path
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
        start = job.start - (self.adapter.period if getattr(self.adapter, "holds", False) else 0.0)
        for _ in range(TRIES):
            with self._lock:
                if not self._current(job) or self._motion is None:
                    break
                committed = self._motion.path
                soonest = self._time.last + lead
                if self.mode == "thread":
                    soonest = max(soonest, self._time.own(self.clock()) + lead)
                takeover = max(soonest, start - self.adapter.period)
            pace = 1.0 if self.alert is None else self.alert.pace
            draft = self._drafts.attempt(committed, actions, start, takeover, pace)
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
                self._counts["plans_late"] += takeover > start + 1e-9
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
