"""What of a search is carried out: its mean, as an alternative to the best candidate it has seen.

The lowest of many costs that a learned model predicts is often the one it is most wrong about. The mean of many good
candidates is less exposed to that: it is what MPPI (Williams et al., ICRA 2017) and CEM as in PETS (Chua et al.,
NeurIPS 2018) carry out, where iCEM (Pinneri et al., CoRL 2020) carries out the best.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch

from forearm.planner.plan import Plan
from forearm.planner.problem import Problem
from forearm.planner.search.evaluation import evaluate
from forearm.planner.search.record import Best, cost_curve


def with_means(plans: Sequence[Plan], problem: Problem, clock: Callable[[], float]) -> list[Plan]:
    """The plans with their means for commands, and what those are predicted to cost: one more model evaluation.

    A mean without a finite cost is not carried out: its plan stays as it is.
    """
    begun = clock()
    means = np.stack([plan.mean for plan in plans])
    with torch.inference_mode():
        commands = torch.as_tensor(means).to(problem.low)[:, None]
        trajectory, scores = evaluate(problem, commands)
        costs = scores.ranked[:, 0].double().tolist()
        curves = cost_curve(problem.objective, Best(commands, trajectory))
    spent = 1e3 * (clock() - begun)
    return [
        replace(
            plan,
            actions=means[b] if np.isfinite(cost) else plan.actions,
            cost=cost if np.isfinite(cost) else plan.cost,
            predicted_cost_curve=plan.predicted_cost_curve if curves is None or not np.isfinite(cost) else curves[b],
            model_evals=plan.model_evals + 1,
            timings_ms={
                **plan.timings_ms,
                "rollout": plan.timings_ms["rollout"] + spent,
                "total": plan.timings_ms["total"] + spent,
            },
        )
        for b, (plan, cost) in enumerate(zip(plans, costs, strict=True))
    ]
