"""Planners: choose commands by imagining what each would lead to. Knows no pixels, no simulator and no checkpoints.

A `Problem` names a `Dynamics` (what would happen), an `Objective` (how good that is), a start and bounds. A planner
makes a `Plan` of each of its problems, with a random stream for each:

    >>> import torch
    >>> from forearm.planner import LatentDistance, Problem, make_planner
    >>> class Drift:
    ...     def rollout(self, state, actions):  # (B, D) and (B, K, H, A) to (B, K, H, D)
    ...         return state[:, None, None] + 0.1 * actions.cumsum(dim=2)
    >>> goal, start = torch.tensor([[0.3, -0.2]]), torch.zeros(1, 2)
    >>> problem = Problem(Drift(), LatentDistance(goal), start, low=[-1, -1], high=[1, 1], batch=1, control_period=0.1)
    >>> planner, stream = make_planner("cem", horizon=10), torch.Generator().manual_seed(0)
    >>> [plan] = planner.plan(problem, [stream])
    >>> plan.actions.shape, plan.cost < 0.001
    ((10, 2), True)

The next plan begins where this one is after some control steps; a plan is also a document, to be kept as JSON:

    >>> from forearm.planner import Plan
    >>> [later] = planner.plan(problem, [stream], previous=[plan], elapsed_steps=1)
    >>> Plan.from_json(later.to_json()) == later
    True

Whether a model of your own keeps the contract is told in sentences, one for each way in which it does not:

    >>> from forearm.planner import check_dynamics
    >>> check_dynamics(Drift(), torch.zeros(3, 2), low=[-1, -1], high=[1, 1], batch=3, gradients=True)
    []

A planner of your own is three methods; bounds, warm start, deadlines and bad costs are the base loop's business:

    >>> from forearm.planner import Distribution, Planner, SearchConfig
    >>> class Uniform(Planner[Distribution, SearchConfig]):
    ...     name, config_type = "uniform", SearchConfig
    ...     def initial(self, space, mean):
    ...         return Distribution(mean)
    ...     def sample(self, dist, space, noise, iteration):
    ...         shape = (self.config.samples, space.variables, space.dims)
    ...         return space.low + 2 * space.half_range * noise.uniform(shape, like=space.low)
    ...     def update(self, dist, space, samples, costs):
    ...         best = costs.argmin(dim=1)
    ...         return Distribution(samples[torch.arange(len(best)), best])
    >>> [plan] = Uniform(SearchConfig(horizon=10, knots=2)).plan(problem, [stream])
    >>> plan.planner, plan.cost < 0.01
    ('uniform', True)

What there is, by purpose:

- planners, by name `make_planner` and `PLANNERS`: `CEM`, `ICEM`, `MPPI`, `PredictiveSampling`, `DIAL`, `CMAES`,
  `GradientDescent`, `GaussNewton`, `RandomShooting`, each with its config;
- baselines, which do not plan, by name `make_baseline` and `BASELINES`: `RandomBaseline`, `HoldBaseline`,
  `PriorBaseline`;
- costs: `LatentDistance`, `LatentPath`, `ActionCost`, `UnlikelyLatents`, `TerminalValue`, `WayValue`, their
  `WeightedSum`, and which steps of the horizon count, `OverHorizon` and `Prefix`;
- candidates from elsewhere than the search: `Proposal`, `PreviousPlan`, of the `Past`;
- for planners of your own: `Planner`, `SearchConfig`, `Distribution`, `ActionSpace`, `Noise`, `Scores`;
- for models of your own: `check_dynamics`, `check_objective`, `by_problem` and `products`, which round in a batch as
  they do alone, and `captured`, which replays rollouts on a GPU.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any

from forearm.common.lazy import attach
from forearm.errors import InputError, did_you_mean
from forearm.planner.algorithms.cem import CEM, CEMConfig
from forearm.planner.algorithms.cma_es import CMAES, CMAESConfig
from forearm.planner.algorithms.dial import DIAL, DIALConfig
from forearm.planner.algorithms.gauss_newton import GaussNewton, GaussNewtonConfig
from forearm.planner.algorithms.gradient import GradientConfig, GradientDescent
from forearm.planner.algorithms.icem import ICEM, ICEMConfig
from forearm.planner.algorithms.mppi import MPPI, MPPIConfig
from forearm.planner.algorithms.polish import polished
from forearm.planner.algorithms.predictive_sampling import PredictiveSampling, PredictiveSamplingConfig
from forearm.planner.algorithms.random_shooting import RandomShooting, RandomShootingConfig
from forearm.planner.baselines import Baseline, BaselineConfig, HoldBaseline, HoldConfig, PriorBaseline, RandomBaseline
from forearm.planner.conformance.contract import check_dynamics, check_objective
from forearm.planner.cuda_graph import captured
from forearm.planner.objectives.costs import ActionCost, LatentDistance, LatentPath, WeightedSum
from forearm.planner.objectives.horizon import OverHorizon, Prefix
from forearm.planner.objectives.off_distribution import TerminalValue, UnlikelyLatents
from forearm.planner.objectives.way import WayValue
from forearm.planner.plan import Plan, PlanError
from forearm.planner.problem import Dynamics, Objective, Past, Problem, Proposal
from forearm.planner.proposals import PreviousPlan
from forearm.planner.sampling.action_space import ActionSpace
from forearm.planner.sampling.apart import by_problem, products
from forearm.planner.sampling.noise import Noise
from forearm.planner.search.config import SearchConfig
from forearm.planner.search.distribution import Distribution
from forearm.planner.search.evaluation import Scores
from forearm.planner.search.planner import Planner

__getattr__, __dir__ = attach(
    __name__,
    {},
    {
        "POLICIES": "BASELINES",
        "HoldPolicy": "HoldBaseline",
        "Policy": "Baseline",
        "PolicyConfig": "BaselineConfig",
        "PriorPolicy": "PriorBaseline",
        "RandomPolicy": "RandomBaseline",
        "make_policy": "make_baseline",
    },
)
Planner.polish = polished  # here, as the base of all planners must not know one of them

PLANNERS: dict[str, tuple[type[Planner[Any, Any]], type[SearchConfig]]] = {
    cls.name: (cls, cls.config_type)
    for cls in (CEM, ICEM, MPPI, PredictiveSampling, DIAL, GradientDescent, GaussNewton, CMAES, RandomShooting)
}
BASELINES: dict[str, tuple[type[Baseline[Any]], type[BaselineConfig]]] = {
    cls.name: (cls, cls.config_type) for cls in (RandomBaseline, HoldBaseline, PriorBaseline)
}


def make_planner(
    name: str,
    *,
    clock: Callable[[], float] = time.perf_counter,
    proposals: Sequence[Proposal] = (),
    gate: float | None = None,
    **settings: Any,
) -> Planner[Any, Any]:
    """The planner of that name with those settings; `clock` returns seconds, `proposals` provide the
    `prior_share` of its candidates (the previous plan, if none are given). With a `gate`, in units of the cost, a plan
    gives way to the first proposal's own unless it costs less by more than that.

    Raises `ValueError`, in one line, for an unknown name or setting (with the nearest known one) and for
    settings that contradict each other.
    """
    if name not in PLANNERS:
        raise InputError(f"unknown planner {name!r}{did_you_mean(str(name), PLANNERS)}")
    cls, config_type = PLANNERS[name]
    return cls(_configured(f"planner {name!r}", config_type, settings), clock, proposals, gate)


def make_baseline(name: str, **settings: Any) -> Baseline[Any]:
    """The baseline of that name, which does not plan but answers the same call; raises `ValueError` like
    `make_planner`.
    """
    if name not in BASELINES:
        raise InputError(f"unknown baseline {name!r}{did_you_mean(str(name), BASELINES)}")
    cls, config_type = BASELINES[name]
    return cls(_configured(f"baseline {name!r}", config_type, settings))


def _configured(owner: str, config_type: type[Any], settings: dict[str, Any]) -> Any:
    known = [field.name for field in fields(config_type)]
    for setting in settings:
        if setting not in known:
            raise InputError(f"unknown setting {setting!r} of {owner}{did_you_mean(setting, known)}")
    return config_type(**settings)


__all__ = [
    "BASELINES",
    "CEM",
    "CMAES",
    "DIAL",
    "ICEM",
    "MPPI",
    "PLANNERS",
    "ActionCost",
    "ActionSpace",
    "Baseline",
    "BaselineConfig",
    "CEMConfig",
    "CMAESConfig",
    "DIALConfig",
    "Distribution",
    "Dynamics",
    "GaussNewton",
    "GaussNewtonConfig",
    "GradientConfig",
    "GradientDescent",
    "HoldBaseline",
    "HoldConfig",
    "ICEMConfig",
    "LatentDistance",
    "LatentPath",
    "MPPIConfig",
    "Noise",
    "Objective",
    "OverHorizon",
    "Past",
    "Plan",
    "PlanError",
    "Planner",
    "PredictiveSampling",
    "PredictiveSamplingConfig",
    "Prefix",
    "PreviousPlan",
    "PriorBaseline",
    "Problem",
    "Proposal",
    "RandomBaseline",
    "RandomShooting",
    "RandomShootingConfig",
    "Scores",
    "SearchConfig",
    "TerminalValue",
    "UnlikelyLatents",
    "WayValue",
    "WeightedSum",
    "by_problem",
    "captured",
    "check_dynamics",
    "check_objective",
    "make_baseline",
    "make_planner",
    "products",
]
