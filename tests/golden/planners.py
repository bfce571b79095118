"""Golden entries of planner/: every planner on the toys, and what it is by default."""

from dataclasses import asdict
from typing import Any

import torch

from forearm.planner import BASELINES, PLANNERS, PreviousPlan, make_baseline, make_planner
from tests.golden.pinned import sha256
from tests.planner.toys import Commands, Integrator, Nearness, content, problem, small, streams

HORIZON, DIMS, BATCH = 6, 2, 2

SPELLED_OUT = {
    "gradient": {"halve_every": None},
    "cem": {"elites": 4},
    "icem": {"elites": 4},
}
"""Settings whose defaults are other entries' business."""

VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "knots": {"knots": 3},
    "knots at times, cubic": {"knots": (0.0, 0.2, 0.5), "interpolation": "cubic"},
    "knots, zero": {"knots": 4, "interpolation": "zero"},
    "repeat": {"action_repeat": 2},
    "repeat, knots": {"action_repeat": 2, "knots": 2},
    "polish": {"polish": 3},
    "mean": {"execute": "mean"},
    "mean, polish": {"execute": "mean", "polish": 2},
    "share": {"prior_share": 0.5},
    "share, repeat": {"prior_share": 0.25, "action_repeat": 2},
    "converged": {"tolerance": 0.2, "spread_tolerance": 10.0, "iterations": 20},
    "deadline": {"deadline_ms": 45.0, "iterations": 12},
    "deadline, mean": {"deadline_ms": 45.0, "iterations": 12, "execute": "mean"},
    "cold": {"warm_start": False},
}


class Clock:
    """Seconds that pass only while something is rolled out."""

    def __init__(self) -> None:
        self.now = 5.0

    def __call__(self) -> float:
        return self.now


class Slow(Integrator):
    """Ten milliseconds a rollout."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def rollout(self, state: Any, actions: torch.Tensor) -> torch.Tensor:
        self.clock.now += 0.010
        return super().rollout(state, actions)


class Near:
    """Proposes commands near a quarter of the bounds."""

    def sample(self, problem: Any, space: Any, past: Any, noise: Any, count: int) -> torch.Tensor:
        return 0.25 + 0.1 * noise.normal(count, space.variables, space.dims, 1.0, like=space.low)


class Holes(Nearness):
    """No finite cost where the first command is positive."""

    def cost(self, trajectory: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
        cost = super().cost(trajectory, actions)
        return torch.where(actions[:, :, 0, 0] > 0, torch.full_like(cost, torch.nan), cost)


def plans_of(name: str) -> dict[str, str]:
    """The plans of a planner under every variant: first from nothing, then from what came before."""
    found = {variant: _two(name, settings) for variant, settings in VARIANTS.items()}
    found["costs that are not finite"] = sha256([content(p) for p in _planned(name, {}, objective=Holes)[0]])
    found["proposals"] = sha256([content(p) for p in _planned(name, {"prior_share": 0.5}, proposals=True)[0]])
    return found


def defaults_of(name: str) -> dict[str, Any]:
    """What `make_planner(name)` is in Python."""
    return {key: list(v) if isinstance(v, tuple) else v for key, v in asdict(make_planner(name).config).items()}


def policies() -> dict[str, Any]:
    """Policies' defaults, and what those that need no prior do on the toys."""
    found: dict[str, Any] = {}
    for name in sorted(BASELINES):
        found[f"{name}: defaults"] = asdict(make_baseline(name).config)
        if name != "prior":
            plans = make_baseline(name, horizon=HORIZON).plan(_toy(Commands(), Nearness), streams(BATCH, 3))
            found[name] = sha256([content(plan) for plan in plans])
    return found


def _toy(dynamics: Any, objective: Any, **more: Any) -> Any:
    target = torch.linspace(-0.9, 0.7, BATCH * HORIZON * DIMS).reshape(BATCH, HORIZON, DIMS).sin()
    state = torch.tensor([[0.1, -0.2], [0.3, 0.4]])
    return problem(objective(target), BATCH, DIMS, dynamics, state=state, **more)


def _planned(
    name: str, settings: dict[str, Any], objective: Any = Nearness, proposals: bool = False
) -> tuple[list[Any], Any, Any]:
    clock = Clock()
    toy = _toy(Slow(clock), objective, proposals=(Near(), PreviousPlan()) if proposals else ())
    given = {"horizon": HORIZON, "samples": 16, "iterations": 3} | SPELLED_OUT.get(name, {}) | settings
    planner = small(name, clock=clock, **given)
    return planner.plan(toy, streams(BATCH, 1), encode_ms=2.0), planner, toy


def _two(name: str, settings: dict[str, Any]) -> str:
    first, planner, toy = _planned(name, settings)
    second = planner.plan(toy, streams(BATCH, 2), previous=[first[0], None], elapsed_steps=2)
    return sha256([content(plan) for plan in (*first, *second)])


NAMES = sorted(PLANNERS)
