"""What thinks for a controller: it sees timed frames and makes plans that begin at a given moment.

A frame shows the past, and a plan begins in the future: between the two lies what the arm is already committed to do.
A plan source is told of it and plans from where it will lead.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch

from forearm.control.trajectories.trajectory import Array
from forearm.errors import InputError

if TYPE_CHECKING:
    from forearm.agent.camera_check import Views
    from forearm.agent.loaded_model import LoadedModel
    from forearm.planner.plan import Plan

Observation = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class PlanRequest:
    """What a plan is asked for.

    time: s, when the newest frame was taken. committed: (n, A), the commands between that moment and the beginning of
    the plan. past: (m, A), the commands of the m periods before `time`, oldest first. elapsed_steps: periods from the
    beginning of the last plan to that of this one. deadline_ms: for the search, None for that of its config. spent_ms:
    what has already been used up of it.
    """

    time: float
    committed: Array
    past: Array
    elapsed_steps: int = 0
    deadline_ms: float | None = None
    spent_ms: float = 0.0


class PlanSource(Protocol):
    """Anything that can plan: the world model of this process, or one behind a socket.

    frame_shape: of the frames it takes. ahead_steps: a whole multiple of this many periods may lie between a frame and
    a plan. past_steps: how many past commands it wants to know. One that also has a `period`, in s from one command to
    the next, is refused by a controller whose body has another. One may have a `nearness()`, the distance of the newest
    frame from the goal as a share of the radius within which it is reached (None: not known), and a `latent`, (L,).
    """

    frame_shape: tuple[int, ...]
    ahead_steps: int
    past_steps: int

    def begin(self, goal: Any) -> None:
        """Forget everything; `goal` is to be reached."""
        ...

    def see(self, time: float, observation: Observation) -> None:
        """Take in a frame that was taken at `time` s; times rise."""
        ...

    def plan(self, request: PlanRequest) -> "Plan":
        """A plan that begins after the committed commands; raises RuntimeError before the first frame."""
        ...


class LocalPlanSource:
    """A loaded world model that plans in this process; from one thread at a time.

    Frames may come at any rate: the latents at the moments that the model wants are interpolated between them.

    Args:
        loaded_model: the world model.
        planner: a name in configs/planner, or such a config; None: that of the task.
        seed: of the search's random numbers; every `begin` starts them anew.
        views: what goals should look like; None: any goal of the right size is taken.
        radius: mean squared distance of latents under the task's metric, within which the goal is reached; None: it
            is not said how near it is.

    Attributes:
        latent: (L,) of the newest frame, None before the first.

    Raises ForearmError for a planner whose horizon is no multiple of the model's steps.
    """

    def __init__(
        self,
        loaded_model: "LoadedModel",
        planner: str | Mapping[str, Any] | None = None,
        seed: int = 0,
        views: "Views | None" = None,
        radius: float | None = None,
    ) -> None:
        from forearm.agent.guided import suited
        from forearm.agent.latent import check_horizon, fingerprint, imagination_for
        from forearm.agent.loaded_model import chosen_planner
        from forearm.evaluation.contenders import build_planner, fitted
        from forearm.world_model.runtime.latent_dynamics import LatentDynamics

        self.loaded_model, self.seed, self.views, self.radius = loaded_model, seed, views, radius
        self.latent: Array | None = None
        chosen = chosen_planner(planner, loaded_model.task)
        task = suited(loaded_model.task, chosen)
        self.config = fitted(chosen, task)
        self.planner = build_planner(self.config)
        loaded = (loaded_model.model, loaded_model.document)
        check_horizon(task, self.planner.config.horizon, loaded)
        model = loaded_model.model.config
        self.frame_shape: tuple[int, ...] = (model.resolution, model.resolution, 3)
        self.ahead_steps = model.frameskip
        self.past_steps = (model.history - 1) * model.frameskip
        self.period = float(loaded_model.document["control_period"])
        self._planning_model = imagination_for(task, loaded)
        self._dynamics = LatentDynamics(loaded_model.model)
        self._fingerprint = fingerprint(loaded_model.document)
        self._seen: deque[tuple[float, torch.Tensor]] = deque()
        self._begun = False
        self._previous: Plan | None = None
        self._generator = torch.Generator()

    def begin(self, goal: Any) -> None:
        """Encode the goal frame (R, R, 3) uint8, or the file of one.

        Raises ForearmError for another size, and for one of another camera or upside down where there are `views`; what
        was begun before then still holds.
        """
        frame = self.loaded_model.frame(goal, "goal")
        if self.views is not None:
            self.views.check(frame, "goal")
        self._planning_model.begin([frame])
        self._begun = True
        self._seen.clear()
        self._previous, self.latent = None, None
        self._generator = torch.Generator().manual_seed(self.seed)

    def see(self, time: float, observation: Observation) -> None:
        """Encode `pixels` (R, R, 3) uint8, with `proprio` where the model uses it. Frames not newer than the last one
        are ignored.
        """
        if self._seen and time <= self._seen[-1][0]:
            return
        model = self.loaded_model.model
        with torch.inference_mode():
            latent = model.encode(np.ascontiguousarray(observation["pixels"])[None])[0]
            self.latent = latent.double().numpy()
            if model.config.proprio_dim:
                latent = model.state(latent, torch.as_tensor(np.asarray(observation["proprio"]), dtype=torch.float32))
        self._seen.append((time, latent))
        oldest = time - (self.past_steps + 1) * self.period
        while len(self._seen) > 1 and self._seen[1][0] <= oldest:
            self._seen.popleft()

    def nearness(self) -> float | None:
        """How far the newest frame is from the goal, as a share of the radius; None where that is not known."""
        apart = self.distance()
        return None if apart is None or self.radius is None else apart / self.radius

    def distance(self) -> float | None:
        """Mean squared distance of the newest frame's latent from the goal's, under the task's metric; None before."""
        if self.latent is None:
            return None
        return self._planning_model.distance(0, torch.as_tensor(self.latent, dtype=torch.float32))

    def plan(self, request: PlanRequest) -> "Plan":
        """See `PlanSource`; raises RuntimeError before a goal and a frame."""
        from forearm.agent.latent import action_bounds
        from forearm.planner import Problem

        if not self._begun or not self._seen:
            raise RuntimeError("nothing to plan from: begin(goal) and see(time, observation) first")
        state = self._state(request)
        dims = self.loaded_model.model.config.action_dim
        low, high = (torch.as_tensor(b, dtype=torch.float32) for b in action_bounds(self.loaded_model.document, dims))
        taken = np.concatenate([self._at_rest(1), request.past, request.committed])
        problem = Problem(
            dynamics=self._dynamics,
            objective=self._planning_model.objective([0], [taken[-1]]),
            state=state,
            low=low,
            high=high,
            batch=1,
            control_period=self.period,
            proposals=self._planning_model.proposals([0]),
        )
        planner = self.planner if request.deadline_ms is None else self._hurried(request.deadline_ms)
        [plan] = planner.plan(
            problem,
            [self._generator],
            previous=[self._previous],
            elapsed_steps=max(0, request.elapsed_steps),
            encode_ms=request.spent_ms,
        )
        self._previous = plan
        return replace(plan, checkpoint=self._fingerprint, action_names=self.loaded_model.document.get("action_names"))

    def _hurried(self, deadline_ms: float) -> Any:
        from forearm.evaluation.contenders import build_planner

        return build_planner({**self.config, "deadline_ms": deadline_ms})

    def _at_rest(self, steps: int) -> Array:
        """(steps, A), what counts as commanded before anything was."""
        return np.tile(self.loaded_model.model.action_rest.double().cpu().numpy(), (steps, 1))

    @torch.inference_mode()
    def _state(self, request: PlanRequest) -> Any:
        """What the model starts from, moved on by the committed commands."""
        from forearm.world_model.runtime.latent_dynamics import LatentState

        model = self.loaded_model.model
        history, skip = model.config.history, model.config.frameskip
        if len(request.committed) % skip:
            raise InputError(f"{len(request.committed)} committed commands: this model wants a multiple of {skip}")
        moments = request.time - self.period * skip * np.arange(history - 1, -1, -1)
        states = torch.stack([self._latent(moment) for moment in moments])[None]
        past = self._at_rest(self.past_steps)
        if len(request.past):
            known = np.asarray(request.past)[-self.past_steps :]
            past[len(past) - len(known) :] = known
        actions = torch.as_tensor(past, dtype=torch.float32)[None]
        if len(request.committed):
            coming = torch.as_tensor(np.asarray(request.committed), dtype=torch.float32)[None]
            predicted = model.rollout(states, model.blocks(actions), model.blocks(coming))
            states = torch.cat([states, predicted], dim=1)[:, -history:]
            actions = torch.cat([actions, coming], dim=1)[:, -self.past_steps :] if self.past_steps else actions
        return LatentState(states, actions)

    def _latent(self, moment: float) -> torch.Tensor:
        """The latent at a moment: between two frames on the line between theirs, before the first like the first."""
        later = self._seen[0]
        if moment <= later[0]:
            return later[1]
        for earlier, later in zip(self._seen, list(self._seen)[1:], strict=False):
            if moment <= later[0]:
                share = (moment - earlier[0]) / (later[0] - earlier[0])
                return torch.lerp(earlier[1], later[1], share)
        return self._seen[-1][1]
