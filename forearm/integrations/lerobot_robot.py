"""A LeRobot `Robot` in a controller's loop: `get_observation`, `act`, `send_action`, at the rate of its config.

The library itself is not needed: whatever has these methods and `observation_features`, `action_features` will do.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from operator import is_
from typing import Any, Protocol

import numpy as np

from forearm.control.command import MOVING, Command, Status
from forearm.control.controller import Controller
from forearm.control.plan_source import fit_of
from forearm.control.trajectories.trajectory import Array
from forearm.errors import ForearmError, InputError, one_line
from forearm.world_model.data.incoming import short

logger = logging.getLogger(__name__)

LOST = 1.0
"""s without an answer of the arm after which the loop ends."""
LONGEST_STOP = 5.0
"""s that an arm may take to come to rest when the loop ends."""
ENDS = (Status.REACHED, Status.FAULT, Status.REFUSED)
"""With which `drive` ends before its time."""


class Robot(Protocol):
    """What is used of `lerobot.robots.Robot`, connected."""

    observation_features: Any
    action_features: Any

    def get_observation(self) -> Mapping[str, Any]:
        """Numbers by motor, such as `shoulder_pan.pos`, and frames (H, W, 3) uint8 by camera."""
        ...

    def send_action(self, action: dict[str, Any]) -> Any:
        """Positions that the motors shall go to, by motor."""
        ...


class LeRobotArm:
    """One arm that LeRobot speaks to, and the controller that says where it shall go.

    The adapter says in which units the motors count: those of `observation.state` in a recording of the same robot.
    A frame is new when it is another object than the last, as LeRobot's cameras have it.

    Args:
        robot: connected, and recorded from when the model was trained: its motors in the same order and units.
        controller: for that model; its clock is the loop's.
        sleep: takes s; `time.sleep`, or that of a simulated clock.

    Attributes:
        readings: what the numbers of `proprio` are called by the robot.
        moved: which of them each axis is, by the name of the axis.

    Raises `InputError` for a robot that lacks motors or cameras, or has another motor where an axis is read, and for an
    adapter of one's own without `proprio`.
    """

    def __init__(self, robot: Robot, controller: Controller, sleep: Callable[[float], None] = time.sleep) -> None:
        self.robot, self.controller, self._sleep = robot, controller, sleep
        seen = robot.observation_features
        self.readings = [str(key) for key, kind in seen.items() if not isinstance(kind, tuple)]
        has = [str(key) for key, kind in seen.items() if isinstance(kind, tuple) and kind[-1:] == (3,)]  # no depth
        self.cameras = [short(camera) for camera in fit_of(controller.source).cameras] or has
        if missing := [camera for camera in self.cameras if camera not in has]:
            shown = ", ".join(has) or "none"
            raise InputError(f"the model sees camera {', '.join(missing)}, but the robot's cameras are {shown}")
        self.moved = self._wired()
        self._shown: list[Any] = []
        self._heard = -np.inf
        self._lost = ""
        self._driven = threading.Lock()
        self._deaf: Command | None = None  # what to say of an arm that did not take its last command

    def _wired(self) -> dict[str, str]:
        axes, wanted = self.controller.robot.axis_names, getattr(self.controller.adapter, "proprio", None)
        if wanted is None:
            kind = type(self.controller.adapter).__name__
            raise InputError(f"adapter {kind} has no `proprio`: add it, (D,) positions to the readings that show them")
        still = np.asarray(wanted(np.zeros(len(axes))))
        if len(still) > len(self.readings):
            raise InputError(
                f"the arm has {len(self.readings)} readings ({', '.join(self.readings)}), but those of robot "
                f"'{self.controller.robot.name}' are {len(still)} numbers"
            )
        found = {}
        for axis, moved in zip(axes, np.eye(len(axes)), strict=True):
            [index, *_] = np.flatnonzero(np.asarray(wanted(moved)) != still)
            found[axis] = motor = self.readings[index]
            called = motor.removesuffix(".pos")
            if called != axis and called in axes:
                raise InputError(
                    f"axis '{axis}' is read at place {index}, where the arm has '{motor}': put `joints` or "
                    "`adapter.readings` of the robot's config in the arm's order"
                )
            if motor not in self.robot.action_features:
                raise InputError(f"the arm takes no '{motor}', which is axis '{axis}': does it name its motors so?")
        return found

    def observation(self) -> dict[str, Any]:
        """What the arm shows now, as a controller and a model take it; raises what LeRobot raises."""
        now = self.controller.clock()
        found = self.robot.get_observation()
        proprio = np.array([float(found[key]) for key in self.readings])
        return {"time": now, "proprio": proprio, "pixels": {camera: found[camera] for camera in self.cameras}}

    def action(self, position: Array) -> dict[str, float]:
        """The axes' positions (D,) as the arm takes them, by motor and in its units."""
        shown = dict(zip(self.readings, self.controller.adapter.proprio(position), strict=False))  # type: ignore[attr-defined]
        return {motor: float(shown[motor]) for motor in self.moved.values()}

    def beat(self) -> Command:
        """Read, act, send. What the arm does not answer is no observation: the controller then brings it to rest. So is
        what its driver fails with, and an answer that lacks a motor or a camera.

        An arm that took no command and then does not answer is waited for: to the controller, the loop has paused.

        Raises `ForearmError` where it has not answered for a second.
        """
        observation = self._answered(self.observation)
        if self._deaf is not None and observation is None:
            return self._deaf
        command = self.controller.act(self._new(observation))
        if command.positions is None:
            return command
        gripper = [] if command.gripper is None else [command.gripper]
        position = np.append(command.positions, gripper)
        sent = self._answered(lambda: (self.robot.send_action(self.action(position)),))
        why = f"the arm does not answer: {self._lost}"
        self._deaf = None if sent else replace(command, status=Status.STALE, plan_id=None, reason=why)
        return command

    def _new(self, observation: dict[str, Any] | None) -> dict[str, Any] | None:
        """An observation without frames that were there before."""
        if observation is None:
            return None
        frames = list(observation["pixels"].values())
        if len(frames) == len(self._shown) and all(map(is_, frames, self._shown)):
            return {key: value for key, value in observation.items() if key != "pixels"}
        self._shown = frames
        return observation

    def _answered(self, call: Callable[[], Any]) -> Any:
        now = self.controller.clock()
        try:
            found = call()
        except Exception as error:  # of a bus, a camera, or what its driver makes of that: the arm must come to rest
            usual = isinstance(error, OSError | RuntimeError)
            why = one_line(error) if usual else f"{type(error).__name__}: {one_line(error)}"
            if why != self._lost:
                self._lost = why
                logger.warning("the arm does not answer: %s", self._lost)
            if now - self._heard > LOST:
                raise ForearmError(f"the arm has not answered for {LOST:g} s: {self._lost}") from error
            return None
        self._heard = now
        return found

    def drive(self, goal: Any, seconds: float, told: Callable[[Command], None] = lambda command: None) -> Command:
        """Beat until the goal is reached or refused, there is a fault, or the time is over; the arm then comes to rest.

        So it does before Ctrl-C or another error goes on its way. A fault is cleared by the next `drive`.

        Args:
            goal: what the controller takes for one.
            seconds: of the controller's clock, at most.
            told: gets every command until then.

        Returns the last of these. Raises what `beat` and `told` raise, `InputError` for seconds that are no number, and
        `ForearmError` while another thread drives this arm.
        """
        if np.isnan(seconds):
            raise InputError(f"drive for how long? seconds is {seconds}")
        if not self._driven.acquire(blocking=False):
            raise ForearmError("the arm is being driven already: wait until that has ended, or controller.stop(…)")
        clock, due = self.controller.clock, self.controller.clock()
        self._heard, self._deaf, end = due, None, due + seconds
        try:
            self.controller.reset(goal, moved=True)
            while True:
                command = self.beat()
                told(command)
                if command.status in ENDS or clock() >= end:
                    return command
                due = self._paced(due)
        finally:
            try:
                self._rest()
            finally:
                self._driven.release()

    def _rest(self) -> None:
        """Beat until the arm is at rest, without a goal; a fault stays."""
        due = self.controller.clock()
        end = due + LONGEST_STOP
        command = self.beat()
        if command.status is not Status.FAULT:
            self.controller.reset(None)
        while (command.status in MOVING or self._deaf is not None) and self.controller.clock() < end:
            due = self._paced(due)
            command = self.beat()

    def _paced(self, due: float) -> float:
        """Wait for the next beat; returns when it is due."""
        period, now = 1.0 / self.controller.robot.rate, self.controller.clock()
        due = max(due + period, now - period)
        self._sleep(max(0.0, due - now))
        return due
