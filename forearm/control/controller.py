"""The loop that a robot's own loop can call: never late, never beyond a limit.

`act` only looks up where the arm shall be at the caller's time, on a trajectory that was checked to its end. Seeing and
planning happen elsewhere, in a background thread. What they make takes over when it is ready, from where the arm
will then be, and its commands keep the times for which they were planned: a slow planner costs the beginning of its
plan, it does not delay the rest.
"""

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from forearm.control.action_adapter import ActionAdapter
from forearm.control.attempt import Attempt, Frame, Sent
from forearm.control.command import MOVING, Command, Status
from forearm.control.committed_motion import Motion
from forearm.control.fault import Kind
from forearm.control.frame_gate import Gate
from forearm.control.observation_gate import Seen, drives_off
from forearm.control.pausable_clock import Pace, Tick
from forearm.control.plan_source import PlanSource
from forearm.control.robots.robot import Robot
from forearm.control.thinking import Mode, Thinking
from forearm.control.timing import Timing
from forearm.control.whereabouts import NOISE, STILL, Whereabouts

UNSURE = 0.02
"""rad or m by which a first reading may lie beyond a limit; it is taken to be at the limit."""
SETTLED = 0.3
"""s after a stop, beyond which servos have come to where they were told to be."""


class Controller(Thinking):
    """Brings a robot to what a goal shows, within its limits; see the module. Thread-safe.

    Args:
        source: what plans.
        robot: what moves, and its limits.
        adapter: what an action of the plan means for the robot's joints.
        timing: when what is done.
        mode: `thread` thinks in the background; `inline` thinks within `act`; `manual` leaves it to the caller, who
            calls `think()`.
        clock: s; what `act` takes for now when it is not told, and what a plan's take-over is timed by in `thread`
            mode. `now` must be of the same clock.
        steady: s; a clock that nobody sets, such as `time.monotonic`, where `clock` is one that may be set (of ROS, of
            the day). What is sent then goes by it. None: `clock` is such a clock, or time is simulated.
        gate: what frames must look like to be believed; None: any of the right shape.

    Raises ValueError for an unknown mode, `ForearmError` for a source that plans at another rate than the
    adapter's, and for an adapter whose commands are another arm's.

    Attributes:
        plan: the last plan that was followed, None before the first of a goal.
        report: what that plan's own curve would have broken, with times from its beginning.
    """

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
    ) -> None:
        self.steady = steady
        self._sent = Sent()
        self._new = True  # whether this is the first beat since a reset: whatever the clock did before it is forgiven
        self._kept: np.ndarray | None = None  # what a fault left the axes at that are not watched
        super().__init__(source, robot, adapter, timing=timing, mode=mode, clock=clock, gate=gate)
        wholesale = self.timing.max_off_path
        allowed = self.robot.following_error if wholesale is None else np.full(self.robot.axes, wholesale)
        self._whereabouts = Whereabouts(self.robot.limits, allowed)

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
        check_frames: bool = True,
        device: str = "cpu",
        **settings: Any,
    ) -> "Controller":
        """A controller with the checkpoint of a task of the built-in arm; `settings` are `mode`, `clock`,
        `steady` and `timing`.

        `checkpoint`: another than the task's own, by name or path, such as one of several tasks. `planner`: that of
        the task's config, if none is given.
        `check_goals`: refuse a goal that another of the task's cameras took, or that is upside down, as far as the
        simulator can be drawn here. `check_frames`: a fault where frames cannot show this arm, as far as the
        checkpoint's calibration tells (`NAME.calibration.json`), or stand still while it moves. `device`: where the
        world model is, `cpu`, `cuda`, `cuda:1` or `mps`.

        Raises what `forearm.load` raises, and `ForearmError` for an unknown robot or planner.
        """
        from forearm.agent.camera_check import views_for
        from forearm.agent.loaded_model import load
        from forearm.control.action_adapter import ToolActionAdapter
        from forearm.control.calibration import calibration_of
        from forearm.control.plan_source import LocalPlanSource
        from forearm.control.robots.robot import load_robot

        arm = load_robot(robot) if isinstance(robot, str) else robot
        loaded = load(task, device=device) if checkpoint is None else load(checkpoint, task=task, device=device)
        adapter = ToolActionAdapter(str(loaded.task["name"]))
        setup = loaded.setup(planner)
        views = views_for(loaded) if check_goals else None
        known = calibration_of(setup.task, setup.document)
        if check_frames:
            settings.setdefault("gate", Gate(arm, known.looks))
        return cls(LocalPlanSource(setup, seed, views, known.radius), arm, adapter, **settings)

    # -- what the caller does ------------------------------------------------------------------------------------

    def reset(self, goal: Any, *, moved: bool = False) -> None:
        """Begin anew with another goal (None: none), and clear a fault. An arm that moves comes to a stop first.

        Raises nothing: a goal that the source refuses shows as status `refused`, with the reason. After a fault, the
        arm is taken to be where the next reading says. What the clock does until the next beat is no fault.

        Args:
            goal: what the source takes for one.
            moved: somebody else has moved the arm meanwhile, and it stands still: it is where the next reading says,
                and until then nothing may be sent to it.
        """
        with self._lock:
            self._kept = None
            if moved or (self._fault and not self._moving()):
                if self._motion is not None and not moved:
                    self._kept = self._motion.at(self._time.last).position
                self._motion, self._stopping = None, ""
                self._forget_where()
            self._fault.clear()
            self._attempt, self._new = Attempt(goal), True
            self._epoch += 1
            self.plan = None
            self._observation_gate.reset()
            self._whereabouts.misled = False
            if self._moving():
                self._stop(self._time.last, "a new goal")
            self._wake.notify_all()

    def stop(self, why: str = "somebody asked for it") -> None:
        """A fault: come to rest within the limits and stay there until a reset. For a robot's own emergency stop."""
        with self._lock:
            self._latch(Kind.STOPPED, why)

    def act(self, observation: Any = None, now: float | None = None) -> Command:
        """What the arm shall do at `now` s (the clock's time if not given). Raises nothing, whatever the observation.

        Args:
            observation: what is new since the last call, or None: see `ObservationGate`.
            now: of the caller's clock. Where that goes back, stands still or stays away for long, it is a fault.
        """
        with self._lock:
            steady = None if self.steady is None else self.steady()
            self._keep_time(self._time.beat(self.clock() if now is None else float(now), steady))
            if self._time.now is None:
                return Command(0.0, None, None, None, Status.WAITING, reason="the clock has not said a number yet")
            now = self._time.now
            if drives_off(observation):
                self._latch(Kind.DRIVE, "the drives are off")
            seen = None if observation is None else self._observation_gate.take(observation, now)
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

    @property
    def counts(self) -> dict[str, int]:
        """What has happened so far, by name: frames taken in and refused by reason; plans made, late, shaped, cut,
        refused, dropped; beats missed, stops, failures of the source of plans.
        """
        with self._lock:
            return dict(self._counts + self._observation_gate.counts)

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

    def _forget_where(self) -> None:
        self._sent.forget()
        self._whereabouts.forget()
        self._unseen = False

    def _keep_time(self, tick: Tick) -> None:
        """What a beat's coming means for the arm."""
        if not tick.number:
            self._counts["no_number"] += 1
        elif tick.pace not in (Pace.ON_TIME, Pace.SAME):
            self._counts[tick.pace.value] += 1
        if tick.pace is Pace.SAME:
            return
        new, self._new = self._new, False
        at_stake = self._motion is not None and (self._moving_before(tick) or self._attempt.goal is not None)
        if tick.pace in (Pace.BACK, Pace.AHEAD):
            self._break_off()
            self._observation_gate.reset()
            which = "back" if tick.pace is Pace.BACK else "ahead"
            if at_stake and not new:
                self._latch(Kind.CLOCK, f"the clock went {which} by {tick.seconds:.4g} s")
            elif self._motion is not None:
                self._stop(self._time.last, f"the clock went {which}")
        elif tick.pace is Pace.LATE:
            why = f"no beat came for {tick.seconds:.4g} s"
            if self._motion is not None and self._moving_before(tick):
                self._rest(self._motion.at(self._time.last - self._time.max_gap).position)
                self._counts["stops"] += 1
                self._unseen, self._attempt.paused, self._attempt.begun = True, why, False
            self._break_off()
            if tick.jumped:
                self._observation_gate.reset()
            if at_stake and not new and (tick.jumped or tick.seconds > self.timing.max_pause):
                told = "and the clock jumped" if tick.jumped else "or the clock went ahead"
                self._latch(Kind.CLOCK, f"{why}, {told}")
        elif tick.pace is Pace.STANDING and self._moving():
            assert self._motion is not None
            if self.steady is None:  # nobody knows for how long the arm has stood
                self._rest(self._motion.at(self._time.last).position)
            self._latch(Kind.CLOCK, "the clock stands still, or says no number")

    def _moving_before(self, tick: Tick) -> bool:
        """Whether the arm was on its way at the last beat."""
        gone = self._time.max_gap if tick.pace is Pace.LATE else 0.0
        return self._motion is not None and self._time.last - gone < self._motion.end

    def _rest(self, position: np.ndarray) -> None:
        """At rest at `position` (D,) from now on, whatever was planned."""
        self._motion = Motion(self.robot, position, self._time.last)
        self._stopping, self._stop_again = "", np.inf
        self._epoch += 1
        self._attempt.asked = None

    def _break_off(self) -> None:
        """What was sent and seen until now is of another time."""
        self._sent.forget()
        self._whereabouts.forget()
        self._attempt.frames.clear()
        self._attempt.stale = False
        self._epoch += 1
        self._attempt.asked = None

    def _believe(self, seen: Seen) -> None:
        """Take a reading, and a frame if there is one, for true."""
        attempt = self._attempt
        if not self._time.knows(seen.time):
            self._counts["frames_of_a_pause"] += seen.frame is not None  # what the arm did then was not on its path
            return
        own = self._time.own(seen.time)
        self._whereabouts.read(own, seen.position)
        if self._motion is None:
            self._settle(seen.position)
        elif self._unseen:
            self._begin_again()
        else:
            self._compare(seen.time)
        if seen.frame is None or attempt.goal is None:
            return
        if len(attempt.frames) == attempt.frames.maxlen:
            self._counts["frames_skipped"] += 1
        attempt.frames.append(Frame(own, seen.frame, seen.position))
        self._wake.notify_all()

    def _settle(self, seen: np.ndarray) -> None:
        """The first reading says where the arm is."""
        if self._fault:
            return
        limits = self.robot.limits
        if self._kept is not None:
            seen = np.where(self._whereabouts.watched, seen, self._kept)
        position = np.clip(seen, limits.low, limits.high)
        beyond = [name for name, off in zip(limits.names, abs(seen - position), strict=True) if off > UNSURE]
        wrong = self.robot.check_pose(position)
        if beyond or not wrong.ok:
            said = ", ".join(beyond) or str(wrong).splitlines()[0]
            self._latch(Kind.LIMITS, f"the arm stands outside its limits: {said}")
            return
        self._motion = Motion(self.robot, position, self._time.last)

    def _begin_again(self) -> None:
        """The first reading after a pause: the arm rests where it says, or is led there."""
        assert self._motion is not None
        self._unseen = False
        command = self._motion.at(self._time.last).position
        told = not self._sent.empty
        place = self._whereabouts.moved_from(command, STILL if told else NOISE)
        if place is None:
            return
        if why := self._whereabouts.beyond(UNSURE):
            self._latch(Kind.LIMITS, why)
        elif not self._fault and not (wrong := self.robot.check_pose(place)).ok:
            self._latch(Kind.LIMITS, f"the arm stands outside its limits: {str(wrong).splitlines()[0]}")
        if not (told and not self._fault and self._motion.lead(self._time.last, place)):
            self._rest(place)
            self._sent.forget()

    def _compare(self, time: float) -> None:
        """A reading made at `time` s of the caller's, with what was sent until then."""
        assert self._motion is not None
        own, where = self._time.last, self._whereabouts
        told = self._motion.at(own).position if self._fault else self._sent.at(time)
        if told is None:
            return
        if why := where.off(told):
            self._latch(Kind.FOLLOWING, why)
            place = where.moved_from(self._motion.at(own).position, STILL)
        elif why := where.beyond(UNSURE):
            self._latch(Kind.LIMITS, why)
            return
        elif self._fault and own >= self._motion.end + SETTLED:
            place = where.moved_from(told, STILL)
        else:
            return
        if place is not None:  # no motion is asked for of an arm that is not where it should be
            self._rest(place)

    def _watch(self, now: float) -> None:
        """Stop when it is time to."""
        if self._motion is None:
            return
        own, attempt = self._time.own(now), self._attempt
        if self._stopping and own >= self._stop_again:
            self._try_to_stop(own)
        if attempt.goal is None:
            return
        age = now - self._observation_gate.newest_frame
        if age <= self.timing.max_frame_age:
            attempt.stale = False
        elif np.isfinite(age) and not attempt.stale:
            attempt.stale = True
            self._counts["stale"] += 1
            self._stop(own, f"the newest frame is {age:.2f} s old")

    def _command(self, now: float) -> Command:
        if self._motion is None:
            status = Status.FAULT if self._fault else Status.WAITING
            why = self._fault.why or self._observation_gate.why or "no readings yet"
            return Command(now, None, None, None, status, reason=why)
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
        attempt = self._attempt
        if own < self._motion.end:
            why = self._fault.why or self._stopping
            return (Status.STOPPING, why) if why else (Status.MOVING, "")
        self._stopping = ""
        if self._fault:
            return Status.FAULT, self._fault.why
        if attempt.goal is None:
            return Status.IDLE, "no goal"
        if self._unseen:
            return Status.STALE, f"{attempt.paused}, and no reading since"
        if attempt.stale:
            return Status.STALE, self._observation_gate.why or "the newest frame is too old"
        if attempt.doubt:
            return Status.STALE, attempt.doubt
        if attempt.arrival.here:
            if attempt.arrival.sure:
                return Status.REACHED, "the goal is reached"
            return Status.PLANNING, "the goal is near: one more look at it from rest"
        if attempt.refused:
            return Status.REFUSED, attempt.refused
        if attempt.paused:
            return Status.PLANNING, f"{attempt.paused}: the arm begins again from rest"
        if attempt.planned:
            return Status.ENDED, "the last plan is used up"
        waiting = not np.isfinite(self._observation_gate.newest_frame)
        return Status.PLANNING, (self._observation_gate.why or "no frame has come yet") if waiting else ""
