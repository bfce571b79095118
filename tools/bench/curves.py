"""Cost against model evaluations: which planner is best at 10, 100, 1,000 and 10,000 evaluations."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from forearm.common.files import replacing
from tools.bench.bootstrap import median
from tools.bench.budget import Budget
from tools.bench.cases import Case, push_case, push_oracle_case
from tools.bench.runners import Ours, at_budget, suited

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PICTURE = "cost_vs_evaluations.png"
Curves = dict[str, dict[int, list[float]]]
"""By planner and budget: the cost of each problem's plan, relative to holding still."""


def split(budget: int) -> tuple[int, int]:
    """Samples and iterations for a budget of model evaluations: about budget ** 0.4 iterations."""
    iterations = max(1, round(budget**0.4))
    return max(2, round(budget / iterations)), iterations


def cost_curves(budget: Budget, folder: Path) -> dict[str, Any]:
    """Medians and intervals of every planner at every budget, and the picture of them in `folder`."""
    kinds: dict[str, tuple[Callable[[int], Case], int, Sequence[int]]] = {
        "learned": (push_case, budget.curve_problems, budget.curve_budgets),
        "oracle": (push_oracle_case, budget.oracle_problems, budget.oracle_budgets),
    }
    found: dict[str, Curves] = {}
    told = []
    for kind, (make, problems, budgets) in kinds.items():
        found[kind] = curves([make(index) for index in range(problems)], budgets)
        rows = [
            {"planner": name, "costs": [median(costs).to_dict() for costs in points.values()]}
            for name, points in found[kind].items()
        ]
        told.append({"dynamics": kind, "problems": problems, "budgets": list(budgets), "rows": rows})
    draw(found, folder / PICTURE)
    return {"kinds": told}


def curves(cases: Sequence[Case], budgets: Sequence[int]) -> Curves:
    """Relative costs of every planner's plans at each budget."""
    still = [case.cost_of(torch.zeros(case.variables, case.dims)) for case in cases]
    found: Curves = {}
    for name in suited(*cases):
        found[name] = {}
        for evaluations in budgets:
            costs = []
            for case, hold in zip(cases, still, strict=True):
                runner = Ours(planner_at(name, case, evaluations), case)
                runner.reset(0)
                costs.append(runner.run().cost / hold)
            found[name][evaluations] = costs
    return found


def planner_at(name: str, case: Case, evaluations: int) -> Any:
    """The planner at a budget of model evaluations; more samples where it cannot do with so few."""
    samples, iterations = split(evaluations)
    while True:
        try:
            return at_budget(name, case, samples, iterations)
        except ValueError:
            if iterations == 1:
                raise
            iterations = max(1, iterations // 2)
            samples = max(2, round(evaluations / iterations))


def draw(found: dict[str, Curves], path: Path) -> None:
    """Write the picture, whole or not at all."""
    with replacing(path) as temporary:
        figure(found).savefig(temporary, dpi=130, format="png")


def figure(found: dict[str, Curves]) -> "Figure":
    """One panel for each kind of dynamics."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(5.2 * len(found), 4.0), layout="constrained")
    FigureCanvasAgg(drawn)
    # A planner has one colour, although not every panel has every planner.
    names = list(dict.fromkeys(name for planners in found.values() for name in planners))
    colours = {name: f"C{index}" for index, name in enumerate(names)}
    for index, (kind, planners) in enumerate(found.items()):
        axes = drawn.add_subplot(1, len(found), index + 1)
        for name, points in planners.items():
            evaluations = np.array(list(points))
            quartiles = np.array([np.percentile(costs, [25, 50, 75]) for costs in points.values()])
            colour = colours[name]
            axes.plot(evaluations, quartiles[:, 1], marker="o", markersize=3, label=name, color=colour)
            axes.fill_between(evaluations, quartiles[:, 0], quartiles[:, 2], color=colour, alpha=0.12, linewidth=0)
        axes.set_xscale("log")
        axes.set_xlabel("model evaluations (candidate sequences rolled out)")
        axes.set_ylabel("cost of the plan / cost of holding still")
        axes.set_title("push, shipped model" if kind == "learned" else "push, MuJoCo itself")
        axes.grid(alpha=0.3, which="both", linewidth=0.4)
        axes.legend(frameon=False)
    return drawn
