"""Time to quality: how soon a plan of ours is as good as a peer's plan at its full budget."""

import logging
import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

import numpy as np

from forearm.planner import PLANNERS
from tools.bench.bootstrap import mean_ratio
from tools.bench.budget import Budget
from tools.bench.cases import Case, mlp_case, push_case
from tools.bench.peers import Peer, PeerRunner, available
from tools.bench.runners import Ours, at_budget, suited
from tools.bench.timing import Runner, rounds, threads

logger = logging.getLogger(__name__)

PATIENCE = 3  # times the peer's model evaluations, after which we say that the quality was not reached
MOST_ITERATIONS = 60
TRIED = (
    "cem",
    "icem",
    "mppi",
    "gradient",
    "gauss_newton",
)  # of ours; the others are slower in the overhead table or refine nothing
GRID: dict[str, tuple[Any, ...]] = {
    "samples": (128, 64, 33, 17, 9),
    "prior_share": (0.0, 0.5, 1.0),
    "halve_every": (None, 2, 3),
    "directions": (16, 32),
    "perturbation": (0.15, 0.05),
    "initial_std": (0.5, 1.0),
    "noise_beta": (2.0, 0.5),
    "min_std": (0.05, 0.01),
    "learning_rate": (0.2, 0.4),
    "beta1": (0.7, 0.5),
    "beta2": (0.95, 0.8),
    "final_rate": (0.1, 0.3),
}
"""What is tried for ours on the tuning problems, in this order; planners that lack a setting ignore it, and problems
without a learned prior leave out its share.
"""


