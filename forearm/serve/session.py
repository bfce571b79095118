"""One client's side of the server: its goal, what it has shown, and the plan from which its next search starts."""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from forearm.agent.haste import Haste
from forearm.control.plan_source import LocalPlanSource, PlanRequest
from forearm.errors import ForearmError, InputError
from forearm.serve.goals import Goals
from forearm.serve.request import PROTOCOL, Request, RequestError

if TYPE_CHECKING:
    from forearm.agent.camera_check import Views
    from forearm.agent.setup import PlanningSetup
    from forearm.surprise.monitor import Monitor, Surprise


class Session:
    """Answers the requests of one client, one after the other; from one thread at a time.

    Args:
        setup: what plans, shared by all sessions.
        goals: by name.
        execute: commands of a chunk that a client is taken to have carried out by its next request, unless it says.
        seed: of the search's random numbers.
        views: what goals should look like; None: any goal of the right size is taken.
        monitor: says how surprising frames are; None: nobody watches.

    Attributes:
        alarms: how many have begun.
    """

    def __init__(
        self,
        setup: "PlanningSetup",
        goals: Goals,
        execute: int,
        seed: int = 0,
        views: "Views | None" = None,
        monitor: "Monitor | None" = None,
    ) -> None:
        self.source = LocalPlanSource(setup, seed, views)
        self.goals, self.execute, self._haste = goals, execute, Haste(self.source.period)
        self.monitor, self.alarms, self._alarm = monitor, 0, False
        self._goal: np.ndarray | None = None
        self._time = 0.0
        self._own_clock = True
        self._actions: np.ndarray | None = None

    def answer(self, request: Request, spent_ms: float) -> dict[str, Any]:
        """The reply to a request, on which `spent_ms` have been spent before; raises RequestError."""
        begun = time.perf_counter()
        goal = self.goals[request.goal] if isinstance(request.goal, str) else request.goal
        try:
            goal = None if goal is None else self.source.setup.goal_frame(goal)
            seen = None if request.pixels is None else self.source.fit(request.pixels)
            earlier = [(moment, self.source.fit(pixels), proprio) for moment, pixels, proprio in request.earlier]
        except ForearmError as error:
            raise RequestError(str(error)) from None
        other = goal is not None and (self._goal is None or not np.array_equal(goal, self._goal, equal_nan=True))
        wanted = self._goal if goal is None else goal
        if request.reset or other:
            if wanted is not None:
                try:
                    self.source.begin(wanted)
                except ForearmError as error:
                    raise RequestError(str(error)) from None
            self._actions, self._time, self._alarm = None, 0.0, False
            if self.monitor is not None:
                self.monitor.begin()
        self._goal = wanted
        if request.pixels is None:
            return {"reset": True, "protocol": PROTOCOL}
        if self._goal is None:
            what = "as readings" if self.source.setup.of_sensors else "as an image or by name"
            raise RequestError(f"no goal: give one with the first frame, {what}")
        plan_request = self._request(request)
        surprise, of_sensors = None, self.source.setup.of_sensors
        for moment, pixels, proprio in (*earlier, (plan_request.time, seen, request.proprio)):
            observation = {"proprio": pixels} if of_sensors else {"pixels": pixels, "proprio": proprio}
            self.source.see(moment, observation)
            if self.monitor is not None:
                surprise = self._watched(self.monitor, moment, observation, plan_request)
        encode_ms = 1e3 * (time.perf_counter() - begun)
        try:
            plan = self.source.plan(PlanRequest(**{**vars(plan_request), "spent_ms": spent_ms + encode_ms}))
        except ForearmError as error:
            raise RequestError(str(error)) from None
        self._actions = plan.actions
        self._haste.note(plan)
        reply = {
            "actions": plan.actions.astype(np.float32),
            "policy_timing": {
                "infer_ms": 1e3 * (time.perf_counter() - begun),
                "encode_ms": encode_ms,
                "rollout_ms": float(plan.timings_ms.get("rollout", 0.0)),
                "select_ms": float(plan.timings_ms.get("select", 0.0)),
            },
            "protocol": PROTOCOL,
        }
        if surprise is not None:
            reply["surprise"] = surprise.to_dict()
        if request.want_plan:
            reply["plan"] = plan.to_dict()
        return reply

    def _watched(
        self, monitor: "Monitor", moment: float, observation: Mapping[str, Any], plan_request: PlanRequest
    ) -> "Surprise":
        """What the monitor says of a frame of `moment` s, which the source has just encoded; raises RequestError.

        Between two frames lies a command of the past, where it is known; else the monitor begins anew.
        """
        past = plan_request.past
        ago = len(past) - 1 - round((plan_request.time - moment) / self.source.period)
        try:
            said = monitor.see(observation, past[ago] if ago >= 0 else None, time=moment, latent=self.source.latent)
        except InputError as error:
            raise RequestError(str(error)) from None
        self.alarms += said.alarm and not self._alarm
        self._alarm = said.alarm
        return said

    def _request(self, request: Request) -> PlanRequest:
        """Fills in what the client did not say: when this is, and what was done since its last request."""
        period = self.source.period
        # What is refused here is refused before anything is remembered.
        ahead, steps = 0 if request.committed is None else len(request.committed), self.source.ahead_steps
        if ahead % steps:
            raise RequestError(f"committed has {ahead} commands: this model wants a multiple of {steps}")
        first = self._actions is None
        elapsed = request.elapsed_steps
        if first:
            self._own_clock = request.time is None
        elif (request.time is None) != self._own_clock:
            raise RequestError("time: give it with every request or with none")
        if request.time is not None:
            if not first and request.time <= self._time:
                raise RequestError(f"time {request.time:g} is not after that of the last frame, {self._time:g}")
            if elapsed is None:
                elapsed = 0 if first else round((request.time - self._time) / period)
            self._time = request.time
        else:
            elapsed = 0 if first else self._carried_out(request) if elapsed is None else elapsed
            if not first and elapsed == 0:
                raise RequestError("elapsed_steps must be at least 1 where no time is given")
            self._time += elapsed * period
        dims = self.source.setup.model.config.action_dim
        past = request.past
        if past is None:
            past = np.zeros((0, dims)) if self._actions is None else self._actions[:elapsed]
        committed = np.zeros((0, dims)) if request.committed is None else request.committed
        return PlanRequest(self._time, committed, past, elapsed, request.deadline_ms)

    def _carried_out(self, request: Request) -> int:
        """How many commands of the last plan a client has carried out that does not say so."""
        absolute = self.source.setup.model.absolute
        if absolute is None or self._actions is None:
            return self.execute
        return absolute.carried_out(self._actions, absolute.reading(request.proprio), self.execute)
