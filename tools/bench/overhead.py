"""What planning costs beyond the model: time per plan less the bare rollout loop, and the share outside arithmetic."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tools.bench.bootstrap import Array, median, ratio_of_medians
from tools.bench.budget import Budget
from tools.bench.cases import Case, MLPLatent, empty_case, mlp_case, push_case
from tools.bench.peers import available
from tools.bench.runners import Ours, at_budget, bare_loop, samplers
from tools.bench.timing import Bare, Runner, rounds, threads

WHOLE, STEPS, FLOOR = "bare loop", "bare loop, step by step", "matrix products alone"


def overhead(budget: Budget) -> dict[str, Any]:
    """Every planner on the MLP latent, and on a model that computes nothing."""
    tables = []
    for count in budget.threads:
        for horizon in budget.horizons:
            with threads(count):
                tables.append({"horizon": horizon, "threads": count, **_overhead_table(budget, horizon)})
    return {
        "samples": budget.peer_samples, "iterations": budget.peer_iterations, "rounds": budget.rounds, "tables": tables,
    }  # fmt: skip


def _overhead_table(budget: Budget, horizon: int) -> dict[str, Any]:
    samples, iterations = budget.peer_samples, budget.peer_iterations
    measured = {
        kind: rounds(runners_on(case, samples, iterations), budget.rounds)
        for kind, case in (("mlp", mlp_case(0, horizon)), ("empty", empty_case(horizon, samples)))
    }
    peers, names = available(), [*samplers(), *available()]
    over: dict[str, dict[str, Array]] = {"mlp": {}, "empty": {}}
    for kind, times in measured.items():
        for name in names:
            bare = STEPS if name in peers and peers[name].stepwise else WHOLE
            over[kind][name] = times[name] - times[bare]
    smallest = {kind: min(peers, key=lambda p: float(np.median(over[kind][p]))) for kind in over} if peers else {}
    rows = []
    for name in names:
        row: dict[str, Any] = {
            "planner": name,
            "plan_ms": 1e3 * float(np.median(measured["mlp"][name])),
            "overhead_ms": median(over["mlp"][name]).to_dict(1e3),
            "empty_ms": 1e3 * float(np.median(over["empty"][name])),
        }
        for kind, peer in smallest.items():
            ratio = ratio_of_medians(over[kind][name], over[kind][peer]).to_dict()
            row[f"ratio_{kind}"] = {"value": ratio["value"]} if name in peers else ratio
        rows.append(row)
    bare_ms, stepwise_ms = (1e3 * float(np.median(measured["mlp"][name])) for name in (WHOLE, STEPS))
    return {"bare_ms": bare_ms, "stepwise_ms": stepwise_ms, "smallest": smallest, "rows": rows}


def runners_on(case: Case, samples: int, iterations: int) -> dict[str, Runner]:
    """Every planner, ours and the peers', and both bare loops."""
    runners: dict[str, Runner] = {name: Ours(at_budget(name, case, samples, iterations), case) for name in samplers()}
    runners |= {name: peer.make(case, samples, iterations) for name, peer in available().items()}
    runners[WHOLE] = Bare(bare_loop(case, samples, iterations))
    runners[STEPS] = Bare(bare_loop(case, samples, iterations, stepwise=True))
    return runners


def share(budget: Budget, push: bool = True) -> dict[str, Any]:
    """The share of a plan spent outside the model, with the floor beneath it."""
    cases: dict[str, tuple[Case, Callable[[], object]]] = {}
    for horizon in budget.horizons:
        model = mlp_case(0, horizon).problem.dynamics
        assert isinstance(model, MLPLatent)
        cases[f"MLP latent, horizon {horizon}"] = mlp_case(0, horizon), model.products(budget.peer_samples, horizon)
    if push:
        case = push_case(0)
        cases[f"push model, horizon {case.horizon}"] = case, push_products(case, budget.peer_samples)
    rows = []
    for count in budget.threads:
        with threads(count):
            for label, (case, products) in cases.items():
                found = _shares(budget, case, products)
                rows += [{"what": label, "threads": count, "planner": name, **row} for name, row in found.items()]
    return {"rows": rows}


def _shares(budget: Budget, case: Case, products: Callable[[], object]) -> dict[str, dict[str, Any]]:
    samples, iterations = budget.peer_samples, budget.peer_iterations
    runners: dict[str, Runner] = {name: Ours(at_budget(name, case, samples, iterations), case) for name in samplers()}
    runners[WHOLE] = Bare(bare_loop(case, samples, iterations))
    runners[FLOOR] = Bare(lambda: [products() for _ in range(iterations)])
    times = rounds(runners, budget.rounds)
    found: dict[str, dict[str, Any]] = {}
    for name in samplers():
        kept = ratio_of_medians(times[WHOLE], times[name])
        ends = {"value": kept.value, "low": kept.high, "high": kept.low}
        plan, bare, floor = (1e3 * float(np.median(times[key])) for key in (name, WHOLE, FLOOR))
        found[name] = {
            "plan_ms": plan, "bare_ms": bare, "floor_ms": floor,
            "outside_percent": {end: 100 * (1 - share) for end, share in ends.items()},
        }  # fmt: skip
    return found


def push_products(case: Case, samples: int) -> Callable[[], None]:
    """The matrix products of one rollout of the shipped model, and nothing else."""
    import torch

    predictor = case.problem.dynamics.model.predictor  # type: ignore[attr-defined]
    layers = [layer for layer in predictor.modules() if isinstance(layer, torch.nn.Linear)]
    with torch.inference_mode():
        inputs = [torch.randn(samples, layer.in_features) for layer in layers]
        outputs = [torch.empty(samples, layer.out_features) for layer in layers]
        weights = [layer.weight.T for layer in layers]

    @torch.inference_mode()
    def run() -> None:
        for _ in range(case.variables):
            for x, w, y in zip(inputs, weights, outputs, strict=True):
                torch.mm(x, w, out=y)

    return run