@dataclass(frozen=True)
class Setting:
    """One of our planners with the settings that were quickest on the tuning problems."""

    name: str
    chosen: tuple[tuple[str, Any], ...]

    @classmethod
    def of(cls, name: str, chosen: dict[str, Any]) -> "Setting":
        """Those of the settings that the planner has."""
        known = {field.name for field in fields(PLANNERS[name][1])}
        return cls(name, tuple((key, value) for key, value in chosen.items() if key in known))

    @property
    def samples(self) -> int:
        """Candidates per iteration."""
        return int(dict(self.chosen).get("samples", GRID["samples"][0]))

    def cap(self, budget: Budget) -> int:
        """Iterations after which the search is given up."""
        return max(1, min(MOST_ITERATIONS, PATIENCE * budget.peer_samples * budget.peer_iterations // self.samples))

    def runner(self, case: Case, iterations: int) -> Ours:
        """The planner on a case."""
        others = {key: value for key, value in self.chosen if key != "samples"}
        return Ours(at_budget(self.name, case, self.samples, iterations, **others), case)


def time_to_quality(budget: Budget, push: bool = True) -> dict[str, Any]:
    """How soon each of our planners is as good as the best peer, on one set of problems after the other."""
    sets: dict[str, tuple[Callable[[int], Case], int]] = {}
    for horizon in budget.horizons:
        for smooth in budget.goals:
            label = f"MLP latent, horizon {horizon}, goals by {'smooth' if smooth else 'white'} commands"
            sets[label] = partial(mlp_case, variables=horizon, smooth=smooth), budget.problems
    if push:
        sets["push model, horizon 20"] = push_case, budget.push_problems
        sets["push model, horizon 20, ours with its learned prior"] = (
            partial(push_case, prior=True),
            budget.push_problems,
        )
    found = []
    for label, (make, problems) in sets.items():
        cases = [make(index) for index in range(problems)]
        tuning = [make(10_000 + index) for index in range(budget.tuning)]
        logger.info("time to quality: %s", label)
        found.append({"label": label, "problems": problems, **_compare(cases, tuning, budget)})
    return {
        "samples": budget.peer_samples, "iterations": budget.peer_iterations, "patience": PATIENCE,
        "most_iterations": MOST_ITERATIONS, "cases": found,
    }  # fmt: skip


def _compare(cases: Sequence[Case], tuning: Sequence[Case], budget: Budget) -> dict[str, Any]:
    """Our planners, the quickest first, against the best peer, and the peers with their settings and costs."""
    with threads(1):
        peers = {name: (peer, tuned(peer, tuning, budget)) for name, peer in available().items()}
        if not peers:
            return {"unsteady": [], "ours": [], "peers": []}
        typical = {name: np.mean([_log_cost(p, s, c, budget) for c in tuning]) for name, (p, s) in peers.items()}
        best = min(peers, key=lambda name: float(typical[name]))
        targets = {name: [_quality(p, s, c, budget) for c in cases] for name, (p, s) in peers.items()}
        unsteady = [name for name, (p, s) in peers.items() if not repeats(p, s, tuning[0], budget)]
        aims = [_quality(*peers[best], c, budget) for c in tuning]
        found = {name: quickest(name, tuning, aims, budget) for name in suited(*tuning) if name in TRIED}
    rows: list[dict[str, Any]] = []
    for rank, name in enumerate(sorted(found, key=lambda name: found[name][0])):
        estimate, setting = found[name]
        row: dict[str, Any] = {"planner": name, "peer": best}
        if setting is None:
            rows.append(row)
            continue
        row["settings"] = dict(setting.chosen)
        if rank >= budget.contenders:
            rows.append({**row, "estimate_ms": 1e3 * estimate})
            continue
        for count in budget.quality_threads:
            with threads(count):
                reached, us, them = against(peers[best], setting, cases, targets[best], budget)
            rows.append({
                **row, "threads": count, "reached": sum(reached), "ours_ms": 1e3 * float(np.median(us)),
                "peer_ms": 1e3 * float(np.median(them)), "ratio": mean_ratio(us, them).to_dict(),
            })  # fmt: skip
    judged = [
        {"peer": name, "cost": _geometric(targets[name]), "settings": chosen} for name, (_, chosen) in peers.items()
    ]
    return {"unsteady": unsteady, "ours": rows, "peers": judged}


def against(
    chosen: tuple[Peer, dict[str, Any]],
    setting: Setting,
    cases: Sequence[Case],
    targets: Sequence[float],
    budget: Budget,
) -> tuple[list[bool], np.ndarray, np.ndarray]:
    """Whether we reach each target, and the seconds of ours and of the peer's plan, problem by problem."""
    peer, settings = chosen
    reached, us, them = [], [], []
    for case, target in zip(cases, targets, strict=True):
        needed = iterations_to(setting, case, target, budget)
        runners: dict[str, Runner] = {
            "ours": setting.runner(case, needed or setting.cap(budget)),
            "peer": make(peer, settings, case, budget),
        }
        taken = rounds(runners, max(7, budget.rounds // 3), warmup=1)
        reached.append(needed is not None)
        us.append(float(np.median(taken["ours"])))
        them.append(float(np.median(taken["peer"])))
    return reached, np.asarray(us), np.asarray(them)


def iterations_to(setting: Setting, case: Case, target: float, budget: Budget, seed: int = 0) -> int | None:
    """The fewest iterations, up to the setting's cap, with which the plan costs at most `target`; None if none do.

    The costs of one long search say where to look; a planner that paces itself by its number of iterations is then
    tried with more until its own plan is good enough.
    """
    cap = setting.cap(budget)
    runner = setting.runner(case, cap)
    runner.reset(seed)
    guess = _first(runner.run().cost_per_iteration, target)
    while guess is not None and guess <= cap:
        runner = setting.runner(case, guess)
        runner.reset(seed)
        if runner.run().cost <= target:
            return guess
        guess += max(1, guess // 4)
    return None


def quickest(name: str, tuning: Sequence[Case], aims: Sequence[float], budget: Budget) -> tuple[float, Setting | None]:
    """The settings with which a planner of ours needs the least time for the aims on the tuning problems, after that
    time (s); None if none that was tried reaches any of them.

    A problem whose aim is not reached counts ten times the time spent on it. One setting after the other is moved to
    its best value, the others held.
    """
    chosen: dict[str, Any] = {}
    best: tuple[float, Setting] | None = None
    known = {field.name for field in fields(PLANNERS[name][1])}
    for key, values in GRID.items():
        if key not in known or (key == "prior_share" and not tuning[0].problem.proposals):
            continue
        tried: list[tuple[float, Setting]] = []
        for value in values:
            with suppress(ValueError):  # a setting that contradicts another of this planner's
                setting = Setting.of(name, chosen | {key: value})
                score, reached = _score(setting, tuning, aims, budget)
                if reached:
                    tried.append((score, setting))
        if tried:
            best = min([*tried, *([best] if best else [])], key=lambda pair: pair[0])
            chosen = dict(best[1].chosen)
    return best or (math.inf, None)


def _score(setting: Setting, tuning: Sequence[Case], aims: Sequence[float], budget: Budget) -> tuple[float, int]:
    """Typical seconds to the aims, and how many were reached."""
    seconds, reached = [], 0
    for case, aim in zip(tuning, aims, strict=True):
        needed = iterations_to(setting, case, aim, budget)
        reached += needed is not None
        runner = setting.runner(case, needed or setting.cap(budget))
        runner.reset(0)
        taken = 1e-3 * runner.run().timings_ms["total"]
        # A setting that fails on a problem must not win by being quick at failing.
        seconds.append(taken if needed else 10.0 * taken)
    return float(np.exp(np.mean(np.log(seconds)))), reached


def tuned(peer: Peer, tuning: Sequence[Case], budget: Budget) -> dict[str, Any]:
    """The settings in a peer's grid whose plans cost least on the tuning problems."""
    tried = list(peer.settings())
    scores = [np.mean([_log_cost(peer, settings, case, budget) for case in tuning]) for settings in tried]
    return tried[int(np.argmin(scores))]


def repeats(peer: Peer, settings: dict[str, Any], case: Case, budget: Budget) -> bool:
    """Whether a peer's plan costs the same again from the same seed."""
    return len({_quality(peer, settings, case, budget) for _ in range(2)}) == 1


def make(peer: Peer, settings: dict[str, Any], case: Case, budget: Budget, watch: bool = False) -> PeerRunner:
    """The peer on a case, at its full budget."""
    clip = not peer.bounded
    return peer.make(case, budget.peer_samples, budget.peer_iterations, clip=clip, watch=watch, **settings)


def _first(costs: Sequence[float], target: float) -> int | None:
    """Iterations after which the cost is at most the target."""
    return next((index + 1 for index, cost in enumerate(costs) if cost <= target), None)


def _quality(peer: Peer, settings: dict[str, Any], case: Case, budget: Budget) -> float:
    return make(peer, settings, case, budget, watch=True).quality(seed=0)


def _log_cost(peer: Peer, settings: dict[str, Any], case: Case, budget: Budget) -> float:
    return float(np.log(max(_quality(peer, settings, case, budget), 1e-12)))


def _geometric(costs: Sequence[float]) -> float:
    return float(np.exp(np.mean(np.log(np.maximum(costs, 1e-12)))))
