"""The loop that a robot's own loop can call: never late, never beyond a limit.

`act` only looks up where the arm shall be at the caller's time, on a trajectory that was checked to its end. Seeing and
planning happen elsewhere, in a background thread. What they make takes over when it is ready, from where the arm
will then be, and its commands keep the times for which they were planned: a slow planner costs the beginning of its
plan, it does not delay the rest.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from forearm.control.arm_time import ArmTime
from forearm.control.body import Body
from forearm.control.command import MOVING, Command, Status
from forearm.control.episode import Episode, Job, Sent
from forearm.control.fit import check_fit, check_pace
from forearm.control.intake import Intake, Seen
from forearm.control.limits import Report
from forearm.control.mind import Mind, Wish
from forearm.control.motion import Drafts, Motion
from forearm.control.robot import Robot
from forearm.control.timing import Timing
from forearm.control.trajectory import Trajectory
from forearm.errors import ForearmError

if TYPE_CHECKING:
    from planner.plan import Plan

logger = logging.getLogger(__name__)

Mode = Literal["thread", "inline", "manual"]

TRIES = 4
"""Take-over moments that are tried for one plan."""
UNSURE = 0.02
"""rad or m by which a first reading may lie beyond a limit; it is taken to be at the limit."""
AGAIN = 0.05
"""s after which a stop that would have broken a limit is tried again."""


class Controller:
    """Brings a robot to what a goal shows, within its limits; see the module. Thread-safe.

    Args:
        mind: what plans.
        robot: what moves, and its limits.
        body: what a command of the mind means for the robot's joints.
        timing: when what is done.
        mode: `thread` thinks in the background; `inline` thinks within `act`; `manual` leaves it to the caller, who
            calls `think()`.
        clock: s; what `act` takes for now when it is not told, and what a plan's take-over is timed by in `thread`
            mode. `now` must be of the same clock.

    Raises ValueError for an unknown mode, `ForearmError` for a mind that plans at another rate than the body's, and for
    a body whose commands are another arm's.

    Attributes:
        plan: the last plan that was followed, None before the first of a goal.
        report: what that plan's own curve would have broken, with times from its beginning.
    """

    def __init__(
        self,
        mind: Mind,
        robot: Robot,
        body: Body,
        *,
        timing: Timing | None = None,
        mode: Mode = "thread",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if mode not in ("thread", "inline", "manual"):
            raise ValueError(f"mode is '{mode}': expected thread, inline or manual")
        check_pace(mind, body)
        check_fit(robot, body)
        self.mind, self.robot, self.body = mind, robot, body
        self.timing = timing or Timing()
        self.mode, self.clock = mode, clock
        self.plan: Plan | None = None
        self.report = Report()
        steps = max(1, mind.ahead_steps)
        self._ahead = -(-self.timing.ahead // steps) * steps
        self._lock = threading.RLock()
        self._wake = threading.Condition(self._lock)
        self._thinking = threading.Lock()  # a mind has one thought at a time, whoever calls
        self._drafts = Drafts(robot, body)
        self._intake = Intake(body, mind.frame_shape, robot.axes)
        self._counts: Counter[str] = Counter()
        self._episode = Episode()
        self._epoch = 0
        self._motion: Motion | None = None
        self._sent = Sent()
        self._stopping = ""  # why
        self._fault = ""
        self._plans = 0
        self._time = ArmTime(self.timing.max_gap)
        self._stop_again = np.inf  # the arm's time at which a stop that was not possible is tried again
        self._closed = False
        self._thread: threading.Thread | None = None
        if mode == "thread":
            self._thread = threading.Thread(target=self._run, name="forearm-mind", daemon=True)
            self._thread.start()

    @classmethod
    def load(
        cls,
        task: str = "reach",
        *,
        checkpoint: str | None = None,
        planner: str | Mapping[str, Any] | None = None,
        robot: "str | Robot" = "panda",
        seed: int = 0,
        check_goals: bool = True,
        **settings: Any,
    ) -> "Controller":
        """A controller with the checkpoint of a task of the built-in arm; `settings` are `mode`, `clock` and `timing`.

        `checkpoint`: another than the task's own, by name or path, such as one of several tasks. `planner`: that of
        the task's config, if none is given.
        `check_goals`: refuse a goal that another of the task's cameras took, or that is upside down, as far as the
        simulator can be drawn here.

        Raises what `forearm.load` raises, and `ForearmError` for an unknown robot or planner.
        """
        from forearm.control.body import ToolBody
        from forearm.control.mind import LatentMind
        from forearm.control.robot import load_robot
        from forearm.planning import load
        from forearm.views import views_for

        arm = load_robot(robot) if isinstance(robot, str) else robot
        brain = load(task) if checkpoint is None else load(checkpoint, task=task)
        body = ToolBody(str(brain.task["name"]))
        views = views_for(brain) if check_goals else None
        return cls(LatentMind(brain, planner, seed, views), arm, body, **settings)

    # -- what the caller does ------------------------------------------------------------------------------------

    def reset(self, goal: Any, *, moved: bool = False) -> None:
        """Begin anew with another goal (None: none). An arm that moves comes to a stop first.

        Raises nothing: a goal that the mind refuses shows as status `refused`, with the reason. After a fault, the arm
        is taken to be where the next reading says.

        Args:
            goal: what the mind takes for one.
            moved: somebody else has moved the arm meanwhile, and it stands still: it is where the next reading says,
                and until then nothing may be sent to it.
        """
        with self._lock:
            if moved:
                self._motion, self._stopping = None, ""
                self._sent.forget()
            self._episode = Episode(goal)
            self._epoch += 1
            self.plan = None
            self._intake.reset()
            if self._fault and not self._moving():
                self._motion = None
                self._sent.forget()
            self._fault = ""
            if self._moving():
                self._stop(self._time.last, "a new goal")
            self._wake.notify_all()

    def act(self, observation: Any = None, now: float | None = None) -> Command:
        """What the arm shall do at `now` s (the clock's time if not given). Raises nothing, whatever the observation.

        Args:
            observation: what is new since the last call, or None: see `Intake`.
            now: of the caller's clock; never goes back (if it does, it is taken to stand still).
        """
        with self._lock:
            wrong = self._time.beat(self.clock() if now is None else float(now), self._moving())
            if wrong:
                self._counts[wrong] += 1
            if self._time.now is None:
                return Command(0.0, None, None, None, Status.WAITING, reason="the clock has not said a number yet")
            now = self._time.now
            seen = None if observation is None else self._intake.take(observation, now)
            if seen is not None:
                self._believe(seen)
            self._watch(now)
            if self.mode != "inline":
                return self._command(now)
        self.think()
        with self._lock:
            return self._command(now)

    def preview(self, seconds: np.ndarray) -> np.ndarray:
        """Positions (N, D) of the axes `seconds` (N,) after the last call of `act`, if nothing new comes up until then.

        Raises RuntimeError where it is not known where the arm is.
        """
        with self._lock:
            if self._motion is None:
                raise RuntimeError("it is not known where the arm is: call act with an observation first")
            return self._motion.path.sample(self._time.last + np.asarray(seconds, np.float64)).position

    def think(self) -> bool:
        """See what came, and plan if it is time to; False if there was nothing to do. The background thread's work."""
        with self._thinking:
            job = self._job()
            if job is None:
                return False
            begun = not job.begin
            try:
                if job.begin:
                    self.mind.begin(job.episode.goal)
                    begun = True
                for moment, frame in job.frames:
                    self.mind.see(moment, frame)
                if job.committed is not None:
                    plan = self.mind.plan(self._wish(job, job.committed))
                    job.episode.last_start = job.start
                    self._take_over(plan, job)
            except Exception as error:  # whatever a mind or a body does, the arm must come to rest and say why
                why = f"{type(error).__name__}: {' '.join(str(error).split())}"
                if why != job.episode.refused:  # once, not with every frame
                    expected = isinstance(error, ForearmError | OSError)
                    logger.warning("no plan: %s", why, exc_info=not expected)
                self._failed(why, job, begun)
            return True

    @property
    def counts(self) -> dict[str, int]:
        """What has happened so far, by name: frames taken in and refused by reason; plans made, late, shaped, cut,
        refused, dropped; beats missed, stops, failures of the mind.
        """
        with self._lock:
            return dict(self._counts + self._intake.counts)

    def close(self) -> None:
        """End the background thread. The arm should be at rest."""
        with self._lock:
            self._closed = True
            self._wake.notify_all()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout=10.0)

    def __enter__(self) -> "Controller":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- one beat ------------------------------------------------------------------------------------------------

    def _moving(self) -> bool:
        return self._motion is not None and self._time.last < self._motion.end

    def _believe(self, seen: Seen) -> None:
        """Take a reading, and a frame if there is one, for true."""
        episode = self._episode
        if self._motion is None:
            self._settle(seen.position)
        else:
            told = self._sent.at(seen.time)
            if told is not None:
                episode.off_path = float(self.robot.limits.apart(seen.position, told).max() / self.timing.max_off_path)
        if seen.frame is None or episode.goal is None:
            return
        if not self._time.knows(seen.time):
            self._counts["frames_of_a_pause"] += 1  # what the arm did then was not on its path
        else:
            if len(episode.frames) == episode.frames.maxlen:
                self._counts["frames_skipped"] += 1
            episode.frames.append((self._time.own(seen.time), seen.frame))
            self._wake.notify_all()

    def _settle(self, seen: np.ndarray) -> None:
        """The first reading says where the arm is."""
        limits = self.robot.limits
        position = np.clip(seen, limits.low, limits.high)
        beyond = [name for name, off in zip(limits.names, abs(seen - position), strict=True) if off > UNSURE]
        wrong = self.robot.check_pose(position)
        if beyond or not wrong.ok:
            self._fault = f"the arm stands outside its limits: {', '.join(beyond) or str(wrong).splitlines()[0]}"
            return
        self._fault = ""
        self._motion = Motion(self.robot, position, self._time.last)

    def _watch(self, now: float) -> None:
        """Stop when it is time to."""
        if self._motion is None:
            return
        own, episode = self._time.own(now), self._episode
        if self._stopping and own >= self._stop_again:
            self._try_to_stop(own)
        if episode.goal is None:
            return
        if episode.off_path > 1.0:
            self._fault = "the arm is not where it was told to be"
            self._stop(own, self._fault)
        elif self._fault and episode.off_path < 0.5 and not self._moving():
            self._fault = ""
        age = now - self._intake.newest_frame
        if age <= self.timing.max_frame_age:
            episode.stale = False
        elif np.isfinite(age) and not episode.stale:
            episode.stale = True
            self._counts["stale"] += 1
            self._stop(own, f"the newest frame is {age:.2f} s old")

    def _stop(self, own: float, why: str) -> None:
        """Smoothly to rest, whatever was planned; where that would break a limit, along the plan until it would not."""
        assert self._motion is not None
        self._epoch += 1
        self._episode.asked = None
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

    def _command(self, now: float) -> Command:
        if self._motion is None:
            status = Status.FAULT if self._fault else Status.WAITING
            return Command(now, None, None, None, status, reason=self._fault or self._intake.why or "no readings yet")
        own, count = self._time.own(now), len(self.robot.joints)
        state = self._motion.at(own)
        self._sent.note(now, state.position)
        status, reason = self._status(own)
        gripped = self.robot.axes > count
        return Command(
            now,
            state.position[:count],
            state.velocity[:count],
            state.acceleration[:count],
            status,
            float(state.position[-1]) if gripped else None,
            float(state.velocity[-1]) if gripped else None,
            self._motion.plan_id if status in MOVING else None,
            reason,
        )

    def _status(self, own: float) -> tuple[Status, str]:
        assert self._motion is not None
        episode = self._episode
        if own < self._motion.end:
            return (Status.STOPPING, self._stopping) if self._stopping else (Status.MOVING, "")
        self._stopping = ""
        if self._fault:
            return Status.FAULT, self._fault
        if episode.goal is None:
            return Status.IDLE, "no goal"
        if episode.stale:
            return Status.STALE, self._intake.why or "the newest frame is too old"
        if episode.refused:
            return Status.REFUSED, episode.refused
        if episode.planned:
            return Status.ENDED, "the last plan is used up"
        waiting = not np.isfinite(self._intake.newest_frame)
        return Status.PLANNING, (self._intake.why or "no frame has come yet") if waiting else ""

    # -- thinking ------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            with self._lock:
                while not self._closed and (self._motion is None or not self._episode.frames):
                    self._wake.wait()
                if self._closed:
                    return
            self.think()

    def _job(self) -> Job | None:
        """What there is to see and to plan."""
        with self._lock:
            episode = self._episode
            if self._motion is None or not episode.frames:
                return None
            frames = list(episode.frames)
            episode.frames.clear()
            begin, episode.begun = not episode.begun, True
            moment, period = frames[-1][0], self.body.period
            due = episode.asked is None or moment - episode.asked >= (self.timing.replan_every - 0.5) * period
            committed = None
            if due and not episode.stale and not self._fault:
                committed, episode.asked = self._motion.path, moment
            return Job(episode, self._epoch, begin, frames, moment + self._ahead * period, committed)

    def _wish(self, job: Job, committed: Trajectory) -> Wish:
        period, past, moment = self.body.period, self.mind.past_steps, job.frames[-1][0]
        steps = np.arange(-past, self._ahead + 1, dtype=np.float64)
        done = self.body.actions(committed.sample(moment + period * steps).position)
        last = job.episode.last_start
        elapsed = 0 if last is None else round((job.start - last) / period)
        return Wish(moment, done[past:], done[:past], elapsed, self.timing.deadline_ms)

    def _current(self, job: Job) -> bool:
        return job.episode is self._episode and job.epoch == self._epoch

    def _take_over(self, plan: "Plan", job: Job) -> None:
        """Turn a plan into a trajectory and commit to it, unless the world has moved on."""
        actions = np.asarray(plan.actions, dtype=np.float64)
        self._count("plans")
        if actions.ndim != 2 or actions.shape[1] != len(self.body.low) or not np.isfinite(actions).all():
            self._refuse(f"a plan of shape {actions.shape}, or with numbers that are not finite", job)
            return
        actions = np.clip(actions, self.body.low, self.body.high)
        lead = self.timing.lead if self.mode == "thread" else 0.0
        for _ in range(TRIES):
            with self._lock:
                if not self._current(job) or self._motion is None:
                    break
                committed = self._motion.path
                soonest = self._time.last + lead
                if self.mode == "thread":
                    soonest = max(soonest, self._time.own(self.clock()) + lead)
                takeover = max(soonest, job.start - self.body.period)
            path, report = self._drafts.draft(committed, actions, job.start, takeover)
            with self._lock:
                motion = self._motion
                if not self._current(job) or motion is None or motion.path is not committed:
                    break
                if path is None:
                    late = takeover >= job.start + (len(actions) - 1) * self.body.period
                    self.report = report
                    self._refuse("the plan came too late" if late else str(report).partition("\n")[0], job)
                    return
                if self._time.last > takeover:
                    lead *= 2.0  # the moment has passed meanwhile: again, from a later one
                    continue
                self._counts["plans_late"] += takeover > job.start + 1e-9
                self._counts["plans_cut"] += not report.of("workspace", "clearance").ok
                self._counts["plans_shaped"] += not report.ok
                self._plans += 1
                motion.replace(path, self._plans)
                self.plan, self.report = plan, report
                job.episode.planned, job.episode.refused = True, ""
                self._stopping = ""
                return
        self._count("plans_dropped")

    def _refuse(self, why: str, job: Job) -> None:
        with self._lock:
            self._counts["plans_refused"] += 1
            self._retry(job, why)

    def _failed(self, why: str, job: Job, begun: bool) -> None:
        with self._lock:
            self._counts["mind_failures"] += 1
            self._retry(job, why)
            job.episode.begun = begun

    def _retry(self, job: Job, why: str) -> None:
        """Plan again from the next frame."""
        if self._current(job):
            job.episode.refused, job.episode.asked = why, None

    def _count(self, name: str) -> None:
        with self._lock:
            self._counts[name] += 1
