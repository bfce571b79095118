"""A planner for commands that are absolute joint positions: it searches their differences, and plans in positions."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from forearm.planner.plan import Plan
    from forearm.planner.problem import Problem
    from forearm.world_model.absolute import AbsolutePositions, Handover


class AbsolutePlanner:
    """Any planner or baseline, whose plans become positions from where each problem's state says that they begin.

    Args:
        inner: plans differences, between the steps that `absolute` allows.
        absolute: what the positions keep to.
    """

    def __init__(self, inner: Any, absolute: "AbsolutePositions") -> None:
        self.inner, self.absolute = inner, absolute

    @property
    def config(self) -> Any:
        """Of the search."""
        return self.inner.config

    def plan(
        self,
        problem: "Problem",
        generators: Sequence[torch.Generator],
        previous: "Sequence[Plan | None] | None" = None,
        elapsed_steps: int = 1,
        encode_ms: float = 0.0,
    ) -> "list[Plan]":
        """See `Planner.plan`; previous plans are of positions too."""
        before = None if previous is None else [None if old is None else _moved(old) for old in previous]
        begin = problem.state.begin
        plans = self.inner.plan(problem, generators, previous=before, elapsed_steps=elapsed_steps, encode_ms=encode_ms)
        return [self._positions(plan, begin.row(b)) for b, plan in enumerate(plans)]

    def _positions(self, plan: "Plan", begin: "Handover") -> "Plan":
        def positions(moved: np.ndarray) -> np.ndarray:
            flat = torch.as_tensor(moved, dtype=torch.float64).reshape(1, -1, *moved.shape[-2:])
            return self.absolute.positions(flat, begin).numpy().reshape(moved.shape)

        return _with(plan, positions)


def _moved(plan: "Plan") -> "Plan":
    """A plan of positions as the differences that they were planned as; the first one, which is past, as none."""
    return _with(plan, lambda positions: np.diff(positions, axis=-2, prepend=positions[..., :1, :]))


def _with(plan: "Plan", made: Any) -> "Plan":
    elites = None if plan.elites is None else made(plan.elites)
    return replace(plan, actions=made(plan.actions), mean=made(plan.mean), elites=elites)
