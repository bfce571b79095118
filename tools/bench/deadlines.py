"""Are deadlines kept: from the camera's frame to the plan, with the best plan so far."""

import time
from typing import Any

import numpy as np

from forearm.planner import make_planner
from tools.bench.budget import Budget
from tools.bench.runners import shipped_settings
from tools.bench.timing import threads

DEADLINES_MS = (5.0, 20.0, 50.0, 200.0)
PLANNERS = ("cem",)
ENDLESS = 10_000  # iterations: the deadline alone ends the search


def deadlines(budget: Budget) -> dict[str, Any]:
    """Wall time of plans for each deadline, from frame to plan."""
    rows = []
    for name in PLANNERS:
        for deadline in DEADLINES_MS:
            with threads(1):
                wall, iterations, longest = _plans(name, deadline, budget.deadline_plans)
            p50, p99, worst = np.percentile(wall, (50, 99, 100)).tolist()
            rows.append(
                {
                    "planner": name, "deadline_ms": deadline,
                    "in_time_percent": 100 * float((wall <= deadline).mean()),
                    "one_more_percent": 100 * float((wall <= deadline + longest).mean()),
                    "p50_ms": p50, "p99_ms": p99, "worst_ms": worst,
                    "iterations": {
                        "median": float(np.median(iterations)), "least": int(iterations.min()),
                        "most": int(iterations.max()),
                    },
                }
            )  # fmt: skip
    return {"plans": budget.deadline_plans, "rows": rows}


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
