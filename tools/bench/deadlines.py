"""Are deadlines kept: from the camera's frame to the plan, with the best plan so far."""

import time
from typing import Any

import numpy as np

from forearm.planner import make_planner
from tools.bench.page import Budget, Section
from tools.bench.runners import shipped_settings
from tools.bench.timing import threads

DEADLINES_MS = (5.0, 20.0, 50.0, 200.0)
PLANNERS = ("cem",)
ENDLESS = 10_000  # iterations: the deadline alone ends the search


def deadlines(budget: Budget) -> Section:
    """Wall time of 500 plans for each deadline, from frame to plan."""
    section = Section("Deadlines")
    section.say(
        f"{budget.deadline_plans} plans of the shipped push model for each deadline, on one thread, each begun from "
        "the one before as in closed loop, over held-out frames; the time is that of the whole decision, from the "
        "frame to the plan, and encoding counts. *In time* is the share that came within the deadline, *+ 1* within "
        "the deadline and one iteration of that plan, the aim being 99 %."
    )
    rows = []
    for name in PLANNERS:
        for deadline in DEADLINES_MS:
            with threads(1):
                wall, iterations, longest = _plans(name, deadline, budget.deadline_plans)
            late = wall > deadline
            very = wall > deadline + longest
            section.data[f"{name} {deadline:g} ms"] = {"wall_ms": wall.tolist(), "iterations": iterations.tolist()}
            rows.append(
                [
                    name, f"{deadline:g}", f"{100 * (1 - late.mean()):.1f}", f"{100 * (1 - very.mean()):.1f}",
                    *(f"{np.percentile(wall, p):.1f}" for p in (50, 99, 100)),
                    f"{np.median(iterations):.0f} ({iterations.min()} to {iterations.max()})",
                ]
            )  # fmt: skip
    section.table(["planner", "deadline ms", "in time %", "+ 1 %", "p50 ms", "p99 ms", "worst ms", "iterations"], rows)
    return section


def _plans(name: str, deadline_ms: float, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Wall milliseconds, iterations, and milliseconds of an average iteration, of `count` plans."""
    from forearm.agent.agent import Agent
    from forearm.agent.loaded_model import load
    from forearm.common.seeds import evaluation_reset_seed
    from forearm.evaluation.env_pool import environment

    loaded = load("push")
    env: Any = environment("push", "front", 64)
    chosen = shipped_settings(name) | {"deadline_ms": deadline_ms, "iterations": ENDLESS}
    agent = Agent(make_planner(name, **chosen), loaded.setup(name).in_env(env).planning_model())
    wall, iterations, longest = [], [], []
    observation: Any = None
    for index in range(-3, count):
        if observation is None or index % 25 == 0:
            observation, info = env.reset(seed=evaluation_reset_seed(0, max(index, 0) // 25))
            agent.reset([info["goal"]], [index + 3])
        started = time.perf_counter()
        act = agent.act([observation])[0]
        taken = 1e3 * (time.perf_counter() - started)
        assert act is not None and act.plan is not None
        if index >= 0:  # the first few find their memory
            wall.append(taken)
            iterations.append(act.plan.iterations)
            spent = act.plan.timings_ms
            longest.append((spent["rollout"] + spent["select"]) / act.plan.iterations)
        observation = env.step(act.action)[0]
    return np.asarray(wall), np.asarray(iterations), np.asarray(longest)
