"""A plan as news: what it is expected to cost and to lead to, and what was tried for it."""

from typing import TYPE_CHECKING, Any

import numpy as np

from forearm.live.news import numbers, picture

if TYPE_CHECKING:
    from forearm.agent.candidates import Candidates
    from forearm.agent.imagination import Imagined
    from forearm.planner.plan import Plan


def news_of_plan(
    plan: "Plan",
    imagined: "Imagined | None" = None,
    candidates: "Candidates | None" = None,
    paths: tuple[np.ndarray, np.ndarray] | None = None,
) -> dict[str, Any]:
    """What a page is told of a plan; `paths` are those of `forearm.agent.candidates.paths`."""
    costs = None if candidates is None or not candidates.costs else candidates.shown()[1]
    if paths is not None:
        costs = paths[1]
    curve = plan.predicted_cost_curve
    return {
        "planner": plan.planner,
        "cost": numbers([plan.cost])[0],
        "plan_ms": round(float(plan.timings_ms.get("total", 0.0)) / plan.batch, 1),
        "model_evals": plan.model_evals,
        "curve": [] if curve is None else numbers(curve),
        "iterations": numbers(plan.cost_per_iteration),
        "costs": [] if costs is None else numbers(costs),
        "paths": [] if paths is None else numbers(paths[0].round(4)),
        "imagined": [] if imagined is None else [picture(frame) for frame in imagined.frames],
        "seconds": [] if imagined is None else numbers(imagined.times[1:]),
    }
