"""Results of a comparison, made up: two tasks, floors and a ceiling, three budgets, a factor that was varied."""

from pathlib import Path
from typing import Any

import numpy as np

from forearm.evaluation.film import write_video
from forearm.evaluation.statistics import wilson
from forearm.evaluation.workers import film_path

HOSTILE = 'cem </script><img src=x onerror="document.title=1">&_%{$}|*'
"""A name that every format has to escape."""


def row(task: str, name: str, rate: float, episodes: int = 8, evals: float = 0.0, ms: float = 0.0, **more: Any) -> Any:
    """One row; of its episodes the first ones succeed, and one of those is lost again."""
    solved = round(rate * episodes)
    outcomes = [
        {
            "episode": e, "seed": 100 + e, "success": e < solved, "touched": e < solved + 1, "held": 0 < e < solved,
            "steps": 9 + e if e < solved else 50, "final_distance_m": 0.01 * (e + 1) if e < episodes - 1 else None,
        }
        for e in range(episodes)
    ]  # fmt: skip
    counts = {"touched": min(solved + 1, episodes), "held": max(solved - 1, 0)}
    shares = {key: {"successes": n, "ci95": list(wilson(n, episodes))} for key, n in counts.items()}
    times = [[round(ms * (1 + 0.1 * p), 3) for p in range(5)] for _ in range(episodes)] if ms else []
    every = [x for episode in times for x in episode]
    p50, p95 = (float(np.percentile(every, p)) if every else None for p in (50, 95))
    planner = more.pop("planner", name)
    return {
        "task": task, "name": name, "label": f"{task}-{name}", "planner": planner, "key": "0",
        "dynamics": "learned" if ms else "none", "checkpoint": "a896f5b4" if ms else None, "episodes": episodes,
        "successes": solved, "success": solved / episodes, "ci95": list(wilson(solved, episodes)), **shares,
        "final_distance_m": 0.043, "plan_ms": {"p50": p50, "p95": p95, "episodes": times},
        "model_evals_per_plan": evals, "outcomes": outcomes, **more,
    }  # fmt: skip


def document() -> dict[str, Any]:
    """All of it."""
    rows = [
        row("push", HOSTILE, 1.0, evals=512, ms=60, planner="cem"),
        row("push", "icem", 0.75, evals=256, ms=30),
        *(row("push", f"icem light={strength}", rate, evals=256, ms=30, planner="icem",
              vary={"factor": "light", "strength": strength}) for strength, rate in ((0.7, 0.25), (1.3, 0.5))),
        row("push", "prior", 0.5, ms=2.0), row("push", "random", 0.0), row("push", "hold", 0.0),
        row("push", "expert", 1.0),
        row("fetch/reach", "icem", 0.5, episodes=3, evals=256, ms=30),
    ]  # fmt: skip
    pair = {"task": "push", "a": HOSTILE, "b": "icem", "only_a": 7, "only_b": 0, "p": 0.0156, "p_holm": 0.0156,
            "verdict": "a better"}  # fmt: skip
    return {
        "version": "0.1.0", "created": "2026-01-02T03:04:05+00:00", "command": "forearm compare 'task=[push]'",
        "machine": {"processor": "none", "cores": 2}, "seed": 3, "protocol": "rest", "manifest_sha256": "9f5412f8",
        "rows": rows, "pairs": [pair, pair | {"a": "icem", "b": "prior", "verdict": "no difference shown"}],
        "solved_at_start": {"push": {"drawn": 9, "solved": 1}},
    }  # fmt: skip


def add_films(folder: Path, episodes: int = 2) -> list[Path]:
    """Films of the first episodes of push by `icem`."""
    paths = [film_path(folder, "push-icem", episode) for episode in range(episodes)]
    for shade, path in enumerate(paths):
        write_video(path, [np.full((64, 96, 3), 40 * shade + step, np.uint8) for step in range(12)])
    return paths
