"""Success per second of the processor: every planner and every peer's on the same model, in closed loop.

All rows take turns, episode by episode. What was measured is kept after each, so a run that was stopped goes on.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from forearm.common.files import replacing, write_json
from forearm.evaluation.statistics import wilson
from forearm.planner import PLANNERS
from tools.bench.budget import Budget
from tools.bench.contenders import TASK, Contender, ours, theirs
from tools.bench.peers import PACKAGES, available
from tools.bench.timing import threads
from tools.results.cells import SEEDS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PICTURE = "success_vs_time.svg"
KEPT = Path("outputs/bench/pareto.json")
"""What was measured so far."""
MORE = ("cem", "fast", "stable-worldmodel CEM")
"""Rows with more episodes than the others."""
TUNED: dict[str, dict[str, float]] = {
    "stable-worldmodel CEM": {"var_scale": 0.5, "topk": 10},
    "stable-worldmodel iCEM": {"var_scale": 1.0, "topk": 10},
    "stable-worldmodel MPPI": {"var_scale": 0.3, "temperature": 0.003},
}
"""What the section on time to quality chose for them on this model; the others keep their defaults."""
LEFT_OUT = ("pytorch-mppi MPPI",)
"""Called as it is here it hardly moves the arm, and that may be our fault: no row rather than a wrong one."""
PEER_SAMPLES, PEER_ITERATIONS = 128, 4
"""As many as ours has by default."""

logger = logging.getLogger("forearm.bench")


def pareto(budget: Budget, folder: Path) -> dict[str, Any]:
    """Rows of all contenders, the quickest first, and the picture of them in `folder`."""
    with threads(1):
        wanted = dict.fromkeys(MORE, budget.pareto_more)
        rivals = contenders()
        kept = measure(rivals, {one.name: wanted.get(one.name, budget.pareto_episodes) for one in rivals}, KEPT)
    rows = sorted((row(name, found["episodes"]) for name, found in kept.items()), key=lambda row: row["p50_ms"])
    best = -1.0
    for each in rows:  # nothing quicker solves as many
        each["front"], best = each["success"] > best, max(best, each["success"])
    draw(rows, folder / PICTURE)
    return {"task": TASK, "seeds": list(SEEDS), "rows": rows}


def contenders() -> list[Contender]:
    """All that take turns: our planners as shipped, `fast`, the student at the usual budget, and the peers."""
    names = ["fast", *PLANNERS, "guided"]
    found = [ours(name) for name in names]
    found.append(ours("cem", "cem, with the student", student="beside"))
    for name, peer in available().items():
        if name in LEFT_OUT:
            continue
        found.append(theirs(peer, PEER_SAMPLES, PEER_ITERATIONS))
        if name in TUNED:
            tuned = theirs(peer, PEER_SAMPLES, PEER_ITERATIONS, **TUNED[name])
            found.append(replace(tuned, name=f"{name}, tuned"))
    return found


def measure(
    rows: Sequence[Contender], episodes: Mapping[str, int], path: Path, seeds: Sequence[int] = SEEDS
) -> dict[str, Any]:
    """What each of `rows` did on its first `episodes`, of all seeds by turns, going on from what is kept at `path`."""
    from forearm.agent.setup import task_config
    from forearm.evaluation.closed_loop import run_episodes
    from forearm.evaluation.env_pool import environment
    from forearm.evaluation.manifest import make_episode
    from forearm.evaluation.protocol import rules_of
    from forearm.settings import compose as settings

    task = task_config(TASK)
    rules = rules_of(settings.load("compare", [f"task={TASK}"]).one("protocol"), task)
    env = environment(task["name"], task["camera"], task["resolution"])
    kept = _begun(rows, seeds, path)
    agents = {contender.name: contender.make(env) for contender in rows}
    for index in range(max(episodes.values())):
        due = [name for name in agents if len(kept[name]["episodes"]) == index < episodes[name]]
        if not due:
            continue
        seed = seeds[index % len(seeds)]
        episode = make_episode(env, seed, index // len(seeds), rules)
        turn = index % len(due)
        for name in due[turn:] + due[:turn]:
            agent = agents[name]
            (outcome,) = run_episodes(agent, [env], [episode], seed, rules=rules)
            kept[name]["episodes"].append(
                {"solved": outcome.success, "plan_ms": agent.plan_ms, "model_evals": outcome.model_evals}
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, kept)
        logger.info("pareto: %d of %d episodes", index + 1, max(episodes.values()))
    return {name: {**found, "episodes": found["episodes"][: episodes[name]]} for name, found in kept.items()}


def _begun(rows: Sequence[Contender], seeds: Sequence[int], path: Path) -> dict[str, Any]:
    """What is kept at `path` of those rows that are as they were, and nothing of the others."""
    before = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    found = {}
    for contender in rows:
        fresh = {"seeds": list(seeds), "settings": json.loads(json.dumps(contender.settings)), "episodes": []}
        old = before.get(contender.name, {})
        found[contender.name] = old if {**old, "episodes": []} == fresh else fresh
    return found


def row(name: str, episodes: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What the table says of a contender."""
    solved = sum(episode["solved"] for episode in episodes)
    plans = np.concatenate([episode["plan_ms"] for episode in episodes])
    low, high = wilson(solved, len(episodes))
    p50, p99 = np.percentile(plans, (50, 99)).tolist()
    return {
        "planner": name, "solved": solved, "episodes": len(episodes),
        "success": 100 * solved / len(episodes), "low": 100 * low, "high": 100 * high,
        "p50_ms": p50, "p99_ms": p99, "per_second": solved / (1e-3 * float(plans.sum())),
        "evaluations": float(np.median(np.concatenate([episode["model_evals"] for episode in episodes]))),
    }  # fmt: skip


def draw(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Write the picture, whole or not at all."""
    import matplotlib as mpl

    with replacing(path) as temporary, mpl.rc_context({"svg.hashsalt": PICTURE, "svg.fonttype": "none"}):
        figure(rows).savefig(temporary, format="svg", metadata={"Date": None})


def figure(rows: Sequence[dict[str, Any]]) -> "Figure":
    """Success against time, and the front that nothing else is above and left of."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(8.4, 4.6), layout="constrained")
    FigureCanvasAgg(drawn)
    axes = drawn.add_subplot()
    front = [row for row in rows if row["front"]]
    axes.step(
        [row["p50_ms"] for row in front], [row["success"] for row in front], where="post", color="0.6", linewidth=0.8
    )
    for index, row in enumerate(rows):
        off = [[row["success"] - row["low"]], [row["high"] - row["success"]]]
        mark = "s" if row["planner"].startswith(PACKAGES) else "o"
        axes.errorbar(
            row["p50_ms"], row["success"], off, fmt=mark, color=mpl.colormaps["tab20"](index % 20),
            markersize=5, elinewidth=0.6, label=row["planner"],
        )  # fmt: skip
    drawn.legend(loc="outside right upper", frameon=False, fontsize=8)
    axes.set_xscale("log")
    axes.set_xlabel("processor's time from frame to plan, median, ms")
    axes.set_ylabel("success, %")
    axes.grid(alpha=0.3, which="both", linewidth=0.4)
    return drawn
