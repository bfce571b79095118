"""A gate: what the proposals would have done is carried out, unless the search promises more than a margin."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from forearm.planner import Plan, make_planner
from tests.planner.toys import Commands, Nearness, content, problem, streams

TARGET = torch.linspace(-0.9, 0.7, 24).reshape(2, 6, 2).sin()


class Own:
    """Proposes a fifth of the bounds first, then what lies around it."""

    def sample(self, problem, space, past, noise, count):  # type: ignore[no-untyped-def]
        numbers = noise.normal(count, space.variables, space.dims, 1.0, like=space.low)
        numbers[:, 0] = 0.0
        return 0.2 + 0.3 * numbers


def planned(gate: float | None, batch: int = 2, **settings: object) -> list[Plan]:
    asked = problem(Nearness(TARGET[:batch]), batch, 2, Commands(), proposals=(Own(),))
    given = {"horizon": 6, "samples": 16, "iterations": 1, "prior_share": 1.0, "execute": "mean"} | settings
    return make_planner("mppi", gate=gate, **given).plan(asked, streams(batch, 1))  # type: ignore[arg-type]


def test_closed_it_does_what_the_proposals_would() -> None:
    own = np.float32(0.2)
    assert all((plan.actions == np.float64(own)).all() for plan in planned(math.inf))


def test_open_it_draws_the_same_and_keeps_what_costs_less() -> None:
    never, at_0, closed = planned(None), planned(0.0), planned(math.inf)
    for free, kept, own in zip(never, at_0, closed, strict=True):
        assert np.array_equal(free.mean, kept.mean)
        assert kept.cost == min(free.cost, own.cost)
        assert np.array_equal(kept.actions, (free if free.cost < own.cost else own).actions)
        assert kept.model_evals == free.model_evals + 1


def test_the_margin_decides() -> None:
    free, closed = planned(None)[0], planned(math.inf)[0]
    gain = closed.cost - free.cost
    assert gain > 0
    assert np.array_equal(planned(0.9 * gain)[0].actions, free.actions)
    assert np.array_equal(planned(1.1 * gain)[0].actions, closed.actions)


def test_problems_do_not_see_each_other() -> None:
    alone, together = planned(0.0, 1), planned(0.0, 2)
    assert content(alone[0]) == content(replace(together[0], batch=1))


@pytest.mark.parametrize("gate", [-1.0, math.nan, "wide", True])
def test_a_margin_that_is_none(gate: object) -> None:
    with pytest.raises(ValueError, match="gate must be"):
        make_planner("mppi", gate=gate)  # type: ignore[arg-type]
