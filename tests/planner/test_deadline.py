"""The deadline ends a search with the best so far, and the time spent is written down."""

import time

import pytest
import torch

from tests.planner.toys import Commands, Nearness, each_planner, problem, rand, small, streams


class Clock:
    """Seconds that pass only when told to."""

    def __init__(self):
        self.now = 5.0

    def __call__(self):
        return self.now


@each_planner
@pytest.mark.parametrize(
    ("deadline_ms", "encode_ms", "iterations"),
    [(1, 0, 1), (19, 0, 1), (20, 0, 2), (59, 0, 5), (60, 0, 6), (60, 15, 4), (1e6, 0, 8), (None, 0, 8)],
)
def test_the_deadline_ends_the_search_with_the_best_so_far(name, deadline_ms, encode_ms, iterations):
    clock = Clock()

    class Slow(Commands):
        def rollout(self, state, actions):
            clock.now += 0.010
            return actions

    target = rand(2, 5, 2) * 2 - 1
    task = problem(Nearness(target), 2, dynamics=Slow())
    # Ten milliseconds an iteration, with a hair's breadth for the sum of floats.
    limit = None if deadline_ms is None else deadline_ms + 1e-6
    plans = small(name, iterations=8, deadline_ms=limit, clock=clock).plan(task, streams(2), encode_ms=encode_ms)
    for b, plan in enumerate(plans):
        assert plan.iterations == iterations == len(plan.cost_per_iteration)
        assert plan.stopped == ("iterations" if iterations == 8 else "deadline")
        assert plan.model_evals == 16 * iterations and plan.deadline_ms == limit
        assert plan.cost == pytest.approx(((plan.actions - target[b].numpy()) ** 2).sum(), rel=1e-4)
        assert plan.timings_ms["rollout"] == pytest.approx(10 * iterations)
        assert plan.timings_ms["encode"] == encode_ms
        assert plan.timings_ms["total"] == pytest.approx(10 * iterations + encode_ms)
    if name in ("dial", "gradient"):
        return  # their schedules look at how many iterations there are to be
    free = small(name, iterations=iterations).plan(task, streams(2))
    assert [p.actions.tolist() for p in free] == [p.actions.tolist() for p in plans]


@pytest.mark.parametrize(("deadline_ms", "iterations"), [(59.0, 4), (61.0, 5), (None, 8)])
def test_what_follows_the_search_counts_too(deadline_ms, iterations):
    clock = Clock()

    class Slow(Commands):
        def rollout(self, state, actions):
            clock.now += 0.010
            return actions

    task = problem(Nearness(torch.zeros(1, 5, 2)), dynamics=Slow())
    settings = {"iterations": 8, "deadline_ms": deadline_ms, "clock": clock}
    [plan] = small("mppi", execute="mean", **settings).plan(task, streams(1))
    assert plan.iterations == iterations
    assert plan.timings_ms["total"] == pytest.approx(10 * (iterations + 1))


def test_the_longest_of_the_last_iterations_is_what_another_may_take():
    clock, lengths = Clock(), iter([0.010, 0.030, 0.010, 0.010, 0.010, 0.010, 0.010, 0.010])

    class Unsteady(Commands):
        def rollout(self, state, actions):
            clock.now += next(lengths)
            return actions

    task = problem(Nearness(torch.zeros(1, 5, 2)), dynamics=Unsteady())
    # After 60 ms another 30 would be too long, though the last iteration took 10.
    [plan] = small("cem", iterations=8, deadline_ms=89.0, clock=clock).plan(task, streams(1))
    assert plan.iterations == 4 and plan.stopped == "deadline"


def test_timings_add_up():
    started = time.perf_counter()
    [plan] = small("mppi").plan(problem(Nearness(torch.zeros(1, 5, 2))), streams(1), encode_ms=7.0)
    spent = 1e3 * (time.perf_counter() - started)
    parts = plan.timings_ms
    assert parts["total"] == pytest.approx(parts["encode"] + parts["rollout"] + parts["select"])
    assert parts["encode"] == 7.0 and parts["rollout"] > 0 and 0 < parts["select"] < spent
