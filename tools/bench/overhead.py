"""What planning costs beyond the model: time per plan less the bare rollout loop, and the share outside arithmetic."""

from collections.abc import Callable

import numpy as np

from tools.bench.bootstrap import Array, median, ratio_of_medians
from tools.bench.cases import Case, MLPLatent, empty_case, mlp_case, push_case
from tools.bench.page import Budget, Section, ms
from tools.bench.peers import available
from tools.bench.runners import Ours, at_budget, bare_loop, samplers
from tools.bench.timing import Bare, Runner, rounds, threads

WHOLE, STEPS, FLOOR = "bare loop", "bare loop, step by step", "matrix products alone"


def overhead(budget: Budget) -> Section:
    """Table (a): every planner on the MLP latent, and on a model that computes nothing."""
    section = Section("Overhead: time per plan less the bare rollout loop")
    samples, iterations = budget.peer_samples, budget.peer_iterations
    section.say(
        f"{samples} samples, {iterations} iterations, 5 action dimensions, 192-d MLP latent, {budget.rounds} rounds "
        "in turns, medians. *Plan* is the whole call; *overhead* is the plan less the bare loop of the same round "
        "(rollout and cost of as many fixed candidates; step by step for the peers that step). *Empty* is the overhead "
        "with a model that computes nothing: the planner's own work without the model's cache misses. The last "
        "columns are ratios to the peer with the smallest overhead; the target is at most 0.5."
    )
    for count in budget.threads:
        for horizon in budget.horizons:
            with threads(count):
                _overhead_table(section, budget, horizon, count)
    return section


def _overhead_table(section: Section, budget: Budget, horizon: int, count: int) -> None:
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
    rows = []
    data = section.data.setdefault(f"horizon {horizon}, threads {count}", {})
    smallest = {kind: min(peers, key=lambda p: float(np.median(over[kind][p]))) for kind in over} if peers else {}
    for name in names:
        plan, extra, empty = (median(x) for x in (measured["mlp"][name], over["mlp"][name], over["empty"][name]))
        data[name] = {"plan_s": plan.to_dict(), "overhead_s": extra.to_dict(), "empty_s": empty.to_dict()}
        row = [name, ms(plan.value), f"{ms(extra.value)} [{ms(extra.low)}, {ms(extra.high)}]", ms(empty.value)]
        for kind, peer in smallest.items():
            ratio = ratio_of_medians(over[kind][name], over[kind][peer])
            data[name][f"ratio_{kind}"] = ratio.to_dict()
            row.append(ratio.text() if name not in peers else f"{ratio.value:.2f}")
        rows.append(row)
    loops = {name: float(np.median(measured["mlp"][name])) for name in (WHOLE, STEPS)}
    data["bare_s"] = loops
    section.say(
        f"**Horizon {horizon}, {count} thread{'s' if count > 1 else ''}.** Bare loop {ms(loops[WHOLE])} ms, "
        f"step by step {ms(loops[STEPS])} ms."
        + "".join(f" Smallest peer ({kind}): {peer}." for kind, peer in smallest.items())
    )
    header = ["planner", "plan ms", "overhead ms", "empty ms"]
    section.table([*header, *(f"ratio, {kind}" for kind in smallest)], rows)


def runners_on(case: Case, samples: int, iterations: int) -> dict[str, Runner]:
    """Every planner, ours and the peers', and both bare loops."""
    runners: dict[str, Runner] = {name: Ours(at_budget(name, case, samples, iterations), case) for name in samplers()}
    runners |= {name: peer.make(case, samples, iterations) for name, peer in available().items()}
    runners[WHOLE] = Bare(bare_loop(case, samples, iterations))
    runners[STEPS] = Bare(bare_loop(case, samples, iterations, stepwise=True))
    return runners


def share(budget: Budget, push: bool = True) -> Section:
    """Table (c): the share of a plan spent outside the model, with the floor beneath it."""
    section = Section("Share of a plan outside the model's own arithmetic")
    section.say(
        "*Outside* is one less the bare loop's share of the plan; the target is at most 10 %. *Floor* is the model's "
        "matrix products in a loop with every buffer made beforehand: no activation, no cost, no search. iCEM rolls "
        "out fewer candidates than the bare loop; gradient descent, whose backward pass the bare loop lacks, is left "
        "out."
    )
    cases: dict[str, tuple[Case, Callable[[], object]]] = {}
    samples, iterations = budget.peer_samples, budget.peer_iterations
    for horizon in budget.horizons:
        model = mlp_case(0, horizon).problem.dynamics
        assert isinstance(model, MLPLatent)
        cases[f"MLP latent, horizon {horizon}"] = mlp_case(0, horizon), model.products(samples, horizon)
    if push:
        case = push_case(0)
        cases[f"push model, horizon {case.horizon}"] = case, push_products(case, samples)
    rows = []
    for count in budget.threads:
        with threads(count):
            for label, (case, products) in cases.items():
                rows += _share_rows(section, budget, label, case, products, count, iterations)
    section.table(["what", "threads", "planner", "plan ms", "bare loop ms", "floor ms", "outside %"], rows)
    return section


def _share_rows(
    section: Section,
    budget: Budget,
    label: str,
    case: Case,
    products: Callable[[], object],
    count: int,
    iterations: int,
) -> list[list[object]]:
    samples = budget.peer_samples
    runners: dict[str, Runner] = {name: Ours(at_budget(name, case, samples, iterations), case) for name in samplers()}
    runners[WHOLE] = Bare(bare_loop(case, samples, iterations))
    runners[FLOOR] = Bare(lambda: [products() for _ in range(iterations)])
    times = rounds(runners, budget.rounds)
    rows: list[list[object]] = []
    for name in samplers():
        kept = ratio_of_medians(times[WHOLE], times[name])
        outside = [100 * (1 - x) for x in (kept.value, kept.high, kept.low)]
        plan, bare, floor = (float(np.median(times[key])) for key in (name, WHOLE, FLOOR))
        section.data[f"{label}, threads {count}, {name}"] = {
            "plan_s": plan, "bare_s": bare, "floor_s": floor, "outside_percent": outside,
        }  # fmt: skip
        span = f"{outside[0]:.1f} [{outside[1]:.1f}, {outside[2]:.1f}]"
        rows.append([label, count, name, ms(plan), ms(bare), ms(floor), span])
    return rows


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
