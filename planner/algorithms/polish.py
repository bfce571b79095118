"""Gradient polish: a few steps of Adam through the model, from whatever another search has found.

Samplers find the valley, gradients its floor; in one planner: Bharadhwaj et al., "Model-Predictive Control via
Cross-Entropy and Gradient-Based Optimization", L4DC 2020. Here the one planner simply follows the other.
"""

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from torch import Generator

from forearm.planner.algorithms.gradient import GradientConfig, GradientDescent
from forearm.planner.plan import Plan
from forearm.planner.problem import Problem
from forearm.planner.search.config import SearchConfig
from forearm.planner.search.planner import Planner


def polished(
    planner: Planner[Any, Any], plans: Sequence[Plan], problem: Problem, generators: Sequence[Generator]
) -> list[Plan]:
    """A planner's plans after `config.polish` steps of gradient descent from their commands, never worse.

    Costs 2 * (polish + 1) more model evaluations: a descent, and the start itself each time. Polishing that the
    deadline leaves no time for is left out. Raises `ValueError` where no gradient comes back.
    """
    config: SearchConfig = planner.config
    spent = plans[0].timings_ms["total"]
    if config.deadline_ms is not None and spent >= config.deadline_ms:
        return list(plans)
    settings = GradientConfig(
        horizon=config.horizon,
        samples=2,
        iterations=config.polish + 1,
        action_repeat=config.action_repeat,
        deadline_ms=config.deadline_ms,
        knots=config.knots,
        interpolation=config.interpolation,
        learning_rate=config.polish_rate,
        initial_std=0.0,
    )
    starts = [replace(plan, mean=plan.actions, elites=None) for plan in plans]
    ends = GradientDescent(settings, planner.clock).plan(problem, generators, starts, elapsed_steps=0, encode_ms=spent)
    return [_joined(plan, end, config) for plan, end in zip(plans, ends, strict=True)]


def _joined(plan: Plan, end: Plan, config: SearchConfig) -> Plan:
    """One record of both searches, with the better outcome."""
    better = end.cost < plan.cost
    late = end.stopped == "deadline"
    lowest = min(plan.cost, plan.cost_per_iteration[-1])  # of what was seen, which need not be what is carried out
    timings = {
        "encode": plan.timings_ms["encode"],
        **{name: plan.timings_ms[name] + end.timings_ms[name] for name in ("rollout", "select")},
        "total": end.timings_ms["total"],
    }
    return replace(
        plan,
        actions=end.actions if better else plan.actions,
        mean=end.actions if better else plan.mean,
        cost=min(plan.cost, end.cost),
        cost_per_iteration=[*plan.cost_per_iteration, *np.minimum(end.cost_per_iteration, lowest).tolist()],
        model_evals=plan.model_evals + end.model_evals,
        iterations=plan.iterations + end.iterations,
        timings_ms=timings,
        config=asdict(config),
        stopped="deadline" if late else plan.stopped,
        predicted_cost_curve=end.predicted_cost_curve if better else plan.predicted_cost_curve,
    )
