"""Planners: choose commands by imagining what each would lead to. Knows no pixels, no simulator and no
checkpoints.

    planner = make_planner("cem", horizon=10, samples=128)
    plans = planner.plan(problem, generators)

A `Problem` names a `Dynamics` (what would happen) and an `Objective` (how good that is). Each `Plan` is a
document.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any

from forearm.errors import InputError
from forearm.planner.algorithms.cem import CEM, CEMConfig
from forearm.planner.algorithms.cma_es import CMAES, CMAESConfig
from forearm.planner.algorithms.dial import DIAL, DIALConfig
from forearm.planner.algorithms.gauss_newton import GaussNewton, GaussNewtonConfig
from forearm.planner.algorithms.gradient import GradientConfig, GradientDescent
from forearm.planner.algorithms.icem import ICEM, ICEMConfig
from forearm.planner.algorithms.mppi import MPPI, MPPIConfig
from forearm.planner.algorithms.predictive_sampling import PredictiveSampling, PredictiveSamplingConfig
from forearm.planner.algorithms.random_shooting import RandomShooting, RandomShootingConfig
from forearm.planner.checks import suggestion
from forearm.planner.conformance import check_dynamics, check_objective
from forearm.planner.cuda_graph import captured
from forearm.planner.horizon import OverHorizon, Prefix
from forearm.planner.objectives import ActionCost, LatentDistance, WeightedSum
from forearm.planner.off_distribution import TerminalValue, UnlikelyLatents
from forearm.planner.plan import Plan, PlanError
from forearm.planner.policies import HoldConfig, HoldPolicy, Policy, PolicyConfig, PriorPolicy, RandomPolicy
from forearm.planner.problem import Dynamics, Objective, Problem
from forearm.planner.proposals import Past, PreviousPlan, Proposal
from forearm.planner.search.planner import Planner, SearchConfig

PLANNERS: dict[str, tuple[type[Planner[Any, Any]], type[SearchConfig]]] = {
    cls.name: (cls, cls.config_type)
    for cls in (CEM, ICEM, MPPI, PredictiveSampling, DIAL, GradientDescent, GaussNewton, CMAES, RandomShooting)
}
POLICIES: dict[str, tuple[type[Policy[Any]], type[PolicyConfig]]] = {
    cls.name: (cls, cls.config_type) for cls in (RandomPolicy, HoldPolicy, PriorPolicy)
}


def make_planner(
    name: str,
    *,
    clock: Callable[[], float] = time.perf_counter,
    proposals: Sequence[Proposal] = (),
    **settings: Any,
) -> Planner[Any, Any]:
    """The planner of that name with those settings; `clock` returns seconds, `proposals` provide the
    `prior_share` of its candidates (the previous plan, if none are given).

    Raises `ValueError`, in one line, for an unknown name or setting (with the nearest known one) and for
    settings that contradict each other.
    """
    if name not in PLANNERS:
        raise InputError(f"unknown planner {name!r}{suggestion(str(name), PLANNERS)}")
    cls, config_type = PLANNERS[name]
    return cls(_configured(f"planner {name!r}", config_type, settings), clock, proposals)


def make_policy(name: str, **settings: Any) -> Policy[Any]:
    """The policy of that name, which does not plan but answers the same call; raises `ValueError` like
    `make_planner`.
    """
    if name not in POLICIES:
        raise InputError(f"unknown policy {name!r}{suggestion(str(name), POLICIES)}")
    cls, config_type = POLICIES[name]
    return cls(_configured(f"policy {name!r}", config_type, settings))


def _configured(owner: str, config_type: type[Any], settings: dict[str, Any]) -> Any:
    known = [field.name for field in fields(config_type)]
    for setting in settings:
        if setting not in known:
            raise InputError(f"unknown setting {setting!r} of {owner}{suggestion(setting, known)}")
    return config_type(**settings)


__all__ = [
    "CEM",
    "CMAES",
    "DIAL",
    "ICEM",
    "MPPI",
    "PLANNERS",
    "POLICIES",
    "ActionCost",
    "CEMConfig",
    "CMAESConfig",
    "DIALConfig",
    "Dynamics",
    "GaussNewton",
    "GaussNewtonConfig",
    "GradientConfig",
    "GradientDescent",
    "HoldConfig",
    "HoldPolicy",
    "ICEMConfig",
    "LatentDistance",
    "MPPIConfig",
    "Objective",
    "OverHorizon",
    "Past",
    "Plan",
    "PlanError",
    "Planner",
    "Policy",
    "PolicyConfig",
    "PredictiveSampling",
    "PredictiveSamplingConfig",
    "Prefix",
    "PreviousPlan",
    "Problem",
    "Proposal",
    "RandomPolicy",
    "RandomShooting",
    "RandomShootingConfig",
    "SearchConfig",
    "TerminalValue",
    "UnlikelyLatents",
    "WeightedSum",
    "captured",
    "check_dynamics",
    "check_objective",
    "make_planner",
    "make_policy",
]
