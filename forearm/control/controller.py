"""The loop that a robot's own loop can call: never late, never beyond a limit.

`act` only looks up where the arm shall be at the caller's time, on a trajectory that was checked to its end. Seeing and
planning happen elsewhere, in a background thread. What they make takes over when it is ready, from where the arm
will then be, and its commands keep the times for which they were planned: a slow planner costs the beginning of its
plan, it does not delay the rest.
"""

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from forearm.control.action_adapter import ActionAdapter
from forearm.control.alert import OnSurprise
from forearm.control.attempt import Attempt
from forearm.control.command import MOVING, Command, Status
from forearm.control.committed_motion import Motion
from forearm.control.fault import Kind
from forearm.control.frame_gate import Gate
from forearm.control.observation_gate import drives_off
from forearm.control.pausable_clock import GUARD, told
from forearm.control.robots.actuators import ActuatorAdapter, Actuators, timing_of
from forearm.control.robots.robot import Robot, load_robot
from forearm.control.tracking import Tracking
from forearm.control.trajectories.trajectory import Array, State

if TYPE_CHECKING:
    from forearm.agent.setup import PlanningSetup
    from forearm.surprise.monitor import Surprise


class Controller(Tracking):
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
            the day). What is sent then goes by it. None: `clock` is such a clock, or time is simulated. Beside the
            default clock, in `thread` mode, a `now` that jumps by more than 0.25 s is told all the same.
        gate: what frames must look like to be believed; None: any of the right shape.
        live: show camera, imagination, candidates, costs and statuses on a page, see `forearm.live.page.LivePage`: one
            of those, or True for one of its own at the usual port, which it logs.
        monitor: says when the world surprises the model that plans, see `forearm.Monitor`; None: nobody asks.
        on_surprise: what to do then: `slow`, `stop`, `replan` or `ignore`, see `forearm.control.alert.Alert`.

    Raises ValueError for an unknown mode or word, `ForearmError` for a word that needs a monitor where there is none,
    for a source that plans at another rate than the adapter's, and for an adapter whose commands are another arm's.

    Attributes:
        plan: the last plan that was followed, None before the first of a goal.
        report: what that plan's own curve would have broken, with times from its beginning.
    """

    @classmethod
    def load(
        cls,
        task: str = "reach",
        *,
        checkpoint: str | None = None,
        planner: str | Mapping[str, Any] | None = None,
        robot: "str | Robot | None" = None,
        adapter: "ActionAdapter | Mapping[str, Any] | None" = None,
        seed: int = 0,
        check_goals: bool = True,
        check_frames: bool = True,
        on_surprise: OnSurprise | None = None,
        surprise_rate: float = 6.0,
        device: str = "cpu",
        **settings: Any,
    ) -> "Controller":
        """A controller with the checkpoint of a task, or of a robot of one's own by its path; `settings` are `mode`,
        `clock`, `steady`, `timing` and `live`.

        `checkpoint`: another than the task's own, by name or path, such as one of several tasks. `planner`: that of the
        task's config, if none is given. `robot`: by the name of its config; None: the panda, or for a model of sensors
        the actuators that its commands are for, see `Actuators`, where no adapter is chosen and the task is none of the
        built-in arm. `adapter`: what commands mean for its joints, as an object or as settings; None: as the configs of
        task and robot say, and else the built-in arm's. `check_goals`: refuse a goal that another of the task's cameras
        took, or that is upside down, as far as the simulator can be drawn here. `check_frames`: a fault where frames
        cannot show this arm, as far as the checkpoint's calibration tells (`NAME.calibration.json`), or stand still
        while it moves. `device`: where the world model is, `cpu`, `cuda`, `cuda:1` or `mps`.
        `on_surprise`: watch with what `forearm calibrate` measured, at `surprise_rate` false alarms an hour, and do
        this on an alarm; None: nobody watches.

        Raises what `forearm.load` raises, and `ForearmError` for an unknown robot or planner, an adapter that does not
        fit, or a missing calibration.
        """
        from forearm.agent.camera_check import views_for
        from forearm.agent.loaded_model import load
        from forearm.control.adapters.choice import chosen_adapter
        from forearm.control.calibration import Calibration, calibration_of
        from forearm.control.plan_source import LocalPlanSource
        from forearm.surprise.calibration import surprise_calibration_of
        from forearm.surprise.monitor import Monitor
        from forearm.world_model.data.incoming import FrameFit, short

        named = load_robot(robot) if isinstance(robot, str) else robot
        loaded = load(task, device=device) if checkpoint is None else load(checkpoint, task=task, device=device)
        setup = loaded.setup(planner)
        arm = _machine(setup, adapter) if named is None else named
        chosen: ActionAdapter
        assert setup.actions is not None
        if isinstance(arm, Actuators) and adapter is None:
            chosen = ActuatorAdapter(arm, setup.actions.period)
            settings.setdefault("timing", timing_of(setup.actions.period))
        elif adapter is None or isinstance(adapter, Mapping):
            said = loaded.task if adapter is None else {**loaded.task, "adapter": adapter}
            chosen = chosen_adapter(arm, said, setup.actions, setup.document.get("action_names"))
        else:
            chosen = adapter
        pictured = not setup.of_sensors
        views = views_for(loaded) if check_goals and pictured else None
        known = calibration_of(setup.task, setup.document) if pictured else Calibration()
        if check_frames and pictured:
            cameras = map(short, setup.fit.cameras) if isinstance(setup.fit, FrameFit) else ()
            settings.setdefault("gate", Gate(arm, known.looks, [*cameras]))
        if on_surprise is not None:
            settings["monitor"] = Monitor(loaded, surprise_calibration_of(setup.task, setup.document), surprise_rate)
            settings["on_surprise"] = on_surprise
        return cls(LocalPlanSource(setup, seed, views, known.radius), arm, chosen, **settings)

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
                if self._motion is not None:
                    self._left = self._motion.at(self._time.last).position
                    self._kept = None if moved else self._left
                self._motion, self._stopping = None, ""
                self._forget_where()
            self._fault.clear()
            self._attempt, self._new = Attempt(goal), True
            if self._closed and self.mode == "thread" and goal is not None:
                self._attempt.refused = "the controller is closed, and plans no more: make another"
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
            self._latch(Kind.STOPPED, str(why or "somebody asked for it"))

    def act(self, observation: Any = None, now: float | None = None) -> Command:
        """What the arm shall do at `now` s (the clock's time if not given). Raises nothing, whatever it is given.

        Args:
            observation: what is new since the last call, or None: see `ObservationGate`.
            now: of the caller's clock. Where that goes back, stands still or stays away for long, it is a fault.
        """
        with self._lock:
            second, room = (self._guard, GUARD) if self.steady is None else (self.steady, 0.0)
            steady = None if second is None else told(second)
            self._keep_time(self._time.beat(told(self.clock if now is None else now), steady, room))
            if self._time.now is None:
                return Command(0.0, None, None, None, Status.WAITING, reason="the clock has not said a number yet")
            now = self._time.now
            if drives_off(observation):
                self._latch(Kind.DRIVE, "the drives are off")
            seen = None if observation is None else self._observation_gate.take(observation, now)
            if seen is not None:
                self._believe(seen)
            self._watch(now)
            command = self._command(now) if self.mode != "inline" else None
        if command is None:
            self.think()
            with self._lock:
                command = self._command(now)
        if self._live is not None:
            self._live.status(command)
        return command

    def preview(self, seconds: np.ndarray) -> np.ndarray:
        """Positions (N, D) of the axes `seconds` (N,) after the last call of `act`, if nothing new comes up until then.

        Raises RuntimeError where it is not known where the arm is.
        """
        with self._lock:
            return self._known_motion().path.sample(self._time.last + np.asarray(seconds, np.float64)).position

    def way_to_rest(self, spacing: float) -> tuple[Array, State]:
        """How the arm goes on after the last call of `act` if nothing new comes up, until it rests.

        Returns moments (N,) s after that call, `spacing` s apart at most, and the axes' states there. It is all that a
        robot needs that is to come to rest when nobody speaks to it any more.

        Raises RuntimeError where it is not known where the arm is.
        """
        with self._lock:
            motion = self._known_motion()
            left = max(motion.end - self._time.last, spacing)
            moments = np.linspace(0.0, left, max(2, int(np.ceil(left / spacing)) + 1))
            return moments, motion.path.sample(self._time.last + moments)

    @property
    def counts(self) -> dict[str, int]:
        """What has happened so far, by name: frames taken in and refused by reason; plans made, late, shaped, cut,
        refused, dropped; beats missed, stops, failures of the source of plans.
        """
        with self._lock:
            return dict(self._counts + self._observation_gate.counts)

    @property
    def surprise(self) -> "Surprise | None":
        """What the monitor said of the newest frame that it looked at; None before, and where nobody watches."""
        return None if self.alert is None else self.alert.newest

    def close(self) -> None:
        """End the background thread. The arm should be at rest."""
        with self._lock:
            self._closed = True
            self._wake.notify_all()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout=10.0)
        if self._live is not None:
            self._live.close()

    def __enter__(self) -> "Controller":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _known_motion(self) -> Motion:
        if self._motion is None:
            raise RuntimeError("it is not known where the arm is: call act with an observation first")
        return self._motion

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
            None if self.steady is None else self._time.steady,
        )

    def _slow(self) -> str:
        if not self._time.slow:
            return ""
        most = self.timing.max_gap
        return f"the loop is slow: beats come more than timing.max_gap, {most:g} s, apart, and each time the arm stops"

    def _status(self, own: float) -> tuple[Status, str]:
        assert self._motion is not None
        attempt = self._attempt
        if own < self._motion.end:
            why = self._fault.why or self._stopping
            said = self._slow() or ("" if self.alert is None else self.alert.told)
            return (Status.STOPPING, why) if why else (Status.MOVING, said)
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
            return Status.PLANNING, self._slow() or f"{attempt.paused}: the arm begins again from rest"
        if attempt.planned:
            return Status.ENDED, "the last plan is used up"
        waiting = not np.isfinite(self._observation_gate.newest_frame)
        return Status.PLANNING, (self._observation_gate.why or "no frame has come yet") if waiting else ""


def _machine(setup: "PlanningSetup", adapter: Any) -> Robot:
    """What moves where nobody says: the panda, or the actuators that the commands of a model of sensors are for."""
    from forearm import envs

    told = adapter is not None or setup.task.get("adapter") or str(setup.task["name"]) in envs.TASKS
    if not setup.of_sensors or told:
        return load_robot()
    assert setup.actions is not None
    spec, names = setup.actions, setup.document.get("action_names")
    return Actuators(names or [f"u{i}" for i in range(len(spec.low))], spec.low, spec.high, spec.period)
