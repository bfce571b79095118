"""The receding-horizon agent: see, plan, act, shift, plan again; several episodes at once."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from forearm.errors import InputError

if TYPE_CHECKING:
    import torch

    from forearm.planner.baselines import Baseline
    from forearm.planner.plan import Plan
    from forearm.planner.problem import Problem
    from forearm.planner.search.planner import Planner

Observation = dict[str, Any]


class PlanningModel(Protocol):
    """What a planner thinks with: a model of the world, and what it has been shown of B episodes so far.

    The latent world model is one (`forearm.agent.latent`), the simulator itself another (`forearm.agent.oracle`).
    """

    fingerprint: str | None

    def begin(self, goals: Sequence[np.ndarray]) -> None:
        """Forget everything; episode b is to end as goal frame `goals[b]` (H, W, 3) uint8 shows."""
        ...

    def observe(self, episode: int, observation: Observation, action: np.ndarray | None) -> None:
        """Show what `episode` looks like now, after `action` (A,) (None at its start)."""
        ...

    def problem(self, episodes: Sequence[int]) -> "Problem":
        """What a planner is asked for these episodes together, from what each has shown: dynamics, objective and state,
        the commands' bounds and period, and where a planner's `prior_share` of the candidates comes from (none leaves
        that to the planner).
        """
        ...


class Acting(Protocol):
    """What can be run: an `Agent`, `forearm.agent.scripted.ExpertAgent`, or a policy of your own."""

    def reset(self, goals: Sequence[np.ndarray], seeds: Sequence[int]) -> None:
        """Begin episodes with goal frames (H, W, 3) uint8 and one seed each."""
        ...

    def act(self, observations: Sequence[Observation | None]) -> "list[Act | None]":
        """The next action of each episode; None for one that has ended."""
        ...


@dataclass
class _Course:
    """How far one episode has come."""

    generator: "torch.Generator"
    plan: "Plan | None" = None
    executed: int = 0
    last_action: np.ndarray | None = None


@dataclass(frozen=True)
class Act:
    """What was decided in one control step of one episode; `fresh` says whether it was planned anew."""

    action: np.ndarray
    plan: "Plan | None"
    fresh: bool


@dataclass
class Agent:
    """Plans every `replan_every` control steps from where each episode is, and acts on the plan in between.

    Args:
        planner: the search.
        planning_model: what it thinks with.
        replan_every: actions executed from each plan; must not exceed the planner's horizon.

    Raises ValueError for a `replan_every` outside [1, horizon].
    """

    planner: "Planner[Any, Any] | Baseline[Any]"
    planning_model: PlanningModel
    replan_every: int = 1
    _courses: list[_Course] = field(default_factory=list, repr=False)

    def __post_init__(self) -> None:
        """Check the settings."""
        horizon = self.planner.config.horizon
        if not 1 <= self.replan_every <= horizon:
            raise InputError(f"replan_every ({self.replan_every}) must lie between 1 and the horizon ({horizon})")

    def reset(self, goals: Sequence[np.ndarray], seeds: Sequence[int]) -> None:
        """Begin `len(goals)` episodes with goal frames (H, W, 3) uint8, each with its own random stream."""
        if len(goals) != len(seeds):
            raise InputError(f"{len(goals)} goals but {len(seeds)} seeds")
        import torch

        self._courses = [_Course(torch.Generator().manual_seed(seed)) for seed in seeds]
        self.planning_model.begin(goals)

    def act(self, observations: Sequence[Observation | None]) -> list[Act | None]:
        """The next action of every episode that is still observed; None stands for one that has ended."""
        running = [b for b, observation in enumerate(observations) if observation is not None]
        due = []
        started = time.perf_counter()
        for b in running:
            observation, course = observations[b], self._courses[b]
            assert observation is not None
            self.planning_model.observe(b, observation, course.last_action)
            if course.plan is None or course.executed == self.replan_every:
                due.append(b)
        # All episodes start together and replan at the same pace, so those that are due have one age.
        if due:
            self._plan(due, 1e3 * (time.perf_counter() - started))
        acts: list[Act | None] = [None] * len(observations)
        for b in running:
            course = self._courses[b]
            assert course.plan is not None
            action = np.asarray(course.plan.actions[course.executed], np.float64)
            course.executed += 1
            course.last_action = action
            acts[b] = Act(action, course.plan, fresh=b in due)
        return acts

    def _plan(self, due: list[int], encode_ms: float) -> None:
        plans = self.planner.plan(
            self.planning_model.problem(due),
            [self._courses[b].generator for b in due],
            previous=[self._courses[b].plan for b in due],
            elapsed_steps=self.replan_every,
            encode_ms=encode_ms,
        )
        for b, plan in zip(due, plans, strict=True):
            self._courses[b].plan, self._courses[b].executed = plan, 0
