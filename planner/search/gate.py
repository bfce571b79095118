"""A gate: a search overrules what its proposals would have done only where it promises more than a margin.

The lowest of many predicted costs is often one that the model is wrong about, so a search may make a good prior worse.
An intervention that has to be worth a margin does less harm: the reliability gate of IMWM (arXiv 2606.01626), the
bounded correction of D-JEPA (arXiv 2609.24749).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch

from forearm.common import checks
from forearm.errors import InputError
from forearm.planner.plan import Plan
from forearm.planner.problem import Problem, Proposal
from forearm.planner.proposals import propose
from forearm.planner.sampling.action_space import ActionSpace
from forearm.planner.sampling.noise import Noise
from forearm.planner.search.config import SearchConfig
from forearm.planner.search.evaluation import evaluate
from forearm.planner.search.record import Best, cost_curve
from forearm.planner.search.run import past_of


def margin_of(name: str, value: object) -> float | None:
    """A margin in units of the cost from 0 up, infinity also as the word inf; None for none. Raises ValueError."""
    if value is None:
        return None
    if value == "inf" or (isinstance(value, float) and value == math.inf):
        return math.inf
    if isinstance(value, str):
        raise InputError(f"{name} must be a number from 0 up, inf or null, not '{value}'")
    return checks.real(name, value, least=0.0)


def gated(
    plans: Sequence[Plan],
    problem: Problem,
    proposals: Sequence[Proposal],
    margin: float,
    config: SearchConfig,
    previous: Sequence[Plan | None] | None,
    elapsed_steps: int,
    clock: Callable[[], float],
) -> list[Plan]:
    """The plans whose cost is lower than that of the first proposal's own plan by more than `margin`; the others with
    that for their commands: the first of its candidates, which for a learned prior is its mean.

    One more model evaluation. No random number of the plans is drawn, so that a gate changes no candidate.
    """
    begun = clock()
    space = ActionSpace(problem.low, problem.high, config.horizon, 1, problem.batch)
    with torch.inference_mode():
        past = past_of(config, space, previous, elapsed_steps)
        still = Noise([torch.Generator().manual_seed(0) for _ in plans])
        commands = space.commands(space.clip(propose(proposals, problem, space, past, still, 1)))
        trajectory, scores = evaluate(problem, commands)
        costs = scores.ranked[:, 0].double().tolist()
        curves = cost_curve(problem.objective, Best(commands, trajectory))
    own = commands[:, 0].double().cpu().numpy()
    spent = 1e3 * (clock() - begun)
    found = []
    for b, (plan, cost) in enumerate(zip(plans, costs, strict=True)):
        timings = {key: ms + spent * (key in ("rollout", "total")) for key, ms in plan.timings_ms.items()}
        told = replace(plan, model_evals=plan.model_evals + 1, timings_ms=timings)
        if not plan.cost < cost - margin:
            curve = None if curves is None else np.asarray(curves[b])
            told = replace(told, actions=own[b], cost=cost, predicted_cost_curve=curve)
        found.append(told)
    return found
