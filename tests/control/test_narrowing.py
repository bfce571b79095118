"""Near a goal a controller's searches look less far around the plan that they have."""

from types import SimpleNamespace

import numpy as np
import pytest

import forearm
from forearm.control import plan_source
from forearm.control.narrowing import LEAST, NEAR, narrowed, share_of
from forearm.control.plan_source import LocalPlanSource, PlanRequest


def test_far_from_a_goal_a_search_is_as_wide_as_its_config_says_and_nearer_less() -> None:
    shares = [share_of(nearness, 1000.0) for nearness in np.geomspace(1e-6, 1000.0, 200)]
    assert shares == sorted(shares) and shares[0] == LEAST and shares[-1] == 1.0
    assert len(set(shares)) < 10  # so that few planners are made
    assert share_of(NEAR[1], 1000.0) == 1.0 > share_of(0.8 * NEAR[1], 1000.0)
    assert share_of(5.0, 8.0) == 1.0 > share_of(2.0, 8.0)  # what is moved a little is pushed from all sides
    assert share_of(float("nan"), 9.0) == 1.0


def test_every_spread_of_a_planner_shrinks_alike() -> None:
    config = SimpleNamespace(initial_std=(0.5, 0.25), min_std=0.1, samples=8)
    assert narrowed(config, 0.5) == {"initial_std": (0.25, 0.125), "min_std": 0.05}
    assert narrowed(config, 1.0) == {} == narrowed(SimpleNamespace(samples=8), 0.5)


@pytest.mark.parametrize("radius", [None, 1e6])
def test_a_plan_near_its_goal_is_made_by_a_narrower_search(radius: float | None) -> None:
    loaded, frame = forearm.load("reach"), np.full((64, 64, 3), 90, np.uint8)
    source = LocalPlanSource(loaded.setup("cem", samples=8, elites=4, iterations=1), radius=radius)
    source.begin(frame)
    source.see(0.0, {"pixels": frame})
    request = PlanRequest(0.0, np.zeros((source.ahead_steps, 4)), np.zeros((source.past_steps, 4)))
    for deadline in (None, 1e4):
        plan = source.plan(PlanRequest(**{**vars(request), "deadline_ms": deadline}))
        assert plan.config["initial_std"] == pytest.approx(0.5 if radius is None else 0.5 * LEAST)
        assert plan.config["min_std"] == pytest.approx(0.05 if radius is None else 0.05 * LEAST)


@pytest.mark.parametrize(("radius", "told"), [(None, False), (1e-9, False), (1e6, True)])
def test_what_predictions_missed_counts_near_the_goal_alone(
    radius: float | None, told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded, frame = forearm.load("reach"), np.full((64, 64, 3), 90, np.uint8)
    costs = []
    for leads in (0, plan_source.LEADS):
        monkeypatch.setattr(plan_source, "LEADS", leads)
        source = LocalPlanSource(loaded.setup("cem", samples=8, elites=4, iterations=1), radius=radius)
        source.begin(np.full((64, 64, 3), 60, np.uint8))
        pushed = np.full((12, 4), 0.8)  # and nothing moves: the model has foretold another picture
        for step in range(0, 13, source.ahead_steps):
            source.see(step * source.period, {"pixels": frame})
            past = pushed[max(0, step - source.past_steps) : step]
            held = np.zeros((source.ahead_steps, 4))
            costs.append(source.plan(PlanRequest(step * source.period, held, past)).cost)
    before, after = np.split(np.array(costs), 2)
    assert before[0] == after[0]  # of the first frame nothing was foretold
    assert (before[1:] != after[1:]).all() if told else (before == after).all()
