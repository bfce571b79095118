"""What acts on an episode with one of our planners or a peer's, and how much of the processor's time its plans take."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from forearm.agent.agent import Act, Acting, Agent, Observation
from forearm.agent.setup import PlanningSetup, planner_config, task_config
from forearm.planner import Plan, Problem
from forearm.planner.plan import command_times
from tools.bench.cases import latent_case
from tools.bench.peers import Peer

TASK = "push"


@dataclass(frozen=True)
class Contender:
    """A row: `make` an agent for an environment. `settings` say what it is, and tell whether it was measured before."""

    name: str
    settings: dict[str, Any]
    make: Callable[[Any], "Timed"]


class Timed:
    """An agent of one episode whose plans are timed: from the frame to the commands, in ms of this process's time."""

    def __init__(self, agent: Acting, apart: Callable[[], float] = lambda: 0.0) -> None:
        self._agent, self._apart = agent, apart
        self.plan_ms: list[float] = []

    def reset(self, goals: Sequence[np.ndarray], seeds: Sequence[int]) -> None:
        """Begin an episode."""
        self.plan_ms = []
        self._agent.reset(goals, seeds)

    def act(self, observations: Sequence[Observation | None]) -> list[Act | None]:
        """The next action; what is not the planner's own work, `apart`, does not count."""
        before, begun = self._apart(), time.process_time()
        acts = self._agent.act(observations)
        spent = time.process_time() - begun - (self._apart() - before)
        if acts[0] is not None and acts[0].fresh:
            self.plan_ms.append(1e3 * spent)
        return acts


def ours(name: str, label: str | None = None, **changes: Any) -> Contender:
    """A planner of configs/planner with its shipped settings and `changes`, of which `student` is the task's."""
    task = task_config(TASK) | {key: changes.pop(key) for key in ("student",) if key in changes}
    setup = PlanningSetup.resolve(task, planner_config(name) | changes, replan_every=None)
    settings = {"fingerprint": setup.fingerprint, **setup.planner_config}
    return Contender(label or name, settings, lambda env: Timed(setup.agent([env])))


def theirs(peer: Peer, samples: int, iterations: int, **settings: Any) -> Contender:
    """A peer's planner at that budget, on the model and the cost of ours, at our pace."""
    setup = PlanningSetup.resolve(TASK, "cem", replan_every=None)
    known = {"fingerprint": setup.fingerprint, "samples": samples, "iterations": iterations, **settings}

    def make(env: Any) -> Timed:
        here = setup.in_env(env)
        planner = PeerPlanner(peer, here, samples, iterations, settings)
        return Timed(Agent(planner, here.latent_model(), here.replan_every), lambda: planner.making_s)  # type: ignore[arg-type]

    return Contender(peer.name, known, make)


class PeerPlanner:
    """A peer's planner as an `Agent` has it: it begins with the rest of the plan before, as the peers' policies do."""

    def __init__(
        self, peer: Peer, setup: PlanningSetup, samples: int, iterations: int, settings: dict[str, Any]
    ) -> None:
        pace = setup.task["plan"]
        self.config = SimpleNamespace(horizon=int(pace["horizon"]))
        self._peer, self._model, self._repeat = peer, setup.model, int(pace["action_repeat"])
        self._budget, self._settings = (samples, iterations), settings
        self.making_s = 0.0
        """Seconds that went into making peers' objects, which theirs do once."""

    def plan(
        self, problem: Problem, generators: Sequence[torch.Generator], previous: Any = None, elapsed_steps: int = 1,
        encode_ms: float = 0.0,
    ) -> list[Plan]:  # fmt: skip
        """One plan, of one problem."""
        begun = time.process_time()
        variables = self.config.horizon // self._repeat
        case = latent_case(TASK, problem, self._model, variables, self._repeat)
        runner = self._peer.make(case, *self._budget, clip=not self._peer.bounded, **self._settings)
        runner.reset(int(torch.randint(2**31, (1,), generator=generators[0])))
        if previous is not None and previous[0] is not None:
            rest = torch.as_tensor(previous[0].actions[elapsed_steps :: self._repeat], dtype=torch.float32)
            runner.begin_with(torch.cat([rest, rest.new_zeros(variables - len(rest), case.dims)]))
        self.making_s += time.process_time() - begun
        found = case.clip(torch.as_tensor(runner.run())).repeat_interleave(self._repeat, dim=0)
        return [plan_of(found.double().cpu().numpy(), problem.control_period, self._budget[0] * self._budget[1])]


def plan_of(actions: np.ndarray, period: float, evaluations: int) -> Plan:
    """A plan of nothing but commands (H, A)."""
    return Plan(
        actions=actions, times=command_times(len(actions), period), mean=actions, cost=0.0,
        cost_per_iteration=[0.0], model_evals=evaluations, iterations=1, planner="peer",
        timings_ms={"encode": 0.0, "rollout": 0.0, "select": 0.0, "total": 0.0}, config={}, stopped="iterations",
    )  # fmt: skip
