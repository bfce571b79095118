"""What thinks for a controller: it sees timed frames and makes plans that begin at a given moment.

A frame shows the past, and a plan begins in the future: between the two lies what the arm is already committed to do.
A plan source is told of it and plans from where it will lead.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import torch

from forearm.agent.candidates import Candidates, telling
from forearm.agent.imagination import Imagination, Imagined
from forearm.agent.sensor_fit import SensorFit
from forearm.control.narrowing import NEAR, narrowed, share_of
from forearm.control.trajectories.trajectory import Array
from forearm.world_model.data.incoming import FrameFit

if TYPE_CHECKING:
    from forearm.agent.camera_check import Views
    from forearm.agent.setup import PlanningSetup
    from forearm.planner.plan import Plan
    from forearm.world_model.runtime.latent_dynamics import LatentState

Observation = Mapping[str, Any]

LEADS = 6
"""Latent steps ahead, up to which it is known what predictions lately missed; beyond that, they miss as much."""


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
    One with a `fit`, a `FrameFit`, says what makes frames of any size those that it takes.
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


def fit_of(source: PlanSource) -> FrameFit | SensorFit:
    """What makes frames of any size those that a source takes, or readings those of a model of sensors."""
    found = getattr(source, "fit", None)
    if isinstance(found, FrameFit | SensorFit):
        return found
    return FrameFit((source.frame_shape[0], source.frame_shape[1]))


class LocalPlanSource:
    """A world model that plans in this process; from one thread at a time. One of sensors sees readings, and no frames.

    Frames may come at any rate: the latents at the moments that the model wants are interpolated between them.

    Args:
        setup: what plans; of learned dynamics.
        seed: of the search's random numbers; every `begin` starts them anew.
        views: what goals should look like; None: any goal of the right size is taken.
        radius: mean squared distance of latents under the task's metric, within which the goal is reached; None: it
            is not said how near it is. Near it, searches look less far around the previous plan, and what predictions
            lately missed is added to them.

    Attributes:
        latent: (L,) of the newest frame, None before the first.
        goal: the goal frame, None before the first.
        listen: whether `tried` is to hold what was tried for the last plan.
    """

    def __init__(
        self, setup: "PlanningSetup", seed: int = 0, views: "Views | None" = None, radius: float | None = None
    ) -> None:
        from forearm.world_model.runtime.disturbance import OutputDisturbance
        from forearm.world_model.runtime.tracker import LatentTracker

        self.setup, self.seed, self.views, self.radius = setup, seed, views, radius
        self.fit = setup.fit
        model = setup.model.config
        self.frame_shape: tuple[int, ...] = (model.resolution, model.resolution, 3)
        self.ahead_steps = model.frameskip
        leads = 0 if radius is None else LEADS
        self.past_steps = past_steps(setup) + leads * model.frameskip
        self._planning_model = setup.latent_model()
        self.period = self._planning_model.actions.period
        self._planners: dict[float, Any] = {1.0: setup.planner()}
        self._tracker = LatentTracker(setup.model, self.period, leads)
        self._disturbance = OutputDisturbance()
        self._begun, self._farthest = False, 0.0
        self._previous: Plan | None = None
        self._rest: Array | None = None
        self._generator = torch.Generator()
        self.listen, self.tried = False, Candidates()
        self.goal: Array | None = None
        self._ahead: tuple[LatentState, Array] | None = None

    def begin(self, goal: Any) -> None:
        """Encode the goal frame (H, W, 3) uint8 of any size, the file of one, or places in m, which are drawn; of a
        model of sensors, the readings that are wanted.

        Raises ForearmError for what is no frame, and for one of another camera or upside down where there are `views`;
        what was begun before then still holds.
        """
        frame = self.setup.goal_frame(goal)
        if self.views is not None:
            self.views.check(frame, "goal")
        self._planning_model.begin([frame])
        self._begun, self.goal = True, frame
        self._tracker.forget()
        self._previous = self._rest = None
        self._farthest = 0.0
        self._disturbance.forget()
        self._generator = torch.Generator().manual_seed(self.seed)

    def see(self, time: float, observation: Observation) -> None:
        """Encode `pixels` (H, W, 3) uint8 of any size, with `proprio` where the model uses it; of a model of sensors,
        `proprio` alone. Frames not newer than the last one are ignored.
        """
        if isinstance(self.fit, SensorFit):
            self._tracker.see(time, None, self.fit(observation["proprio"]))
        else:
            self._tracker.see(time, self.fit(observation["pixels"]), observation.get("proprio"))
        if self._rest is None:
            self._rest = self._planning_model.rest(observation)

    @property
    def latent(self) -> Array | None:
        """(L,) of the newest frame, None before the first."""
        newest = self._tracker.newest
        return None if newest is None else newest[: self.setup.model.config.latent_dim].cpu().double().numpy()

    def nearness(self) -> float | None:
        """How far the newest frame is from the goal, as a share of the radius; None where that is not known."""
        apart = self.distance()
        return None if apart is None or self.radius is None else apart / self.radius

    def distance(self) -> float | None:
        """Mean squared distance of the newest frame's latent from the goal's, under the task's metric; None before."""
        latent = self.latent
        return (
            None if latent is None else self._planning_model.distance(0, torch.as_tensor(latent, dtype=torch.float32))
        )

    def plan(self, request: PlanRequest) -> "Plan":
        """See `PlanSource`; raises RuntimeError before a goal and a frame."""
        from forearm.agent.latent import Belief

        if not self._begun or self._tracker.newest is None:
            raise RuntimeError("nothing to plan from: begin(goal) and see(time, observation) first")
        rest = self._rest if self._rest is not None else self.setup.model.action_rest.double().cpu().numpy()
        state = self._tracker.state_at(request.time, request.past, request.committed, self._rest)
        [*_, last_action] = [rest, *request.past, *request.committed]
        if state.begin is not None:  # commands are positions, and the model takes their differences
            [*_, last_action] = [rest, *state.actions[0].double().cpu().numpy()]
        nearness = self.nearness()
        missed = self._missed(request, nearness)
        problem = self._planning_model.problem([0], [Belief(state, last_action)], None if missed is None else [missed])
        if self.listen:
            self.tried = Candidates()
            problem = telling(problem, [self.tried])
        [plan] = self._planner(request.deadline_ms, nearness).plan(
            problem,
            [self._generator],
            previous=[self._previous],
            elapsed_steps=max(0, request.elapsed_steps),
            encode_ms=request.spent_ms,
        )
        self._previous, self._ahead = plan, (state, plan.actions)
        return self.setup.signed(plan)

    def _missed(self, request: PlanRequest, nearness: float | None) -> "torch.Tensor | None":
        """What predictions lately missed, (K, S) of the steps after those that are committed; None far from the goal,
        or where nothing is known of it.
        """
        newest = self._tracker.newest
        if newest is None or nearness is None or not nearness < NEAR[1]:
            self._disturbance.forget()
            return None
        foretold = self._tracker.foretold(request.time, request.past, self._rest)
        if foretold is not None:
            self._disturbance.see(newest, foretold)
        return self._disturbance.after(len(request.committed) // self.setup.model.config.frameskip)

    def _planner(self, deadline_ms: float | None, nearness: float | None) -> Any:
        """What searches as widely as the newest frame asks for, and in time."""
        whole, share = self._planners[1.0], 1.0
        if nearness is not None:
            self._farthest = max(self._farthest, nearness)
            share = share_of(nearness, self._farthest)
        changes = narrowed(whole.config, share)
        if deadline_ms is not None:
            return self.setup.planner(deadline_ms=deadline_ms, **changes)
        if share not in self._planners:
            self._planners[share] = self.setup.planner(**changes) if changes else whole
        return self._planners[share]

    def imagined(self) -> Imagined | None:
        """What the last plan is expected to lead to, drawn; None before there is one, and where it cannot be drawn."""
        return None if self._ahead is None or self._imagination is None else self._imagination.ahead(*self._ahead)

    @cached_property
    def _imagination(self) -> Imagination | None:
        return self.setup.imagination()


def past_steps(setup: "PlanningSetup") -> int:
    """How many past commands a world model wants to know: of positions one more, from which the others are measured."""
    model = setup.model
    return (model.config.history - 1) * model.config.frameskip + (model.absolute is not None)
