"""The same budget for every search: so many model evaluations, or so many milliseconds, for each plan."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from forearm.agent.action_spec import ActionSpec
from forearm.agent.setup import BASELINES, NONE, PlanningSetup
from forearm.errors import ForearmError, InputError
from forearm.evaluation.env_pool import environment

EVALUATIONS, MS = "evaluations", "ms"


@dataclass(frozen=True)
class Budget:
    """`evaluations` of the model for each plan, or `ms` for each; `amount` of either."""

    kind: str
    amount: float

    @classmethod
    def read(cls, text: str) -> "Budget":
        """The budget that `evaluations:3000` or `ms:50` names; raises `ForearmError` for anything else."""
        kind, _, amount = text.partition(":")
        try:
            number = float(amount)
        except ValueError:
            number = 0.0
        whole = number.is_integer() and number < 1e9
        if kind not in (EVALUATIONS, MS) or not 0 < number < float("inf") or (kind == EVALUATIONS and not whole):
            raise ForearmError(
                f"budget={text} is no budget: write evaluations:3000, of the model a plan, or ms:50, a plan"
            )
        return cls(kind, number)

    def __str__(self) -> str:
        return f"{self.kind}:{self.amount:g}"

    def given_to(self, setup: PlanningSetup) -> PlanningSetup:
        """The same setup with this budget; what does not search needs none.

        Of evaluations `samples` takes as many as fit beside the planner's own `iterations`, and these change where
        samples alone cannot: fewer where there are too few samples to learn from, more where some are left over.
        Raises `ForearmError` for a planner that cannot keep to it.
        """
        if setup.dynamics == NONE or setup.planner_name in BASELINES:
            return setup
        needed = ("samples", "iterations") if self.kind == EVALUATIONS else ("deadline_ms",)
        for key in needed:
            if key not in setup.planner_config:
                raise ForearmError(
                    f"budget={self}: planner '{setup.planner_name}' has no setting {key} to keep it with"
                )
        if self.kind == MS:
            return _with(setup, deadline_ms=self.amount)
        most = int(self.amount)
        found = fitted(_counter(setup), setup.planner_config["samples"], setup.planner_config["iterations"], most)
        if found is None:
            raise ForearmError(f"budget={self} is too small for planner '{setup.planner_name}' with its other settings")
        return _with(setup, samples=found[0], iterations=found[1])


def fitted(count: Callable[[int, int], int | None], samples: int, iterations: int, most: int) -> tuple[int, int] | None:
    """Samples and iterations whose evaluations come near to `most` and stay below; None: there are none.

    `count` says how many evaluations some samples and iterations take, None for a pair that cannot be.
    """
    for rounds in range(iterations, 0, -1):
        found = _samples(count, samples, rounds, most)
        if found is not None:
            while (more := count(found, rounds + 1)) is not None and more <= most:
                rounds += 1
            return found, rounds
    return None


def _samples(count: Callable[[int, int], int | None], samples: int, iterations: int, most: int) -> int | None:
    """The most samples, of about as many as are in proportion, that fit; None: none do."""

    def fits(number: int) -> bool:
        taken = count(number, iterations)
        return taken is not None and taken <= most

    used = count(samples, iterations)
    if used is None or used == count(2 * samples, iterations):  # not what decides
        return samples if fits(samples) else None
    number = samples
    for _ in range(4):
        number = max(2, int(number * most / used))
        used = count(number, iterations)
        if used is None:
            return None
    while number > 2 and not fits(number):
        number -= 1
    while fits(number + 1):
        number += 1
    return number if fits(number) else None


def _with(setup: PlanningSetup, **changes: Any) -> PlanningSetup:
    changed = replace(setup, planner_config={**setup.planner_config, **changes})
    changed.planner()  # raises for what contradicts other settings
    return changed


def _counter(setup: PlanningSetup) -> Callable[[int, int], int | None]:
    """How many model evaluations a plan takes, as plans of a problem without a model say; never ended early."""
    import torch

    from forearm.planner import LatentDistance

    task, actions = setup.task, setup.actions
    if actions is None:
        actions = ActionSpec.of_env(environment(task["name"], task["camera"], task["resolution"]))
    problem = actions.problem(_Nowhere(), LatentDistance(torch.ones(1, len(actions.low))), None, 1)
    counted: dict[tuple[int, int], int | None] = {}

    def count(samples: int, iterations: int) -> int | None:
        key = samples, iterations
        if key not in counted:
            try:
                planner = setup.search(samples=samples, iterations=iterations, deadline_ms=None, tolerance=None)
            except InputError:
                counted[key] = None
            else:
                [plan] = planner.plan(problem, [torch.Generator().manual_seed(0)])
                counted[key] = plan.model_evals
        return counted[key]

    return count


class _Nowhere:
    """Dynamics that go where they are told."""

    def rollout(self, state: Any, actions: Any) -> Any:
        return actions
