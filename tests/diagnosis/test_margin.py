"""The margin of a gate: where the search overrules to no good, nothing is overruled."""

import math
from dataclasses import fields

import numpy as np
import torch

from forearm.diagnosis.margin import Margin, best_margin, margin_of
from forearm.world_model.heads.pools import Pools


def pools(promised: list[float], brought: list[float], own: float = 1.0) -> Pools:
    """Of as many episodes, in which the choice promised and brought so much more than the prior's own plan."""
    count = len(promised)
    values = {item.name: torch.zeros(count, 2) for item in fields(Pools)}
    values["costs"][:, 1], values["executed"][:, 1] = torch.tensor(promised), torch.tensor(brought)
    return Pools(**(values | {"episodes": torch.arange(count), "own": torch.full((count,), own)}))


def margin(*values: object) -> Margin:
    found = margin_of(pools(*values))  # type: ignore[arg-type]
    assert found is not None
    return found


def test_it_lies_where_overruling_begins_to_pay() -> None:
    promised, brought = np.array([1.0, 2.0, 3.0, 4.0, -1.0]), np.array([-1.0, -0.5, 0.5, 1.0, 9.0])
    assert best_margin(promised, brought) == 2.5
    assert best_margin(promised, np.ones(5)) == 0.0
    assert best_margin(promised, -np.ones(5)) == math.inf
    assert best_margin(-promised[:4], np.ones(4)) == math.inf


def test_it_is_tested_on_other_episodes() -> None:
    found = margin([1.0, 1.1, 3.0, 3.1] * 4, [-1.0, -1.0, 1.0, 1.0] * 4)
    assert (found.margin, found.overruled, found.nearer_m) == (2.0, 0.5, 1.0)
    assert found.always_nearer_m == 0.0 and found.p == 0.125
    wrong = margin([1.0, 1.1] * 8, [1.0, -1.0] * 8)
    assert wrong.margin == math.inf and wrong.nearer_m == -1.0 and wrong.numbers()["margin"] == "inf"


def test_without_a_prior_or_a_second_episode_there_is_none() -> None:
    assert margin_of(pools([1.0, 2.0], [1.0, 1.0], own=0.0)) is None
    assert margin_of(pools([1.0], [1.0])) is None
