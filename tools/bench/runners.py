"""Our planners as runners, at any budget."""

from dataclasses import fields
from typing import Any

import torch

from forearm.planner import PLANNERS, Plan, Planner, make_planner
from forearm.settings import compose as configs
from tools.bench.cases import Case


def shipped_settings(name: str) -> dict[str, Any]:
    """What configs/planner says for push, or nothing where it says nothing."""
    if name not in configs.options("planner"):
        return {}
    from forearm.agent.setup import PlanningSetup

    chosen = PlanningSetup.resolve("push", name).planner_config
    return {key: value for key, value in chosen.items() if key != "name"}


def at_budget(name: str, case: Case, samples: int, iterations: int, **overrides: Any) -> Planner[Any, Any]:
    """The planner with its shipped settings, but for this case's horizon and `samples` times `iterations`.

    The number of elites keeps its share of the samples.
    """
    chosen = shipped_settings(name)
    known = {field.name: field.default for field in fields(PLANNERS[name][1])}
    if "elites" in known:
        usual = chosen.get("samples", known["samples"]) or 1
        share = chosen.get("elites", known["elites"]) / usual
        chosen["elites"] = max(2, min(samples, round(share * samples)))
    chosen |= {
        "horizon": case.horizon,
        "samples": samples,
        "iterations": iterations,
        "action_repeat": case.repeat,
        "deadline_ms": None,
    }
    return make_planner(name, **{key: value for key, value in (chosen | overrides).items() if key in known})


def suited(*cases: Case) -> list[str]:
    """Our planners that can plan all of `cases`: one that follows gradients needs a model that gives them."""
    smooth = all(case.differentiable for case in cases)
    return [name for name, (kind, _) in PLANNERS.items() if smooth or not kind.differentiable]


def samplers() -> list[str]:
    """Our planners that only roll out, as many candidates as they are told: those of the bare loop."""
    return [name for name, (kind, _) in PLANNERS.items() if not (kind.differentiable or kind.uses_residuals)]


class Ours:
    """One of our planners on one case."""

    def __init__(self, planner: Planner[Any, Any], case: Case) -> None:
        self.planner, self.case = planner, case
        self.generator = torch.Generator(device=case.device)

    def reset(self, seed: int) -> None:
        """Start the random stream anew."""
        self.generator.manual_seed(seed)

    def run(self) -> Plan:
        """One plan."""
        return self.planner.plan(self.case.problem, [self.generator])[0]


def bare_loop(case: Case, samples: int, iterations: int, stepwise: bool = False) -> Any:
    """The rollout and the cost of as many candidates as a plan has, with nothing else."""
    candidates = case.random_candidates(samples, iterations)
    evaluate = case.evaluate_steps if stepwise else case.evaluate

    @torch.inference_mode()
    def run() -> None:
        for chosen in candidates:
            evaluate(chosen)

    return run
