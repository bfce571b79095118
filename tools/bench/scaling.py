"""How the time of a plan grows: samples, horizon, episodes planned together, threads."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from forearm.planner import Problem, captured
from tools.bench.budget import Budget
from tools.bench.cases import Case, mlp_case
from tools.bench.runners import at_budget, bare_loop
from tools.bench.timing import Bare, Runner, rounds, threads


def scaling(budget: Budget, name: str = "cem", device: torch.device | None = None) -> dict[str, Any]:
    """Times of a plan and of the bare loop by samples, by horizon and by episodes."""
    where = device or torch.device("cpu")
    wide = budget.rounds > 10
    sweeps: dict[str, tuple[Sequence[int], Callable[[int], tuple[int, int, int]]]] = {
        "samples": ((50, 100, 300, 1000, 3000) if wide else (100, 300), lambda n: (n, 5, 1)),
        "horizon": ((5, 10, 15, 30) if wide else (5, 15), lambda n: (300, n, 1)),
        "episodes": ((1, 2, 4, 8, 16) if wide else (1, 4), lambda n: (300, 5, n)),
    }
    rows = []
    for what, (values, shape) in sweeps.items():
        for value in values:
            samples, horizon, episodes = shape(value)
            for count in budget.threads if where.type == "cpu" else (1,):
                with threads(count):
                    taken = _times(budget, name, samples, horizon, episodes, where)
                times = {f"{key}_ms": 1e3 * seconds for key, seconds in taken.items()}
                each = {"per_episode_ms": times["plan_ms"] / episodes}
                rows.append({"what": what, "value": value, "threads": count, **times, **each})
    return {"planner": name, "device": where.type, "iterations": budget.peer_iterations, "rows": rows}


def _times(
    budget: Budget, name: str, samples: int, horizon: int, episodes: int, device: torch.device
) -> dict[str, float]:
    case = mlp_case(0, horizon, device=device)
    several = together([mlp_case(index, horizon, device=device) for index in range(episodes)])
    planner = at_budget(name, case, samples, budget.peer_iterations)
    bare = bare_loop(case, samples, budget.peer_iterations)
    runners: dict[str, Runner] = {
        "plan": Several(planner, several),
        "bare": Bare(lambda: [bare() for _ in range(episodes)]),
    }
    if device.type == "cuda":
        runners["graph"] = Several(planner, captured(several))
    taken = rounds(runners, max(7, budget.rounds // 3), device=device)
    return {key: float(np.median(seconds)) for key, seconds in taken.items()}


class Several:
    """One of our planners on several problems at once."""

    def __init__(self, planner: object, problem: Problem) -> None:
        self.planner, self.problem = planner, problem
        self.generators = [torch.Generator(device=problem.low.device) for _ in range(problem.batch)]

    def reset(self, seed: int) -> None:
        """Start the random streams anew."""
        for index, generator in enumerate(self.generators):
            generator.manual_seed(seed + index)

    def run(self) -> object:
        """One plan for each problem."""
        return self.planner.plan(self.problem, self.generators)  # type: ignore[attr-defined]


def together(cases: Sequence[Case]) -> Problem:
    """Problems on the MLP latent as one problem of B."""
    from forearm.planner import LatentDistance

    first = cases[0].problem
    goals = [case.problem.objective.goal for case in cases]  # type: ignore[attr-defined]
    return replace(
        first,
        objective=LatentDistance(torch.cat(goals), "last"),
        state=torch.cat([case.problem.state for case in cases]),
        batch=len(cases),
    )
